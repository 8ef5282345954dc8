"""From what the kernel said of a case to its verdict, and to words that explain it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bpftest.errnos import errno_name, errno_text
from bpftest.errors import BpftestError, ProgramError, RunError
from bpftest.events import CaseFinished, Excerpt, Finding, Outcome, Packet, Problem
from bpftest.plan import rule_place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bpftest.kernel.door import Benchmark, LoadReport, Observation
    from bpftest.plan import Job, JobStep

# What an errno of BPF_PROG_RUN says where none of the type's rules tells why.
RUN_HINTS = {
    "EINVAL": "this kernel does not take this packet, ctx, repeat or flags for this type",
    "E2BIG": "the ctx is longer than the kernel's struct",
    "ENOMEM": "the packet does not fit, or the kernel is out of memory",
    "EMSGSIZE": "the packet is longer than this kernel takes",
    "ENODEV": "ctx names an interface that is not in bpftest's network namespace",
    "EBADMSG": "after the run, skb->csum was wrong",
}
NEW_PAGES = 64  # of each call with live frames: pool_size of xdp_test_run_setup, net/bpf/test_run.c
NAME_WIDTH = 60  # characters of the name of what differs, in the message of a case
PRINTED_ENDS = 10  # lines that programs print, of which a failing case shows so many first and last ones


def judged(
    path: str, job: Job, observations: tuple[Observation, ...], findings: tuple[Finding, ...], seconds: float
) -> CaseFinished:
    """The verdict on a case whose checks have been made."""
    broken = [finding for finding in findings if finding.mismatches]
    xfail = job.case.xfail
    outcome, kind, message = Outcome.PASSED, "", ""
    if broken and xfail:
        outcome, message = Outcome.XFAILED, xfail
    elif broken:
        outcome, kind, message = Outcome.FAILED, _kind(broken[0]), _summary(broken)
    elif xfail:
        outcome, kind = Outcome.FAILED, "bpftest.UnexpectedPass"
        message = f"passes, although its xfail says: {xfail}"
    load = observations[-1].load
    problem = _load_problem(job, load) if broken and load.errno else None
    broken_steps = {finding.step for finding in broken}
    tells = broken or any(step.step.repeat > 1 for step in job.steps)
    return CaseFinished(
        path,
        job.case.name,
        job.case.here.place(),
        outcome,
        seconds,
        kind,
        message,
        findings,
        problem,
        (*(_notes(job, observations, broken_steps) if tells else ()), *job.notes),
        _properties(job, observations),
        tuple(_printed(job, observations, broken_steps)) if broken else (),
        tuple(_packets(job, observations, broken)) if broken else (),
    )


def skipped(path: str, job: Job, reason: str) -> CaseFinished:
    """A case that did not run, and why."""
    return CaseFinished(
        path, job.case.name, job.case.here.place(), Outcome.SKIPPED, 0.0, message=reason, properties=_program(job)
    )


def errored(path: str, job: Job, error: BpftestError, seconds: float) -> CaseFinished:
    """A case without a verdict, and why."""
    kind = f"bpftest.{type(error).__name__}"
    text = error.text if isinstance(error, ProgramError) else ""
    excerpt = None
    if error.place is not None:
        document = job.case.here.document
        excerpt = Excerpt(error.place, document.lines(error.place.line, error.place.line))
    problem = Problem(kind, error.what, error.hint, text, excerpt)
    place = job.case.here.place()
    return CaseFinished(
        path, job.case.name, place, Outcome.ERROR, seconds, kind, error.what, problem=problem, properties=_program(job)
    )


def unloaded(path: str, job: Job, report: LoadReport, seconds: float) -> CaseFinished:
    """A case whose program the kernel refuses, and why."""
    problem = _load_problem(job, report)
    return CaseFinished(
        path,
        job.case.name,
        job.case.here.place(),
        Outcome.ERROR,
        seconds,
        problem.kind,
        problem.message,
        problem=problem,
        properties=_program(job),
    )


def _load_problem(job: Job, report: LoadReport) -> Problem:
    from bpftest.refusals import load_problem  # only where a program is refused

    name = report.program or (job.loading.program if job.loading else "")
    folder = os.path.dirname(job.case.here.place().path)
    return load_problem(report._replace(program=name), job.case.program, folder)


def run_refusal(step: JobStep, observations: Sequence[Observation]) -> RunError:
    """Why the last BPF_PROG_RUN of a case failed, by the field of the suite that caused it."""
    *before, last = observations
    number = last.reply.errno if last.reply else 0
    name = errno_name(number)
    why = _broken_rules(step, before, name) or [(RUN_HINTS.get(name, errno_text(number)), "name")]
    texts = "; or ".join(text for text, _ in why)
    hint = f"to test the refusal, expect 'errno: {name}'"
    which = f" of '{step.label}'" if step.label else ""
    return RunError(f"the kernel refuses the run{which} ({name}): {texts}", hint, rule_place(step.step, why[0][1]))


def _broken_rules(step: JobStep, before: Sequence[Observation], errno_name: str) -> list[tuple[str, str]]:
    """(what is wrong, the key of the suite) for each rule of the type that this run breaks with this errno."""
    if step.ask is None:
        return []
    rules = [rule for rule in step.context.prog_type.rules if rule.errno == errno_name]
    run = step.ask(before).run
    broken = [(rule.broken(run), rule.key) for rule in rules]
    return [(text, key) for text, key in broken if text]


def _kind(finding: Finding) -> str:
    """The type of a failure in reports: bpftest.RetvalMismatch."""
    return "bpftest." + "".join(word.capitalize() for word in finding.key.split("_")) + "Mismatch"


def _summary(broken: list[Finding]) -> str:
    """The first difference, and how many more there are."""
    mismatches = [mismatch for finding in broken for mismatch in finding.mismatches]
    first = mismatches[0]
    named = first.what.partition(" ")[0].partition(".")[0] == broken[0].key
    what = _shortened(first.what) if named else f"{broken[0].key}: {_shortened(first.what)}"
    what = f"in '{broken[0].step}': {what}" if broken[0].step else what
    more = f" (and {len(mismatches) - 1} more)" if len(mismatches) > 1 else ""
    return f"{what} {first.expected} != {first.actual}{more}"


def _shortened(name: str) -> str:
    """*name*, cut in the middle where it is long: it ends with the field that differs."""
    return name if len(name) <= NAME_WIDTH else f"{name[: NAME_WIDTH // 2]}...{name[-NAME_WIDTH // 2 :]}"


def _notes(job: Job, observations: Sequence[Observation], broken: set[str]) -> tuple[str, ...]:
    """What is worth knowing of each step; *broken*: the labels of those that are not as expected."""
    notes: list[str] = []
    for index, (step, observation) in enumerate(zip(job.steps, observations, strict=True)):
        found = [*_step_notes(step, observations[:index], observation, failed=step.label in broken)]
        if step.label in broken:
            found += [f"it goes on from '{name}', which is not as expected" for name in sorted(step.takes & broken)]
        notes += [f"{step.label}: {note}" if step.label else note for note in found]
    return tuple(notes)


def _step_notes(
    step: JobStep, before: Sequence[Observation], observation: Observation, *, failed: bool
) -> Iterator[str]:
    reply, repeat = observation.reply, step.step.repeat
    if step.context.live is not None:
        yield from _live_notes(step, observation, failed=failed)
    elif repeat > 1 and _writes(step, observation):
        yield (
            f"the program ran {repeat} times over the same packet and writes to it: "
            "each run saw what the one before had left"
        )
    if failed and reply and reply.errno and reply.errno not in step.refusals:
        name = errno_name(reply.errno)
        texts = [text for text, _ in _broken_rules(step, before, name)] or filter(None, [RUN_HINTS.get(name)])
        yield from (f"{name}: {text}" for text in texts)
    if failed and reply and reply.durations_ns:
        from bpftest.expectations.duration import samples_note  # here and below: only where there is such a thing

        yield samples_note(reply.durations_ns, _benchmark(step, before))


def _live_notes(step: JobStep, observation: Observation, *, failed: bool) -> Iterator[str]:
    """Why frames are missing, and whether the program may have seen pages that it had written to and dropped."""
    reply, live, repeat = observation.reply, step.context.live, step.step.repeat
    if reply is None or reply.errno or live is None:
        return
    if failed:
        yield from reply.causes
    frames = [run for caught in reply.frames for run in caught.frames]
    all_left = sum(times for _, times in frames) >= repeat
    if live.hook or live.pristine or repeat <= NEW_PAGES or all_left:
        return
    # What it writes to frames that are dropped is not seen; what it writes to those that leave is.
    writes = any(frame != observation.packet for frame, _ in frames)
    if writes or failed:
        yield (
            f"{'the program writes to the packet' if writes else 'if the program writes to the packet'}: from frame "
            f"{NEW_PAGES + 1} on it may get the page of a dropped one again as it had left it; "
            "'live: {pristine: true}' gives it new ones"
        )


def _benchmark(step: JobStep, before: Sequence[Observation]) -> Benchmark:
    """How a step was measured that has been."""
    benchmark = step.ask(before).request.benchmark if step.ask else None
    assert benchmark is not None
    return benchmark


def _printed(job: Job, observations: Sequence[Observation], broken: set[str]) -> Iterator[tuple[str, str]]:
    """(where, a line) that programs printed in the steps that are not as expected; of much, both ends."""
    for step, observation in zip(job.steps, observations, strict=True):
        if step.label not in broken or observation.reply is None:
            continue
        reply, which = observation.reply, f"{step.label}: " if step.label else ""
        if not reply.printk and not any(reply.streams):
            continue
        from bpftest.expectations.printed import STREAMS, stream_lines

        written = {name: stream_lines(text) for name, text in zip(STREAMS, reply.streams, strict=True)}
        for where, lines in {"printk": reply.printk, **written}.items():
            yield from ((where, f"{which}{line}") for line in _ends(lines))


def _packets(job: Job, observations: Sequence[Observation], broken: Sequence[Finding]) -> Iterator[Packet]:
    """What went into the steps that are not as expected, what was to come out, and what did."""
    for step, observation in zip(job.steps, observations, strict=True):
        context, reply = step.context, observation.reply
        of_step = [finding for finding in broken if finding.step == step.label]
        if not of_step or reply is None or not observation.packet:
            continue
        yield Packet("input", observation.packet.hex(), context.link, step.label)
        for expected in [finding.packet for finding in of_step if finding.packet][:1]:
            yield Packet("expected", expected, context.link, step.label)
        if context.prog_type.gives == "packet" and context.live is None and not reply.errno:
            yield Packet("actual", context.output(observation).hex(), context.link, step.label)


def _ends(lines: Sequence[str]) -> Sequence[str]:
    left_out = len(lines) - 2 * PRINTED_ENDS
    if left_out < 1:
        return lines
    return [*lines[:PRINTED_ENDS], f"({left_out:,} more lines)", *lines[-PRINTED_ENDS:]]


def _writes(step: JobStep, observation: Observation) -> bool:
    """Whether the packet came back changed."""
    reply = observation.reply
    if reply is None or reply.errno or step.context.prog_type.gives != "packet":
        return False
    return step.context.output(observation) != observation.packet


def _program(job: Job) -> tuple[tuple[str, str], ...]:
    found = []
    name = job.loading.program if job.loading else job.case.program.name
    if name:
        found.append(("program", name))
    if job.prog_type:
        found.append(("type", job.prog_type.name))
    if job.case.tags:
        found.append(("tags", " ".join(job.case.tags)))
    return tuple(found)


def _properties(job: Job, observations: Sequence[Observation]) -> tuple[tuple[str, str], ...]:
    """What reports tell of a case beside its verdict; of several steps, what the last one gave."""
    load, reply = observations[-1].load, observations[-1].reply
    found = _program(job)
    if reply is not None and not reply.errno:
        step = job.steps[-1]
        if job.figures:
            return found + job.figures
        if step.context.live is None:
            found += (("retval", step.context.prog_type.code_text(reply.retval)),)
        elif reply.duration_ns:
            from bpftest.expectations.rate import per_second

            found += (("packets_per_second", str(per_second(reply.duration_ns))),)
        if reply.durations_ns:
            from bpftest.expectations.duration import duration_figures

            found += tuple(duration_figures(reply.durations_ns, _benchmark(step, observations[:-1])))
        else:
            found += (("duration_ns", str(reply.duration_ns)),)
    if load.verified_insns:
        found += (("verified_insns", str(load.verified_insns)),)
    if load.jited_bytes:
        found += (("jited_bytes", str(load.jited_bytes)),)
    return found + tuple(_limited(job.steps[-1], load, dict(found)))


def _limited(step: JobStep, load: LoadReport, known: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The figures that the step limits, and that are not *known* yet."""
    if "limits" not in step.step.expect:
        return
    from bpftest.expectations.limits import FIGURES

    for name in step.step.expect["limits"]:
        figure = FIGURES[name](load)
        if figure is not None and name not in known:
            yield name, str(figure)
