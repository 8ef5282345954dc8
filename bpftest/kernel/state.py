"""A run with a state around it: what is done before it, and what is looked at after it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from bpftest.kernel.contents import identity, patch, read, write
from bpftest.kernel.run import exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from bpftest.kernel.door import Loading, Reply, Request
    from bpftest.kernel.network import Namespace
    from bpftest.kernel.objects import Loaded
    from bpftest.kernel.sockets import Sockets


def run_in_state(
    loading: Loading, loaded: Loaded, sockets: Sockets | None, namespace: Namespace | None, request: Request
) -> Reply:
    """One BPF_PROG_RUN with the map entries and globals of the request; the reply has what it reads."""
    setup = request.setup
    if setup.patches:
        patch(loaded, setup.patches)
    write(loaded, setup.writes, sockets)
    before = tuple(read(loaded, wanted, sockets) for wanted in setup.before)
    reply = _run(loading, loaded, sockets, namespace, request)
    if reply.errno:
        return reply
    return reply._replace(
        cookies=sockets.cookies() if sockets else (),
        contents=tuple(read(loaded, wanted, sockets) for wanted in setup.reads),
        before=before,
        ids=tuple((handle, identity(loaded, handle, sockets)) for handle in setup.handles),
    )


def _run(
    loading: Loading, loaded: Loaded, sockets: Sockets | None, namespace: Namespace | None, request: Request
) -> Reply:
    """The run itself, and what was seen of it while it lasted."""
    program_fd = loaded.descriptor(request.program) if request.program else loaded.program_fd
    with ExitStack() as watches:
        seen = {field: watches.enter_context(watch) for field, watch in _watches(loading, loaded, program_fd, request)}
        if request.live or request.setup.frames or request.setup.received:
            from bpftest.kernel.live import run  # only for suites with interfaces, or sockets that receive

            reply = run(loaded, program_fd, request, namespace, sockets)
        else:
            reply = exchange().run(program_fd, request)
        return reply if reply.errno else reply._replace(**{field: look() for field, look in seen.items()})


def _watches(
    loading: Loading, loaded: Loaded, program_fd: int, request: Request
) -> Iterator[tuple[str, AbstractContextManager[Callable[[], Any]]]]:
    """What is watched during the run: a field of the reply, and a block that gives what is called for its value."""
    setup = request.setup
    if setup.records:
        from bpftest.kernel.records import listening  # each only for suites that want it

        yield "records", listening(loaded, setup.records)
    if setup.counted and loaded.counters is not None:
        yield "runs", loaded.counters.counting(loaded)
    if loading.prints:
        from bpftest.kernel.printk import printing

        yield "printk", printing(request, wanted=setup.printk)
    if setup.streams or loading.streams:
        from bpftest.kernel.streams import streaming

        yield "streams", streaming(program_fd, wanted=setup.streams)
