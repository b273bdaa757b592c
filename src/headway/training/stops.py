"""The ways training ends before its last step, as exceptions, and the signals that ask for it."""

import signal
from types import FrameType

from headway.store.layout import EXIT_CODES


class Stopped(Exception):  # noqa: N818 - an orderly end, not an error
    """Training ended early in an orderly way; `status` is one of layout.EXIT_CODES."""

    def __init__(self, status: str, cause: str) -> None:
        self.status, self.cause = status, cause
        super().__init__(cause)

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.status]


class Signals:
    """Remembers a SIGTERM or SIGINT until the step in progress is complete; a second SIGINT interrupts at once."""

    def __init__(self) -> None:
        self.received: int = 0

    def install(self) -> None:
        signal.signal(signal.SIGTERM, self._note)
        signal.signal(signal.SIGINT, self._note)

    def _note(self, number: int, _: FrameType | None) -> None:
        if number == signal.SIGINT and self.received == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = number

    def stop(self, number: int, step: int) -> Stopped:
        if number == signal.SIGINT:
            return Stopped("stopped", f"interrupted at step {step}; continue with: headway resume")
        return Stopped("preempted", f"asked to end (SIGTERM) at step {step}; continue with: headway resume")
