"""`live:` of programs that are attached: where they are, and how the packet gets there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpftest.errors import SuiteError
from bpftest.expectations.frames import STACK
from bpftest.kernel.door import Live
from bpftest.plan.live import known_interface
from bpftest.progtypes.entry import ETHERNET_HEADER
from bpftest.progtypes.hooks import HOOKS, hooks_of
from bpftest.progtypes.netfilter import FAMILIES, HEADERS
from bpftest.progtypes.netfilter import HOOKS as NETFILTER_HOOKS
from bpftest.wording import suggestion

if TYPE_CHECKING:
    from bpftest.expectations import Context
    from bpftest.kernel.door import Route
    from bpftest.progtypes.hooks import Hook
    from bpftest.suite.model import Step, Written

OF_XDP = ("batch_size", "pristine")  # keys of `live` that are about BPF_F_TEST_XDP_LIVE_FRAMES
AMONG_ROUTES = "write it under 'routes' of the case, such as {to: 10.9.0.0/16, via: 10.2.0.7}"
NETFILTER = "netfilter"
NEEDS = {"interface": "interface", "route": "route"}  # what a program is attached to, and the key that says which


def attached_live(step: Step, context: Context, attach_type: str) -> Live:
    """How packets go through an attached program. Raises SuiteError, at its place.

    *attach_type*: as the suite or the section of the program says it, or "".
    """
    assert step.live is not None
    said, name = step.live, context.prog_type.name
    for key in OF_XDP:
        if key in said:
            hint = f"leave it out: a program of type {name} is attached, and packets come one by one"
            raise SuiteError(f"'{key}' is for xdp", hint, said[key].key_place())
    chosen = _hook(said, name, _hook_of_ctx(step, name) or attach_type)
    hook = HOOKS[chosen]
    for at, key in NEEDS.items():
        if key in said and hook.at != at:
            raise SuiteError(f"nothing is attached to {_a(at)} at {chosen}", "leave it out", said[key].key_place())
    ingress = _ingress(said, hook, chosen, context)
    interface = _interface(said, hook, chosen, context)
    route = _route(said, chosen, context.routes) if hook.at == "route" else ""
    return Live(ingress, hook=chosen, interface=interface, route=route)


def refuse_with_attached(step: Step, live: Live, data_in: bytes) -> None:
    """Raises SuiteError for what an attached program does not take, or cannot be seen of it."""
    is_netfilter = HOOKS[live.hook].prog_type == NETFILTER
    for key, written in (("ctx", None if is_netfilter else step.ctx), ("flags", step.flags)):
        if written is not None:
            what = f"'{key}' is for BPF_PROG_RUN: what an attached program gets is what the kernel makes of the packet"
            raise SuiteError(what, "leave it out", written.key_place())
    if is_netfilter and step.ctx is not None and "pf" in step.ctx:
        _refuse_other_family(step.ctx["pf"], data_in)
    if "errno" in step.expect:
        hint = "leave it out: a test of BPF_PROG_RUN is one without 'live'"
        what = "no BPF_PROG_RUN gives an errno where a program is attached"
        raise SuiteError(what, hint, step.expect["errno"].key_place())
    if "rate" in step.expect:
        hint = "leave it out: only xdp programs have a mean time of a live frame"
        raise SuiteError("the kernel measures no rate of an attached program", hint, step.expect["rate"].key_place())
    if len(data_in) < ETHERNET_HEADER:
        where = step.packet.place() if step.packet else step.name_place()
        raise SuiteError(f"the packet has {len(data_in)} bytes", "an Ethernet frame has 14 and more", where)
    if live.ingress:
        return
    if "frames" in step.expect and STACK in step.expect["frames"]:
        place = step.expect["frames"][STACK].key_place()
        raise SuiteError("no frame comes in: without 'ingress' a socket sends the packet", "say 'ingress'", place)
    if data_in[12:14] not in (b"\x08\x00", b"\x86\xdd"):
        place = step.packet.place() if step.packet else step.name_place()
        hint = "say 'ingress: NAME' to put in another"
        raise SuiteError("without 'ingress' a socket sends the packet, and it sends IPv4 and IPv6 alone", hint, place)


def _refuse_other_family(here: Written, frame: bytes) -> None:
    """Raises SuiteError where the packet is not of the family that a netfilter program is said to be for."""
    family = FAMILIES.get(here.value, here.value)
    name, _, ethertype = HEADERS.get(family, ("", 0, 0))
    if frame[12:14] != ethertype.to_bytes(2, "big"):
        raise SuiteError(f"the packet is not {name or 'of this family'}", "leave 'pf' out", here.place())


def _hook(said: Written, name: str, attach_type: str) -> str:
    known = hooks_of(name)
    if not known:
        have = ", ".join(dict.fromkeys(["xdp", *(hook.prog_type for hook in HOOKS.values())]))
        raise SuiteError(f"no packets go through programs of type {name}", f"'live' is for {have}", said.key_place())
    wanted = said["hook"].value if "hook" in said else ""
    if wanted and wanted not in known:
        hint = suggestion(wanted, known) if len(known) > 1 else f"leave it out: there is {known[0]} alone"
        raise SuiteError(f"programs of type {name} are not attached at {wanted}", hint, said["hook"].place())
    if wanted and name == "cgroup_skb" and attach_type in known and wanted != attach_type:
        what = f"the section of the program says {attach_type}"
        raise SuiteError(what, "leave 'hook' out, or say another 'attach_type'", said["hook"].place())
    if wanted:
        return str(wanted)
    if attach_type in known:
        return attach_type
    if name == NETFILTER:
        raise SuiteError("netfilter has several hooks", f"say 'hook:', one of: {', '.join(known)}", said.key_place())
    return known[0]


def _hook_of_ctx(step: Step, name: str) -> str:
    """The hook that the ctx of a netfilter program names: where it is attached, as where it is said to be test-run."""
    said = step.ctx["hook"].value if name == NETFILTER and step.ctx is not None and "hook" in step.ctx else ""
    return next((hook for hook, number in NETFILTER_HOOKS.items() if said in (hook, number)), "")


def _ingress(said: Written, hook: Hook, chosen: str, context: Context) -> str:
    if "ingress" in said:
        return known_interface(said["ingress"], context)
    if hook.arriving:
        hint = "say 'ingress: NAME', one of 'interfaces'"
        raise SuiteError(f"only packets that come in get to {chosen}", hint, said.key_place())
    return ""


def _interface(said: Written, hook: Hook, chosen: str, context: Context) -> str:
    if "interface" in said:
        return known_interface(said["interface"], context)
    if hook.leaving:
        hint = "say 'interface: NAME', the one that the packet leaves through"
        raise SuiteError(f"{chosen} is at an interface, and none is said", hint, said.key_place())
    return ""


def _route(said: Written, chosen: str, routes: tuple[Route, ...]) -> str:
    known = [route.to for route in routes]
    if "route" not in said:
        if len(known) == 1:
            return known[0]
        hint = f"say 'route:', one of: {', '.join(known)}" if known else AMONG_ROUTES
        raise SuiteError(f"a program at {chosen} is attached to a route", hint, said.key_place())
    wanted: str = said["route"].value
    found = next((to for to in (wanted, f"{wanted}/32", f"{wanted}/128") if to in known), "")
    if not found:
        hint = suggestion(wanted, known) if known else AMONG_ROUTES
        raise SuiteError(f"the case has no route to '{wanted}'", hint, said["route"].place())
    return found


def _a(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"
