"""From what the kernel said of a case to its verdict, and to words that explain it."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from bpftest.errnos import errno_name, errno_text
from bpftest.errors import BpftestError, LoadError, ProgramError, RunError
from bpftest.events import CaseFinished, Excerpt, Finding, Outcome, Problem
from bpftest.expectations.loading import last_line
from bpftest.plan import rule_place

if TYPE_CHECKING:
    from bpftest.kernel.door import LoadReport, Observation, Reply
    from bpftest.plan import Job

# What an errno of BPF_PROG_RUN says where none of the type's rules tells why.
RUN_HINTS = {
    "EINVAL": "this kernel does not take this packet, ctx, repeat or flags for this type",
    "E2BIG": "the ctx is longer than the kernel's struct",
    "ENOMEM": "the packet does not fit, or the kernel is out of memory",
    "EMSGSIZE": "the packet is longer than this kernel takes",
    "ENODEV": "ctx names an interface that is not in bpftest's network namespace",
    "EBADMSG": "after the run, skb->csum was wrong",
}
# What an errno of BPF_PROG_LOAD says when the verifier has no words for it.
LOAD_HINTS = {
    "EPERM": "the kernel refuses programs of this type here: a security module, lockdown, or a missing capability",
    "EINVAL": "the kernel does not know this program type, attach type or load flag",
    "E2BIG": "the program is too large for the verifier",
    "ENOSPC": "the verifier's log does not fit: ask for less with load.log_level",
}
# The same where a map of the object is refused.
MAP_HINTS = {
    "EPERM": "the kernel refuses maps of this type here: a security module, lockdown, or a missing capability",
    "EINVAL": "this kernel does not take a map of this type, with these sizes and flags",
    "E2BIG": "the map is larger than the kernel makes any",
    "ENOMEM": "the map does not fit into memory",
}
ERRNO_ALONE = re.compile(r": failed to load: -\d+$")  # what libbpf says of a program after it has said why
# What libbpf says where the kernel lacks a type, a function or a variable that a program names.
LACKING = re.compile(r"not found in kernel|failed to find kernel BTF")


def judged(
    path: str, job: Job, observation: Observation, findings: tuple[Finding, ...], seconds: float
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
    notes = _notes(job, observation) if broken or job.case.repeat > 1 else ()
    return CaseFinished(
        path,
        job.case.name,
        job.case.here.place(),
        outcome,
        seconds,
        kind,
        message,
        findings,
        None,
        notes,
        _properties(job, observation),
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


def load_refusal(job: Job, report: LoadReport) -> LoadError:
    """Why the program of *job* is not in the kernel: the verifier's last line first."""
    program = job.loading.program if job.loading else ""
    name = errno_name(report.errno)
    said = last_line(report.log)
    if said:
        what = f"the verifier refuses '{program}': {said} ({name})"
        return LoadError(what, "the log ends with the reason", text=report.log)
    said = _cause(report.libbpf) or errno_text(report.errno)
    return LoadError(f"'{program}' cannot be loaded ({name}): {said}", _load_hint(name, said), text=report.libbpf)


def _cause(warnings: str) -> str:
    """The warning of libbpf that says why: what it says before that is the way there, what it says after follows."""
    lines = [line.removeprefix("libbpf: ") for line in warnings.splitlines() if not ERRNO_ALONE.search(line)]
    for line, following in itertools.pairwise(lines):
        if following.startswith("failed to load object"):
            return line
    return lines[0] if lines else ""


def _load_hint(errno_name: str, said: str) -> str:
    """What to do where libbpf has *said* what is refused."""
    if LACKING.search(said):
        return "requires: {features: [kfunc:NAME]} or {kernel: ..} skips the case where the kernel has it not"
    return (MAP_HINTS if said.startswith("map '") else LOAD_HINTS).get(errno_name, "")


def run_refusal(job: Job, reply: Reply) -> RunError:
    """Why BPF_PROG_RUN failed, by the field of the suite that caused it."""
    name = errno_name(reply.errno)
    why = _broken_rules(job, name) or [(RUN_HINTS.get(name, errno_text(reply.errno)), "name")]
    texts = "; or ".join(text for text, _ in why)
    hint = f"to test the refusal, expect 'errno: {name}'"
    return RunError(f"the kernel refuses the run ({name}): {texts}", hint, rule_place(job.case, why[0][1]))


def _broken_rules(job: Job, errno_name: str) -> list[tuple[str, str]]:
    """(what is wrong, the key of the suite) for each rule of the type that this run breaks with this errno."""
    if job.prog_type is None or job.run is None:
        return []
    broken = [(rule.broken(job.run), rule.key) for rule in job.prog_type.rules if rule.errno == errno_name]
    return [(text, key) for text, key in broken if text]


def _kind(finding: Finding) -> str:
    """The type of a failure in reports: bpftest.RetvalMismatch."""
    return "bpftest." + "".join(word.capitalize() for word in finding.key.split("_")) + "Mismatch"


def _summary(broken: list[Finding]) -> str:
    """The first difference, and how many more there are."""
    mismatches = [mismatch for finding in broken for mismatch in finding.mismatches]
    first = mismatches[0]
    what = first.what if first.what == broken[0].key else f"{broken[0].key}: {first.what}"
    more = f" (and {len(mismatches) - 1} more)" if len(mismatches) > 1 else ""
    return f"{what} {first.expected} != {first.actual}{more}"


def _notes(job: Job, observation: Observation) -> tuple[str, ...]:
    notes = []
    reply = observation.reply
    if job.case.repeat > 1 and _writes(job, reply):
        notes.append(
            f"the program ran {job.case.repeat} times over the same packet and writes to it: "
            "each run saw what the one before had left"
        )
    if reply and reply.errno and reply.errno not in job.refusals:
        name = errno_name(reply.errno)
        texts = [text for text, _ in _broken_rules(job, name)] or filter(None, [RUN_HINTS.get(name)])
        notes += [f"{name}: {text}" for text in texts]
    return tuple(notes)


def _writes(job: Job, reply: Reply | None) -> bool:
    """Whether the packet came back changed."""
    if reply is None or reply.errno or job.request is None or job.run is None or job.request.data_in is None:
        return False
    if job.prog_type is None or job.prog_type.gives != "packet":
        return False
    unseen = job.run.unseen
    return job.request.data_in[unseen:] != reply.data_out[unseen:]


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


def _properties(job: Job, observation: Observation) -> tuple[tuple[str, str], ...]:
    load, reply = observation.load, observation.reply
    found = _program(job)
    if reply is not None and not reply.errno and job.prog_type:
        found += ("retval", job.prog_type.code_text(reply.retval)), ("duration_ns", str(reply.duration_ns))
    if load.verified_insns:
        found += (("verified_insns", str(load.verified_insns)),)
    if load.jited_bytes:
        found += (("jited_bytes", str(load.jited_bytes)),)
    return found
