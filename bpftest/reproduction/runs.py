"""`bpftool prog run` of one step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bpftest.artifacts import slug
from bpftest.reproduction.lines import command, expected, remark
from bpftest.reproduction.parts import Script, Where
from bpftest.reproduction.remarks import obstacle, of_run

if TYPE_CHECKING:
    from bpftest.kernel.door import Request
    from bpftest.plan import Job, JobStep

DATA_OUT = 32 << 10  # bytes that bpftool has room for unless it is told
ROOM = 8 << 10  # bytes by which no program makes a packet longer
DATA_OUT_MAX = 128 << 10


def run(job: Job, number: int, where: Where) -> Script:
    """The run of the step with *number*, from 0."""
    step = job.steps[number]
    title = (remark(f"step: {step.label}"),) if step.label else ()
    if step.takes:
        return Script((*expected(step), *_fed(job, step, where)), title=title)
    assert step.ask is not None
    request = step.ask(()).request
    why = obstacle(step, request)
    if why:
        return Script((remark(f"not run: {why}"),), title=title)
    files = {"data_in": request.data_in, "ctx_in": request.ctx_in}
    paths = {name: (path(where, step, name), data) for name, data in files.items() if data is not None}
    lines = (*of_run(step, request), *expected(step), _command(step, request, where), *_looks(request, where))
    return Script(lines, tuple(paths.values()), title)


def path(where: Where, step: JobStep, name: str) -> str:
    """Where the file *name* of the step is."""
    return "/".join((where.folder, *((slug(step.label),) if step.label else ()), f"{name}.bin"))


def _command(step: JobStep, request: Request, where: Where) -> str:
    words: list[str | tuple[str, ...]] = ["bpftool", "prog", "run", "pinned", where.program(step.program)]
    cpu = request.run_on_cpu if request.cpu is None and request.flags & 1 else request.cpu
    if cpu is not None:
        words[:0] = ["taskset", "-c", str(cpu)]
    if request.data_in is not None:
        words += _data(path(where, step, "data_in"), step, where, len(request.data_in))
    if request.ctx_in is not None:
        words.append(("ctx_in", path(where, step, "ctx_in")))
        if request.ctx_size_out:
            words.append(("ctx_out", path(where, step, "ctx_out")))
    if request.repeat != 1:  # 0 for types that take no repeat, where bpftool would say 1
        words.append(("repeat", str(request.repeat)))
    return command(*words)


def _data(data_in: str, step: JobStep, where: Where, size: int) -> Iterator[tuple[str, ...]]:
    yield "data_in", data_in
    if step.context.prog_type.gives:
        yield "data_out", path(where, step, "data_out")
        if size + ROOM > DATA_OUT:
            yield "data_size_out", str(DATA_OUT_MAX)


def _fed(job: Job, step: JobStep, where: Where) -> Iterator[str]:
    """The run of a step that takes over the packet that another one has left, where bpftool's files can do that."""
    said = step.step
    if said.ctx is not None or said.packet is None or "from" not in said.packet:
        yield remark(
            "not run: it takes over the ctx that another step has left, and bpftool's ctx_out is none to give in"
        )
        return
    source = next(one for one in job.steps if one.label == said.packet["from"].value)
    if "ethernet" not in (step.context.prog_type.sees, source.context.prog_type.sees):
        yield remark(
            "not run: it takes over the packet that another step has left, and the kernel gives it in another form"
        )
        return
    yield remark("the packet is what the step before has left; without a ctx_in, and with metadata if it has left some")
    data = _data(path(where, source, "data_out"), step, where, DATA_OUT)
    repeat = (("repeat", str(said.repeat)),) if said.repeat > 1 else ()
    yield command("bpftool", "prog", "run", "pinned", where.program(step.program), *data, *repeat)


def _looks(request: Request, where: Where) -> Iterator[str]:
    """What shows the maps and globals that the step looks at."""
    from bpftest.reproduction.state import pin  # which imports `path`

    for name in dict.fromkeys(one.map for one in request.setup.reads):
        yield command("bpftool", "map", "dump", "pinned", f"{where.maps}/{pin(name, where.object)}")
