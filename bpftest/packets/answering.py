"""What the confined process does that `asking` asks: Scapy runs here, over what strangers wrote, and nowhere else.

Arguments and results are plain data, so that they can be sent.
"""

from __future__ import annotations

import json
import marshal
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from bpftest.errors import SuiteError
from bpftest.packets import changing, expression, fields, layers, named, snapshots, view, writing
from bpftest.packets.headers import chain
from bpftest.packets.sources import Packet, Scope, SourceError

if TYPE_CHECKING:
    from bpftest.packets.difference import FieldDifference
    from bpftest.packets.named import FieldChecks
    from bpftest.packets.sources import Contents

CHECKS_KEPT = 64


def begin(*, everything: bool) -> Callable[[bytes], bytes]:
    """Imports Scapy, all of its layers or the core alone. Gives the function that answers, which imports no more."""
    if everything:
        layers.load_all()
    else:
        layers.load_core()
    layers.close()
    return Answers().answer


class Answers:
    """The answers of one process; they are about one suite until another one is named."""

    def __init__(self) -> None:
        self._scope = Scope()
        self._checks: dict[bytes, FieldChecks] = {}  # that the suite asks for again and again
        self._functions: dict[str, Callable[..., object]] = {
            "all_built": self._all_built,
            "built": self._built,
            "built_with": self._built_with,
            "compared": self._compared,
            "differences": self._differences,
            "mask_without": self._mask_without,
            "refuse_fields": self._field_checks,
            "replaced": self._replaced,
            "snapshot_lines": self._snapshot_lines,
            "view": self._view,
            "written": self._written,
        }

    def answer(self, request: bytes) -> bytes:
        """To marshal's (scope, function, arguments) JSON's [kind, what there is to say].

        The scope is (variables, packets, headers), None if it is the same as before. Kinds: "made", of what the
        function gives; "mistake", of the parts of a SourceError; "unloaded", where more of Scapy's layers are needed;
        "bug", of a traceback. Raises MemoryError, which ends the process: it may have lost more than it can tell.
        """
        scope, function, arguments = marshal.loads(request)  # noqa: S302 - the parent wrote it
        if scope is not None:
            self._scope = Scope(*scope)
            self._checks.clear()
        return json.dumps(self._said(function, arguments)).encode()

    def _said(self, function: str, arguments: Sequence[Any]) -> tuple[str, object]:
        try:
            return "made", self._functions[function](*arguments)
        except SourceError as error:
            return "mistake", (error.what, error.hint, error.key, error.span, error.index)
        except SuiteError as error:
            return "mistake", (error.what, error.hint, "", error.span, None)
        except layers.Unloaded:
            return "unloaded", None
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - a bug of ours: it keeps its traceback
            return "bug", traceback.format_exc()

    def _built(self, text: str, contents: Contents) -> tuple[str, str, tuple[str, ...]]:
        self._scope.contents = contents
        data, link, names = expression.built(text, self._scope)
        return data.hex(), link, names

    def _built_with(
        self, text: str, contents: Contents, field: str, value: int | str
    ) -> tuple[str, str, tuple[str, ...]]:
        self._scope.contents = contents
        made = changing.built_with(text, field, value, self._scope)
        return made.data.hex(), made.link, made.chain

    def _replaced(
        self, data: bytes, link: str, its: tuple[str, ...], field: str, value: int | str
    ) -> tuple[str, str, tuple[str, ...]]:
        made = changing.replaced(Packet(data, b"", link, its), field, value, self._scope)
        return made.data.hex(), made.link, made.chain

    def _all_built(self, texts: Sequence[str]) -> list[tuple[str, object]]:
        return [self._said("built", (text, {})) for text in texts]

    def _mask_without(self, names: Sequence[str], data: bytes, link: str, its: tuple[str, ...]) -> str:
        return named.mask_without(names, Packet(data, b"", link, its), self._scope).hex()

    def _field_checks(self, wanted: bytes) -> None:
        if wanted in self._checks:
            return
        if len(self._checks) == CHECKS_KEPT:
            self._checks.clear()
        self._checks[wanted] = named.field_checks(marshal.loads(wanted), self._scope)  # noqa: S302 - as in `answer`

    def _compared(self, wanted: bytes, data: bytes, link: str, its: Sequence[str]) -> tuple[FieldDifference, ...]:
        self._field_checks(wanted)
        return self._checks[wanted](data, link, its)

    def _differences(
        self, expected: bytes, actual: bytes, link: str, mask: bytes | None, its: Sequence[str]
    ) -> tuple[FieldDifference, ...]:
        return fields.differences(expected, actual, link, mask, chain(its, self._scope.headers))

    def _snapshot_lines(self, data: bytes, link: str, its: Sequence[str]) -> tuple[str, ...]:
        return tuple(snapshots.lines(data, link, chain(its, self._scope.headers)))

    def _view(self, data: bytes, link: str, its: Sequence[str]) -> tuple[str, ...]:
        return tuple(view.view(data, link, chain(its, self._scope.headers)))

    def _written(self, data: bytes, link: str, its: tuple[str, ...]) -> writing.Written:
        return writing.written(Packet(data, b"", link, its), self._scope)
