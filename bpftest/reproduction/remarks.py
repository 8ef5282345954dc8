"""What of a case bpftool does not do, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from bpftest.reproduction.lines import remark

if TYPE_CHECKING:
    from bpftest.kernel.door import Request
    from bpftest.plan import Job, JobStep

PINNING = b"\0pinning\0"  # the member of a map's definition, among the names of the object's types
BPF_F_TEST_RUN_ON_CPU = 1  # linux/bpf.h
RESULTS = {  # what a run can give beside its retval, its data and its ctx, and where it is to be seen
    "records": "what comes out of ring buffers and perf event arrays: bpftool map event_pipe shows that of the latter",
    "printk": "what the program prints: bpftool prog tracelog shows it, from another terminal",
    "streams": "what the program writes to its streams: bpftool prog tracelog {stdout|stderr}, in versions that can",
    "counted": "how often programs ran: bpftool prog show tells run_cnt where kernel.bpf_stats_enabled is 1",
    "frames": "what leaves through interfaces: tcpdump shows it",
    "received": "what sockets receive",
}


def of_case(job: Job, sections: Mapping[str, str], content: bytes) -> Iterator[str]:
    """What differs for the whole case. *sections*: of the object's programs; *content*: of the object."""
    loading = job.loading
    assert loading is not None
    assert job.prog_type is not None
    if len(sections) > 1:
        only = ", ".join(dict.fromkeys((loading.program, *(one.program for one in loading.also))))
        count = len(sections)
        yield remark(
            f"bpftool loads all {count} programs of the object, and fails with any of them; bpftest only: {only}"
        )
    if loading.flags & ~job.prog_type.load_flags:
        yield remark(f"not done: load.flags {', '.join(job.case.program.load.flags)}; bpftool sets none")
    for size in loading.sizes:
        yield remark(f"not done: load.maps.{size.map}; bpftool makes maps as the object declares them")
    if PINNING in content:
        yield remark("the object pins maps by their names: bpftool shares them with whoever did that; bpftest does not")
    if loading.constants:
        yield remark("the object here has the constants of the case in it: bpftool cannot set them")
    yield from _surroundings(job)


def _surroundings(job: Job) -> Iterator[str]:
    if job.network.interfaces:
        there = ", ".join(f"{one.name} ({one.kind}, index {one.ifindex})" for one in job.network.interfaces)
        yield remark(
            f"not done: interfaces {there}; make them with ip-link(8) in a namespace, and run with nsenter --net"
        )
    if job.network.routes or job.network.neighbours:
        there = ", ".join([*(one.to for one in job.network.routes), *(one.ip for one in job.network.neighbours)])
        yield remark(f"not done: routes and neighbours {there}")
    for socket in job.sockets:
        at = f"{socket.address} port {socket.port}" if socket.address else f"{socket.interface} queue {socket.queue}"
        yield remark(f"not done: the socket {socket.name} ({socket.kind}, {at}); open it in the namespace of the run")


def obstacle(step: JobStep, request: Request) -> str:
    """Why bpftool cannot make this run at all; "" if it can."""
    kind = step.context.prog_type
    if request.live and request.live.hook:
        return f"the program is attached at {request.live.hook}, and real packets go through it"
    if request.live:
        return "its frames are live, and bpftool sets no flags"
    if kind.attached:
        return (
            "the program has to be attached to what its section names: newer versions of bpftool can, with autoattach"
        )
    if request.state is not None:
        return "its ctx holds a pointer into the memory of the process that asks"
    if request.ctx_in is not None and kind.ctx_kind in ("args", "btf"):
        return f"with a ctx_in bpftool asks for ctx_out too, and the kernel refuses that for {kind.name}"
    return ""


def of_run(step: JobStep, request: Request) -> Iterator[str]:
    """What differs in this run."""
    flags = [name for name, bit in step.context.prog_type.flags.items() if request.flags & bit]
    if flags:
        yield remark(f"not done: flags {', '.join(flags)}; bpftool sets none")
    if step.sweep is not None:
        yield remark("not done: the runs of the sweep; this one is of the packet as the suite gives it")
    if request.flags & BPF_F_TEST_RUN_ON_CPU:
        yield remark("bpftest has the kernel interrupt that CPU to run the program; here bpftool itself runs on it")
    wanted = [text for name, text in RESULTS.items() if getattr(request.setup, name)]
    yield from (remark(f"not looked at: {text}") for text in wanted)
    if request.benchmark is not None:
        yield remark(f"not measured: bpftest takes samples of {request.benchmark.repeat} runs; a 'repeat' gives a mean")
