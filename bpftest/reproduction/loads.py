"""`bpftool prog load`, or `loadall` for an object with several programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from bpftest.progtypes import of_section
from bpftest.progtypes.sections import SECTIONS
from bpftest.reproduction.lines import command, remark

if TYPE_CHECKING:
    from bpftest.plan import Job
    from bpftest.reproduction.parts import Where

# Sections that libbpf knows with anything behind a slash; of the others it takes their names alone.
OPEN = ("raw_tp/", "raw_tracepoint/", "struct_ops/", "struct_ops.s/", "fentry", "fexit", "fmod_ret")


def load(job: Job, where: Where, sections: Mapping[str, str], *, maps: bool) -> Iterator[str]:
    """The lines that load the program. *sections*: of the object's programs, by name; *maps*: they are pinned too."""
    assert job.loading is not None
    words: list[str | tuple[str, ...]] = [
        "bpftool",
        "prog",
        "loadall" if where.several else "load",
        where.object,
        where.pins,
    ]
    if not any(step.ask for step in job.steps):
        words.insert(1, "-d")  # with the verifier's log
    kind = _type(job, sections[job.loading.program])
    if kind and where.several:
        what = f"bpftool has one type for all programs of an object: '{job.loading.program}' should be loaded as {kind}"
        yield remark(what)
    elif kind:
        words.append(("type", kind))
    if job.prog_type is not None and job.prog_type.name == "netfilter":
        yield remark("this needs a bpftool whose libbpf knows netfilter programs; that of libbpf 1.1 does not")
    if maps:
        words.append(("pinmaps", where.maps))
    yield command(*words)


def _type(job: Job, section: str) -> str:
    """What bpftool, which knows types by the names of their sections, is to be told; "" where *section* says it."""
    assert job.prog_type is not None
    name, attach_type = job.prog_type.name, job.case.program.attach_type
    says, attaches = of_section(section)
    if (section in SECTIONS or section.startswith(OPEN)) and says == name and attach_type in (None, attaches):
        return ""
    wanted = attach_type or (attaches if says == name else None)
    return next((word for word, (one, at) in SECTIONS.items() if one == name and wanted in (None, at)), "")
