"""Numbers, times and other people's text as short strings for a terminal."""

import math
import time
import unicodedata
from datetime import datetime

_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def safe(text: object, width: int | None = None) -> str:
    """Any text, cut to `width` characters; what could steer a terminal or turn a line around is escaped."""
    shown = str(text)
    shown = shown if width is None or len(shown) <= width else shown[: width - 1] + "…"
    return "".join(char if _plain(char) else f"\\u{ord(char):04x}" for char in shown)


def _plain(char: str) -> bool:
    category = unicodedata.category(char)
    return category not in ("Cc", "Cs", "Zl", "Zp") and unicodedata.bidirectional(char) not in (
        *("LRE", "RLE", "LRO", "RLO", "PDF"),
        *("LRI", "RLI", "FSI", "PDI"),
    )


def csv_cell(value: object) -> object:
    """A text that a spreadsheet would run as a formula is led by an apostrophe; numbers stay as they are."""
    if not isinstance(value, str) or not value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def duration(seconds: float | None) -> str:
    """3725 -> "1h 02m"; the two largest units."""
    if seconds is None:
        return ""
    left = max(0, round(seconds))
    for at, (unit, size) in enumerate(_UNITS):
        if left >= size and size > 1:
            smaller, part = _UNITS[at + 1]
            return f"{left // size}{unit} {left % size // part:02d}{smaller}"
    return f"{left}s"


def age(iso: str | None, now: float | None = None) -> str:
    """How long ago an ISO time was: "now", "5m ago", "3d ago"; the date itself from 60 days on."""
    then = unix(iso)
    if then is None:
        return ""
    past = (time.time() if now is None else now) - then
    if past >= 60 * 86400:
        return str(iso)[:10]
    return next((f"{past // size:.0f}{unit} ago" for unit, size in _UNITS if past >= size and size > 1), "now")


def unix(iso: str | None) -> float | None:
    try:
        return datetime.fromisoformat(str(iso)).timestamp()
    except ValueError:
        return None


def size(count: float) -> str:
    """1536 -> "1.5 KB" """
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TB"


def value(number: float | None, width: int = 4) -> str:
    """0.973214 -> "0.9732", 0.00005 -> "5.00e-05", 10234.5 -> "10,234.5", NaN -> "nan"."""
    if number is None:
        return ""
    if not math.isfinite(number) or number == 0 or float(number).is_integer():
        return f"{number:,.0f}" if math.isfinite(number) and abs(number) < 1e15 else f"{number:g}"
    magnitude = abs(number)
    if magnitude < 1e-3 or magnitude >= 1e7:
        return f"{number:.2e}"
    return f"{number:,.{width}f}" if magnitude < 100 else f"{number:,.1f}"
