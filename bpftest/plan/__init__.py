"""Suite → jobs: bytes for the kernel, and checks for what comes back.

Nothing is loaded yet, and every mistake of the suite is found.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from bpftest.errors import ObjectError, SuiteError
from bpftest.expectations import Context
from bpftest.expectations.context import LOOPBACK
from bpftest.kernel.door import Also, Network
from bpftest.packets.snapshots import Snapshots
from bpftest.packets.sources import Scope, is_new
from bpftest.plan.company import ON_LOADING, refuse_company, refuse_counters, refuse_unloaded
from bpftest.plan.faults import Faults, UnknownError
from bpftest.plan.live import refuse_deaf
from bpftest.plan.program import Object, Objects, Target, called, object_key, object_place, target
from bpftest.plan.request import built, rule_place
from bpftest.plan.state import NO_STATE, State, initial_state, step_state
from bpftest.plan.step import Asked, JobStep, run_step, unrun_step
from bpftest.suite.expressions import expressions
from bpftest.suite.parse import InvalidSuiteFile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bpftest.btf import Btf
    from bpftest.errors import BpftestError
    from bpftest.kernel.door import Loading, Socket
    from bpftest.packets.cache import Cache
    from bpftest.progtypes import ProgType
    from bpftest.suite.model import Case, Program, Step, Suite, Written

__all__ = ["Asked", "Job", "JobStep", "Object", "Objects", "Plan", "object_key", "plan", "rule_place"]


class Job(NamedTuple):
    """One case, ready to run."""

    case: Case
    steps: tuple[JobStep, ...] = ()  # as many as the case has; none where there is a problem
    prog_type: ProgType | None = None  # None: there is a problem, and the suite does not say
    loading: Loading | None = None  # None: there is a problem
    sockets: tuple[Socket, ...] = ()
    network: Network = Network()
    problem: BpftestError | None = None  # why the case cannot run: object or compiler
    notes: tuple[str, ...] = ()  # of a sweep that has run: what is to be told of its other runs
    figures: tuple[tuple[str, str], ...] = ()  # of a sweep that has run, by name


class Plan(NamedTuple):
    """A suite and its jobs, one a case, in its order."""

    suite: Suite
    jobs: tuple[Job, ...]
    snapshots: Snapshots  # which the checks of the jobs compare with, and add to


def plan(suite: Suite, objects: Objects, cache: Cache | None = None, update: str = "") -> Plan:
    """The jobs of *suite*. *objects*: what each is, or why there is none. *update*: as Snapshots has it.

    Raises InvalidSuiteFile.
    """
    snapshots = Snapshots(suite.path, update)
    scope = Scope(suite.variables, suite.packets, suite.headers, os.path.dirname(suite.path), cache, snapshots)
    scope.coming = (text for text in expressions(suite.cases) if is_new(text, scope))
    planning = _Planning(objects, scope)
    jobs = tuple(planning.job(case) for case in suite.cases)
    scope.coming = iter(())  # nothing is; and it holds the scope, a ring that would be freed late
    if planning.faults:
        raise InvalidSuiteFile(suite.path, planning.faults.in_order())
    return Plan(suite, jobs, snapshots)


class _Planning:
    """The planning of one suite: what its cases share, and the mistakes found so far."""

    def __init__(self, objects: Objects, scope: Scope) -> None:
        self.faults = Faults()
        self._objects = objects
        self._scope = scope
        self._targets: dict[int, tuple[Target, Context | None]] = {}
        self._btfs: dict[bytes, Btf] = {}

    def job(self, case: Case) -> Job:
        """The job of *case*; it means nothing if a mistake was found."""
        try:
            return self._job(case)
        except ObjectError as error:  # the types of the object cannot be true
            error.place = error.place or object_place(case.steps[0].program)
            return Job(case, problem=error)

    def _job(self, case: Case) -> Job:
        self._scope.seconds = case.timeout_s
        targets = [self._target(step.program) for step in case.steps]
        found, context = targets[0]
        problem = next((target.problem for target, _ in targets if target.problem), None)
        if context is None or any(context is None for _, context in targets):
            self._build_packets(case)
            return Job(case, problem=problem)
        if len(case.steps[0].expect.value) > 1 or "steps" in case.here:  # what stands alone has no company
            for step in case.steps:
                self.faults.of(step.here, refuse_company, step, case)
                self.faults.of(step.here, refuse_counters, step, case)
        if case.sweep is not None or case.ranges is not None:
            from bpftest.plan.sweep import refuse_unswept

            self.faults.of(case.here, refuse_unswept, case)
        if case.expects(*ON_LOADING):
            steps = (unrun_step(case.steps[0], found, context, self.faults),)
            return Job(case, steps, context.prog_type, _with_log(found.loading, case), problem=problem)
        return self._run_job(case, targets, problem)

    def _run_job(self, case: Case, targets: list[tuple[Target, Context | None]], problem: BpftestError | None) -> Job:
        """The job of a case that runs something."""
        mistakes = len(self.faults)
        sockets = self._sockets(case)
        network, interfaces = self._network(case)
        contexts = [context for _, context in targets if context is not None]
        if sockets or network.interfaces or network.routes:
            names = tuple(socket.name for socket in sockets)
            contexts = [
                context._replace(sockets=names, interfaces=interfaces, routes=network.routes) for context in contexts
            ]
        state = self.faults.of(case.here, initial_state, case, contexts[0]) or NO_STATE
        steps: list[JobStep] = []
        for step, (found, _), context in zip(case.steps, targets, contexts, strict=True):
            if sockets:
                self.faults.of(step.here, refuse_deaf, step, sockets)
            its_state = self.faults.of(step.here, step_state, step, context) or NO_STATE
            if its_state.constants and len(case.steps) > 1:
                self.faults.of(step.here, _refuse_constants, step)
            state = state.then(its_state)
            steps.append(
                run_step(case, step, found, context, state.of_step(its_state) if steps else state, steps, self.faults)
            )
        if (case.sweep is not None or case.ranges is not None) and len(self.faults) == mistakes:
            from bpftest.plan.sweep import swept

            steps = [self.faults.of(case.here, swept, case, steps[0], targets[0][0], contexts[0], state) or steps[0]]
        loading = _with_companions(targets, state)
        for step in case.steps if state.counted and loading else ():
            self.faults.of(step.here, refuse_unloaded, step, loading)
        return Job(case, tuple(steps), contexts[0].prog_type, loading, sockets, network, problem)

    def _sockets(self, case: Case) -> tuple[Socket, ...]:
        if case.sockets is None:
            return ()
        from bpftest.plan.setup import sockets_of  # only for suites with sockets

        return self.faults.of(case.here, sockets_of, case) or ()

    def _network(self, case: Case) -> tuple[Network, Mapping[str, int]]:
        """The network namespace of a case, and the indices of the interfaces in it."""
        if case.interfaces is None and case.routes is None and case.neighbours is None:
            return Network(), LOOPBACK
        from bpftest.plan.network import indices, network_of  # only for suites with interfaces

        return network_of(case, self.faults), {**LOOPBACK, **indices(case)}

    def _build_packets(self, case: Case) -> None:
        """Finds the mistakes that can be told without a program type."""
        for step in case.steps:
            if step.packet is not None and "from" not in step.packet:
                self.faults.of(step.here, built, step.packet, self._scope)

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
        read = self._btfs  # and not self, which keeps what keeps this function: a ring that is freed late

        def types() -> Btf:
            if found.problem is not None:
                raise UnknownError("the object is not known")
            if not found.found.btf:
                raise SuiteError("the object has no types (BTF)", "compile it with clang -g")
            if found.found.btf not in read:
                from bpftest.btf import Btf

                read[found.found.btf] = Btf(found.found.btf)
            return read[found.found.btf]

        return types

    def _target(self, program: Program) -> tuple[Target, Context | None]:
        """What *program* names, looked up once for the cases that share it."""
        known = self._targets.get(id(program))
        if known is None:
            try:
                found = target(program, self._objects[object_key(program)])
            except SuiteError as error:
                self.faults.add(error)
                found = Target()
            context = self._context(found)
            if context is not None and found.loading is not None and _has_state(found.found):
                found = found._replace(loading=found.loading._replace(plain=self._plain(context)))
            if context is not None and program.load.maps is not None:
                found, context = self._sized(program.load.maps, found, context)
            known = self._targets[id(program)] = found, context
        return known

    def _sized(self, sizes: Written, found: Target, context: Context) -> tuple[Target, Context]:
        """The same with the sizes of maps that the suite says."""
        from bpftest.plan.setup import sizes_of  # only for suites that say such

        known = self.faults.of(sizes, sizes_of, sizes, context.types) or ()
        loading = found.loading._replace(sizes=known) if found.loading else None
        return found._replace(loading=loading), context._replace(sizes=known)

    def _plain(self, context: Context) -> bool:
        """Whether the object's maps and globals hold nothing but bytes, as far as its types tell."""
        try:
            from bpftest.maps import plain_values  # only for objects that have some

            return plain_values(context.types())
        except (SuiteError, ObjectError):  # it has no types, or they are damaged
            return False


def _has_state(found: Object) -> bool:
    """Whether the object has maps, or global variables that programs write to."""
    return b"\0.maps\0" in found.btf or any(not one.section.startswith(".rodata") for one in found.variables)


def _refuse_constants(step: Step) -> None:
    assert step.globals is not None
    hint = "say it under 'globals' of the case, beside 'steps'"
    raise SuiteError("constants are set before the program is loaded, for all steps", hint, step.globals.key_place())


def _with_companions(targets: list[tuple[Target, Context | None]], state: State) -> Loading | None:
    """How the program of the first step is loaded, with the constants of the case and all else that it needs."""
    first = targets[0][0]
    if first.loading is None or first.prog_type is None:
        return None
    if len(targets) == 1 and state is NO_STATE:
        return first.loading
    loadings = [target.loading for target, _ in targets if target.loading is not None]
    also = {one.program: _also(one) for one in loadings}
    for one in loadings:
        also.update((other.program, other) for other in one.also if other.program not in also)
    for name in state.programs:
        also.setdefault(name, called(name, first.found, first.prog_type))
    del also[first.loading.program]
    counted = tuple(dict.fromkeys(state.counted))
    return first.loading._replace(constants=state.constants, also=tuple(also.values()), counted=counted)


def _also(loading: Loading) -> Also:
    return Also(loading.program, loading.prog_type, loading.attach_type, loading.flags, loading.attached)


def _with_log(loading: Loading | None, case: Case) -> Loading | None:
    """*loading* with the verifier's log, where the case looks into it; a refusal always has one.

    Of a program that it accepts the kernel keeps the log from level 2 on: do_check_common, kernel/bpf/verifier.c.
    """
    expect = case.steps[0].expect
    if loading is None or "loads" not in expect or "log" not in expect["loads"]:
        return loading
    return loading._replace(log_level=loading.log_level | 2)
