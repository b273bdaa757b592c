/** Numbers, times and sizes as the command line writes them (headway/formats.py). */

const UNITS: readonly [string, number][] = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];
const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** Strict JSON has no NaN: the server sends "NaN", "Infinity", "-Infinity". */
export type Num = number | "NaN" | "Infinity" | "-Infinity" | null | undefined;

export function num(value: Num): number | null {
  return value === null || value === undefined ? null : Number(value);
}

/** 0.973214 -> "0.9732", 0.00005 -> "5.00e-5", 10234.5 -> "10,234.5", NaN -> "nan". */
export function value(given: Num, digits = 4): string {
  const number = num(given);
  if (number === null) return "";
  if (Number.isNaN(number)) return "nan";
  if (!Number.isFinite(number)) return number > 0 ? "inf" : "-inf";
  const size = Math.abs(number);
  if (Number.isInteger(number) && size < 1e15) return grouped.format(number);
  if (size < 1e-3 || size >= 1e7) return number.toExponential(2);
  if (size < 100) return number.toFixed(digits);
  return number.toLocaleString("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
}

/** A cell of any kind as text. */
export function cell(given: unknown): string {
  if (given === null || given === undefined) return "";
  if (typeof given === "number") return Number.isInteger(given) ? String(given) : value(given);
  if (typeof given === "string") return given;
  return JSON.stringify(given);
}

/** 3725 -> "1h 02m": the two largest units. */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return "";
  const left = Math.max(0, Math.round(seconds));
  for (const [at, [unit, size]] of UNITS.entries()) {
    const next = UNITS[at + 1];
    if (next && left >= size) {
      const part = Math.floor((left % size) / next[1]);
      return `${Math.floor(left / size)}${unit} ${String(part).padStart(2, "0")}${next[0]}`;
    }
  }
  return `${left}s`;
}

/** "now", "5m ago", "3d ago"; the date from 60 days on. */
export function age(iso: string | null | undefined, now = Date.now()): string {
  const then = iso ? Date.parse(iso) : NaN;
  if (Number.isNaN(then)) return "";
  const past = (now - then) / 1000;
  if (past >= 60 * 86400) return String(iso).slice(0, 10);
  for (const [unit, size] of UNITS) if (size > 1 && past >= size) return `${Math.floor(past / size)}${unit} ago`;
  return "now";
}

export function bytes(count: number | null | undefined): string {
  if (count === null || count === undefined) return "";
  let left = count;
  for (const unit of ["B", "KB", "MB", "GB"]) {
    if (left < 1024) return unit === "B" ? `${left} B` : `${left.toFixed(1)} ${unit}`;
    left /= 1024;
  }
  return `${left.toFixed(1)} TB`;
}

/** One and many: count(1, "run") -> "1 run", count(2000, "run") -> "2,000 runs". */
export function count(number: number, noun: string): string {
  return `${grouped.format(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/** What a run is called where there is little room. */
export function title(run: { id: string; name: string | null }): string {
  return run.name || run.id;
}

/** The last part of a dotted or slashed key, and what stands before it. */
export function keyParts(key: string): [string, string] {
  const plain = key.replace(/^config\./, "");
  const at = Math.max(plain.lastIndexOf("."), plain.lastIndexOf("/"));
  return [plain.slice(0, at + 1), plain.slice(at + 1)];
}
