"""Scapy, asked in a process that may do nothing else: expressions and packets may be anybody's.

The process is forked when it is first needed, before Scapy is imported, which it never is here. It answers in JSON,
of which nothing is believed that has another form than it should.
"""

from __future__ import annotations

import atexit
import json
import marshal
from typing import TYPE_CHECKING, Any

from bpftest.errors import ProgramError
from bpftest.packets import layers
from bpftest.packets.arithmetic import SIZE_MAX
from bpftest.packets.difference import FieldDifference
from bpftest.packets.sources import WORDS, SourceError, expression_text
from bpftest.sandbox.child import Child, ChildEnded, ChildLate
from bpftest.sandbox.confinement import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bpftest.packets.named import FieldChecks
    from bpftest.packets.sources import Contents, Packet, Scope
    from bpftest.packets.writing import Written

READ_SECONDS = 10.0  # for what takes a millisecond
BUILD_SECONDS_MIN = 1.0  # a shorter `timeout` would refuse what only had to wait for a CPU
TOGETHER_MAX = 64  # expressions that are sent at once: a message costs as much as a tenth of a packet
TOGETHER_SIZE = 64 << 10  # characters of them
UNLOADED = ["unloaded", None]
LIMITS = Limits(memory=1 << 30)


class Silence(Exception):
    """There is no answer, for the reason that is the text."""


def built(text: str, contents: Contents, scope: Scope) -> tuple[bytes, str, tuple[str, ...]]:
    """What expression.built gives. *contents*: of the packets that *text* names and that are no expressions.

    Raises SourceError, with a span where a part of *text* is to blame.
    """
    try:
        answer = None if contents else _told(text, scope)
        if answer is None:
            seconds = max(scope.seconds, BUILD_SECONDS_MIN)
            made = _asked(scope, "built", text, contents, everything=_needs_all((text,), scope), seconds=seconds)
        else:
            made = _made(answer)
        data, link, chain = _list(made, str, str, list)
        return _bytes(data, SIZE_MAX), link, _texts(chain)
    except Silence as silence:
        raise SourceError(f"this cannot be built: {silence}", "make the packet smaller") from None


def _told(text: str, scope: Scope) -> Any:
    """The answer for *text*, asked together with what comes after it; None where it is to be asked alone."""
    if text not in scope.told:
        texts = _together(text, scope)
        if len(texts) == 1:
            return None
        try:
            answers = _asked(
                *(scope, "all_built", texts), everything=_needs_all(texts, scope), seconds=BUILD_SECONDS_MIN
            )
        except Silence:  # one of them is to blame
            return None
        scope.told = dict(zip(texts, answers if isinstance(answers, list) else (), strict=False))
    answer = scope.told.pop(text, None)
    return None if answer == UNLOADED else answer


def _together(text: str, scope: Scope) -> tuple[str, ...]:
    """*text* and some of what comes."""
    texts, size = {text: None}, len(text)
    for one in scope.coming:
        if one not in texts:
            texts[one] = None
            size += len(one)
        if len(texts) == TOGETHER_MAX or size > TOGETHER_SIZE:
            break
    return tuple(texts)


def _needs_all(texts: Sequence[str], scope: Scope) -> bool:
    """Whether more than the core of Scapy is likely to be needed; named packets may hold anything."""
    if _process is not None and _process.everything:
        return True
    words = {word for text in texts for word in WORDS.findall(text)}
    return not words.isdisjoint(layers.BEYOND_CORE) or not words.isdisjoint(scope.packets)


def built_with(
    text: str, contents: Contents, field: str, value: int | str, scope: Scope
) -> tuple[bytes, str, tuple[str, ...]]:
    """What changing.built_with gives; *contents*: as of `built`. Raises SourceError."""
    return _changed(scope, "built_with", text, contents, field, value)


def replaced(packet: Packet, field: str, value: int | str, scope: Scope) -> tuple[bytes, str, tuple[str, ...]]:
    """What changing.replaced gives. Raises SourceError."""
    return _changed(scope, "replaced", packet.data, packet.link, packet.chain, field, value)


def _changed(scope: Scope, function: str, *arguments: object) -> tuple[bytes, str, tuple[str, ...]]:
    seconds = max(scope.seconds, BUILD_SECONDS_MIN)
    try:
        data, link, chain = _list(_asked(scope, function, *arguments, seconds=seconds), str, str, list)
        return _bytes(data, SIZE_MAX), link, _texts(chain)
    except Silence as silence:
        raise SourceError(f"the packet cannot be changed: {silence}") from None


def mask_without(names: Sequence[str], made: Packet, scope: Scope) -> bytes:
    """What named.mask_without gives. Raises SourceError."""
    try:
        said = _asked(scope, "mask_without", tuple(names), made.data, made.link, made.chain)
        return _bytes(said, len(made.data))
    except Silence as silence:
        raise SourceError(f"where they are in the packet cannot be told: {silence}", key="ignore") from None


def field_checks(fields: Mapping[str, Any], scope: Scope) -> FieldChecks:
    """What named.field_checks gives; the checks raise ProgramError. Raises SourceError."""
    wanted = marshal.dumps(dict(fields))
    try:
        _asked(scope, "refuse_fields", wanted)
    except Silence as silence:
        raise SourceError(f"these fields cannot be looked up: {silence}") from None

    def check(data: bytes, link: str, chain: Sequence[str]) -> tuple[FieldDifference, ...]:
        try:
            return _differences(_asked(scope, "compared", wanted, data, link, tuple(chain)))
        except Silence as silence:
            raise ProgramError(f"the fields of the packet cannot be told: {silence}") from None

    return check


def differences(
    expected: bytes, actual: bytes, link: str, mask: bytes | None, chain: Sequence[str], scope: Scope
) -> tuple[FieldDifference, ...]:
    """What fields.differences gives; *chain*: names, as in sources.Packet. Whatever the bytes are, it gives some."""
    try:
        return _differences(_asked(scope, "differences", expected, actual, link, mask, tuple(chain)))
    except Silence:
        from bpftest.packets.fields import first_byte  # needs no Scapy

        return first_byte(expected, actual, mask)


def snapshot_lines(data: bytes, link: str, chain: Sequence[str], scope: Scope) -> tuple[str, ...]:
    """What snapshots.lines gives; *chain*: names, as in sources.Packet. Whatever the bytes are, it gives some."""
    try:
        lines = _texts(_asked(scope, "snapshot_lines", data, link, tuple(chain)))
    except Silence:
        lines = ()
    from bpftest.packets.snapshots import data_of, plain_lines  # need no Scapy

    return lines if data_of(lines) == data else plain_lines(data)


def view(packet: Packet, scope: Scope) -> tuple[str, ...]:
    """What view.view gives; where Scapy does not get that far, the bytes."""
    try:
        return _texts(_asked(scope, "view", packet.data, packet.link, packet.chain))
    except Silence:
        from bpftest.packets.view import plain_lines  # needs no Scapy

        return plain_lines(packet.data)


def written(packet: Packet, scope: Scope) -> Written:
    """What writing.written gives; where Scapy does not get that far, the bytes in an expression. Raises SourceError."""
    from bpftest.packets.writing import Written, as_bytes  # need no Scapy

    try:
        return Written(*_list(_asked(scope, "written", packet.data, packet.link, packet.chain), str, str))
    except Silence as silence:
        return Written(as_bytes(packet.data), f"the packet ({silence})")


# --- the process --------------------------------------------------------------------------------------------------


class _Process:
    """The process that answers, and what it knows. *everything*: all of Scapy's layers, not the core alone."""

    def __init__(self, *, everything: bool) -> None:
        self.everything = everything
        self.scope: Scope | None = None  # that it has been told
        self.child = Child(self._begin, LIMITS)

    def _begin(self) -> Callable[[bytes], bytes]:
        from bpftest.packets.answering import begin  # it imports Scapy

        return begin(everything=self.everything)


_process: _Process | None = None


def begin(text: str, scope: Scope) -> None:
    """Has Scapy imported in the process, which takes a while, since the expression *text* will be asked for."""
    _running(everything=_needs_all((text,), scope))


def close() -> None:
    """Ends the process, if there is one; what is asked next begins another."""
    global _process  # noqa: PLW0603 - there is one
    if _process is not None:
        _process.child.close()
        _process = None


def _running(*, everything: bool) -> _Process:
    """The process that answers, a new one where there is none that can."""
    global _process  # noqa: PLW0603 - there is one
    if _process is not None and (not _process.child.can_answer or everything > _process.everything):
        close()
    if _process is None:
        atexit.unregister(close)
        atexit.register(close)
        _process = _Process(everything=everything)
    return _process


def _asked(
    scope: Scope, function: str, *arguments: object, everything: bool = True, seconds: float = READ_SECONDS
) -> Any:
    """What *function* of answering.Answers gives, as JSON has it. Raises SourceError, or Silence."""
    while True:
        process = _running(everything=everything)
        is_new = not process.child.answered
        told = None if process.scope is scope else _plain(scope)
        try:
            answer = process.child.ask(_request(told, function, arguments), seconds)
        except ChildLate:
            raise Silence(f"it took longer than {seconds:g} s") from None
        except ChildEnded as ended:
            if is_new:
                raise Silence(f"its process ended with {ended}") from None
            continue  # what it did before may be to blame
        process.scope = scope
        said = _parsed(answer)
        if said != UNLOADED or process.everything:
            return _made(said)
        everything = True


def _request(*parts: Any) -> bytes:
    return marshal.dumps(parts)


def _plain(scope: Scope) -> tuple[object, ...]:
    """What an expression may name. Of packets that are none the bytes are sent with the expression."""
    packets = {name: expression_text(source) or {"hex": ""} for name, source in scope.packets.items()}
    return dict(scope.variables), packets, dict(scope.headers)


# --- what it says -------------------------------------------------------------------------------------------------


def _parsed(answer: bytes) -> Any:
    try:
        return json.loads(answer.decode())
    except (ValueError, RecursionError):
        return None


def _made(answer: Any) -> Any:
    """What has been made. Raises SourceError for a mistake, RuntimeError for a bug of ours."""
    kind, said = _list(answer, str, None)
    if kind == "made":
        return said
    if kind == "bug":
        raise RuntimeError(said)
    if kind != "mistake":
        raise _nonsense()
    what, hint, key, span, index = _list(said, str, str, str, None, None)
    if span is not None:
        offset, width = _list(span, int, int)
        span = (max(offset, 0), max(width, 1))
    raise SourceError(what, hint, key, span, index if isinstance(index, int) else None)


def _list(said: Any, *kinds: type | None) -> list[Any]:
    """*said*, a list of values of these *kinds*, of which None is any."""
    if not isinstance(said, list) or len(said) != len(kinds):
        raise _nonsense()
    if any(kind is not None and type(one) is not kind for one, kind in zip(said, kinds, strict=True)):
        raise _nonsense()
    return said


def _texts(said: Any) -> tuple[str, ...]:
    if not isinstance(said, list) or not all(isinstance(one, str) for one in said):
        raise _nonsense()
    return tuple(said)


def _bytes(said: Any, size_max: int) -> bytes:
    try:
        data = bytes.fromhex(said)
    except (TypeError, ValueError):
        raise _nonsense() from None
    if len(data) > size_max:
        raise _nonsense()
    return data


def _differences(said: Any) -> tuple[FieldDifference, ...]:
    if not isinstance(said, list):
        raise _nonsense()
    return tuple(FieldDifference(*_list(one, str, int, str, str, bool)) for one in said)


def _nonsense() -> Silence:
    return Silence("its process answers nonsense")
