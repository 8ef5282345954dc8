"""`live:` → how frames really go through the program, and what the kernel does not tell of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpftest.errors import SuiteError
from bpftest.expectations.context import LOOPBACK
from bpftest.kernel.door import Live
from bpftest.wording import suggestion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bpftest.expectations import Context
    from bpftest.kernel.door import Socket
    from bpftest.plan.ctx import Given
    from bpftest.suite.model import Step, Written

BPF_F_TEST_XDP_LIVE_FRAMES = 2  # linux/bpf.h
BATCH_SIZE = 64  # of the kernel where it is told none: NAPI_POLL_WEIGHT, linux/netdevice.h
# What the kernel does not give back of live frames, and what to expect instead.
UNTOLD = {
    "retval": "what became of the frames is expected under 'frames'",
    "output": "what left is expected under 'frames: {INTERFACE: {output: ..}}'",
    "ctx": "what the program sees of it can be left in a map",
    "duration": "expect a 'rate'",
}


def live_of(step: Step, context: Context, attach_type: str) -> Live | None:
    """How the frames of *step* are live, None if they are not. Raises SuiteError, at its place.

    *attach_type*: as the suite or the section of the program says it, or "".
    """
    if step.live is None:
        return None
    said = step.live
    if context.prog_type.name != "xdp":
        from bpftest.plan.hooks import attached_live  # only for programs that are attached

        return attached_live(step, context, attach_type)
    for key in ("hook", "interface", "route"):
        if key in said:
            hint = "leave it out: the kernel gives the frames to the program itself"
            raise SuiteError(f"'{key}' is for programs of other types than xdp", hint, said[key].key_place())
    if "ingress" not in said:
        hint = "say 'ingress: NAME', one of 'interfaces'"
        raise SuiteError("live frames come in through an interface, and none is said", hint, said.key_place())
    ingress = known_interface(said["ingress"], context)
    return Live(ingress, said.value.get("batch_size", BATCH_SIZE), said.value.get("pristine", False))


def known_interface(here: Written, context: Context) -> str:
    """The interface of the case that the suite names *here*. Raises SuiteError, at its place."""
    name: str = here.value
    known = [one for one in context.interfaces if one not in LOOPBACK]
    if name not in known:
        hint = suggestion(name, known) if known else f"say 'interfaces: [{name}]' in the case"
        raise SuiteError(f"no interface '{name}' in this case", hint, here.place())
    return name


def refuse_untold(want: Written) -> None:
    """Raises SuiteError for an expectation of what the kernel does not give back of live frames."""
    if want.key in UNTOLD:
        what = f"with 'live' the kernel gives back no {want.key}"
        raise SuiteError(what, UNTOLD[str(want.key)], want.key_place())


def refuse_deaf(step: Step, sockets: Sequence[Socket]) -> None:
    """Raises SuiteError where payloads are expected at a socket that gets none."""
    for socket in sockets if "sockets" in step.expect else ():
        if socket.name in step.expect["sockets"] and socket.kind == "tcp":
            what = f"'{socket.name}' is a {socket.kind} socket: it listens, and receives nothing itself"
            raise SuiteError(what, "a udp socket does", step.expect["sockets"][socket.name].key_place())


def arrived(step: Step, ctx: Given, live: Live | None, context: Context) -> Given:
    """*ctx* with the interface that live frames come in through. Raises SuiteError where the suite says another."""
    if live is None or live.hook:
        return ctx
    index = context.interfaces[live.ingress]
    if ctx.members.get("ingress_ifindex", index) != index:
        what = f"the frames come in through '{live.ingress}' ({index}), and ctx says something else"
        place = step.ctx["ingress_ifindex"].place() if step.ctx and "ingress_ifindex" in step.ctx else None
        raise SuiteError(what, "leave it out: 'live.ingress' says it", place)
    return ctx._replace(members={**ctx.members, "ingress_ifindex": index})
