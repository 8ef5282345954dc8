"""Suite → jobs: bytes for the kernel, and checks for what comes back.

Nothing is loaded yet, and every mistake of the suite is found.
"""

from __future__ import annotations

import errno
import os
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from bpftest.errors import ObjectError, SuiteError
from bpftest.expectations import EXPECTATIONS, Check, Context
from bpftest.expectations.result import checksum_complete
from bpftest.maps import plain_values
from bpftest.packets.sources import Scope
from bpftest.plan.ctx import Given, given_ctx
from bpftest.plan.program import Object, Objects, Target, object_key, refuse_uncalled, target
from bpftest.plan.request import (
    built,
    flag_bits,
    framed,
    packet_of,
    refuse_broken_rules,
    refuse_repeat,
    request,
    rule_place,
    run_of,
    with_family,
)
from bpftest.plan.setup import State, has_state, state_of
from bpftest.suite.parse import InvalidSuiteFile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bpftest.btf import Btf
    from bpftest.errors import BpftestError
    from bpftest.kernel.door import Loading, Request
    from bpftest.packets.cache import Cache
    from bpftest.progtypes import ProgType, Run
    from bpftest.suite.model import Case, Program, Suite, Written

__all__ = ["Job", "Object", "Objects", "Plan", "object_key", "plan", "rule_place"]

ON_LOADING = ("loads", "load_error")  # expectations for which nothing is run
ALONE = (*ON_LOADING, "errno")  # expectations that leave nothing to expect beside them


class Job(NamedTuple):
    """One case, ready to run."""

    case: Case
    checks: tuple[Check, ...]
    prog_type: ProgType | None = None  # None: there is a problem, and the suite does not say
    loading: Loading | None = None  # None: there is a problem
    request: Request | None = None  # None: nothing is run
    run: Run | None = None  # the request in the terms of the rules
    refusals: Mapping[int, Check] = MappingProxyType({})  # errnos of the run that are verdicts by themselves
    problem: BpftestError | None = None  # why the case cannot run: object or compiler


class Plan(NamedTuple):
    """A suite and its jobs, one a case, in its order."""

    suite: Suite
    jobs: tuple[Job, ...]


def plan(suite: Suite, objects: Objects, cache: Cache | None = None) -> Plan:
    """The jobs of *suite*. *objects*: what each is, or why there is none. Raises InvalidSuiteFile."""
    scope = Scope(suite.variables, suite.packets, suite.headers, os.path.dirname(suite.path), cache)
    planning = _Planning(objects, scope)
    jobs = tuple(planning.job(case) for case in suite.cases)
    if planning.faults:
        raise InvalidSuiteFile(suite.path, _in_order(planning.faults))
    return Plan(suite, jobs)


def _in_order(faults: list[SuiteError]) -> tuple[SuiteError, ...]:
    """Each mistake once, from the top of the file: cases that share a default share its mistakes."""
    unique = {str(fault): fault for fault in faults}
    return tuple(sorted(unique.values(), key=_position))


def _position(fault: SuiteError) -> tuple[int, int]:
    return (fault.place.line, fault.place.column) if fault.place else (0, 0)


class _UnknownError(SuiteError):
    """Whether this is a mistake cannot be told without the object, which has a problem of its own."""


class _Planning:
    """The planning of one suite: what its cases share, and the mistakes found so far."""

    def __init__(self, objects: Objects, scope: Scope) -> None:
        self.faults: list[SuiteError] = []
        self._objects = objects
        self._scope = scope
        self._targets: dict[int, tuple[Target, Context | None]] = {}
        self._btfs: dict[bytes, Btf] = {}

    def job(self, case: Case) -> Job:
        """The job of *case*; it means nothing if a mistake was found."""
        found, context = self._target(case.program)
        if context is None:  # what can be told without a program type
            if case.packet is not None:
                self._try(case.here, built, case.packet, self._scope)
            return Job(case, (), problem=found.problem)
        self._try(case.here, _refuse_company, case)
        if any(key in case.expect for key in ON_LOADING):
            loading = _with_log(found.loading, case)
            return Job(case, self._checks(case, context), context.prog_type, loading, problem=found.problem)
        return self._run_job(case, found, context)

    def _run_job(self, case: Case, found: Target, context: Context) -> Job:
        """The job of a case that runs its program. A step that has nothing to look at is not taken."""
        prog_type, mistakes = context.prog_type, len(self.faults)
        given = self._try(case.here, packet_of, case, prog_type, self._scope)
        ctx = self._try(case.here, given_ctx, case, prog_type, context.types) or Given()
        flags = self._try(case.here, flag_bits, case, prog_type) or 0 if case.flags else 0
        state = self._try(case.here, state_of, case, context) or State() if has_state(case) else State()
        if case.repeat > 1:
            self._try(case.here, refuse_repeat, case, prog_type)
        if prog_type.attached:
            self._try(case.here, refuse_uncalled, found)
        ctx = with_family(ctx, prog_type, given)
        frame = framed(given, prog_type, ctx) if given else None
        run = run_of(case, frame, given, ctx, found.attach_type)
        if len(self.faults) == mistakes:  # a rule would only repeat what is already said
            self._try(case.here, refuse_broken_rules, case, prog_type, run)
        checks = self._checks(
            case,
            context._replace(
                packet=given.data if given else b"",
                link=frame.link if frame else "",
                struct=ctx.struct,
                sockets=tuple(socket.name for socket in state.setup.sockets),
            ),
        )
        asked = request(case, prog_type, given, run, ctx, flags, state.setup)
        loading = _in_state(found.loading, state)
        return Job(case, checks, prog_type, loading, asked, run, _refusals(case), found.problem)

    def _context(self, found: Target) -> Context | None:
        """What is the same for every case of a program; None if its type is not known."""
        if found.prog_type is None:
            return None
        programs = tuple(program.name for program in found.found.programs)
        return Context(
            found.prog_type, self._scope, types=self._types(found), variables=found.found.variables, programs=programs
        )

    def _types(self, found: Target) -> Callable[[], Btf]:
        """The types of the object, read when they are needed, and once. Raises SuiteError where it has none."""

        def types() -> Btf:
            from bpftest.btf import Btf

            if found.problem is not None:
                raise _UnknownError("the object is not known")
            if not found.found.btf:
                raise SuiteError("the object has no types (BTF)", "compile it with clang -g")
            if found.found.btf not in self._btfs:
                self._btfs[found.found.btf] = Btf(found.found.btf)
            return self._btfs[found.found.btf]

        return types

    def _checks(self, case: Case, context: Context) -> tuple[Check, ...]:
        found = (self._try(case.expect[key], EXPECTATIONS[key], case.expect[key], context) for key in case.expect)
        return tuple(check for check in found if check is not None)

    def _target(self, program: Program) -> tuple[Target, Context | None]:
        """What *program* names, looked up once for the cases that share it."""
        known = self._targets.get(id(program))
        if known is None:
            try:
                found = target(program, self._objects[object_key(program)])
            except SuiteError as error:
                self.faults.append(error)
                found = Target()
            context = self._context(found)
            if context is not None and found.loading is not None and _has_state(found.found):
                found = found._replace(loading=found.loading._replace(plain=self._plain(context)))
            known = self._targets[id(program)] = found, context
        return known

    def _plain(self, context: Context) -> bool:
        """Whether the object's maps and globals hold nothing but bytes, as far as its types tell."""
        try:
            return plain_values(context.types())
        except (SuiteError, ObjectError):  # it has no types, or they are damaged
            return False

    def _try(self, where: Written, step: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return step(*arguments)
        except _UnknownError:
            return None
        except SuiteError as error:
            self.faults.append(error.at(where.part(error.span)))
            return None


def _has_state(found: Object) -> bool:
    """Whether the object has maps, or global variables that programs write to."""
    return b"\0.maps\0" in found.btf or any(not one.section.startswith(".rodata") for one in found.variables)


def _refuse_company(case: Case) -> None:
    """Raises SuiteError where something is expected of a run that is refused, or that never is."""
    names = list(case.expect)
    first = next((name for name in names if name in ALONE), None)
    if first is None or len(names) == 1:
        return
    other = next(name for name in names if name != first)
    why = "the program is loaded and not run" if first in ON_LOADING else "the kernel gives nothing back"
    raise SuiteError(
        f"'{first}' and '{other}' do not go together: with '{first}' {why}",
        "make two cases of them",
        case.expect[other].key_place(),
    )


def _refusals(case: Case) -> Mapping[int, Check]:
    """The verdicts that the kernel gives by refusing: with checksum_complete, EBADMSG says that skb->csum is wrong."""
    if case.flags is None or "checksum_complete" not in case.flags.value or "errno" in case.expect:
        return MappingProxyType({})
    return MappingProxyType({errno.EBADMSG: checksum_complete(case.flags)})


def _in_state(loading: Loading | None, state: State) -> Loading | None:
    """*loading* with the constants of the case, and the programs that its prog arrays name."""
    if loading is None or not (state.constants or state.programs):
        return loading
    also = (*loading.also, *(name for name in state.programs if name != loading.program))
    return loading._replace(constants=state.constants, also=also)


def _with_log(loading: Loading | None, case: Case) -> Loading | None:
    """*loading* with the verifier's log, where the case looks into it; a refusal always has one.

    Of a program that it accepts the kernel keeps the log from level 2 on: do_check_common, kernel/bpf/verifier.c.
    """
    if loading is None or "loads" not in case.expect or "log" not in case.expect["loads"]:
        return loading
    return loading._replace(log_level=loading.log_level | 2)
