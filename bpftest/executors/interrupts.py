"""Ctrl-C and SIGTERM: they end the case that runs, and leave every report whole."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType, TracebackType
    from typing import Any

NUMBERS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """As long as the block lasts, both signals raise KeyboardInterrupt with their name, such as "SIGTERM".

    Between `hold` and `release` the first one waits; any that follows does not, since whoever sends it does not either.
    """

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._held = False
        self._heard = False  # one at least
        self._waiting = ""

    def __enter__(self) -> Interrupts:  # noqa: PYI034 - Self is typing's from Python 3.11 on
        for number in NUMBERS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup and a script's & leave it
                self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def hold(self) -> None:
        """From here on a signal waits."""
        self._held = True

    def release(self) -> None:
        """From here on a signal does not wait. Raises KeyboardInterrupt for one that has."""
        self._held = False
        if self._waiting:
            raise KeyboardInterrupt(self._waiting)

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        is_first, self._heard = not self._heard, True
        if not (is_first and self._held):
            raise KeyboardInterrupt(name)
        self._waiting = name
