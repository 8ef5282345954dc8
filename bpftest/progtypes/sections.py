"""What the name of an ELF section says of the program in it."""

from __future__ import annotations

# After libbpf's section_defs; the longest prefix counts. (type, attach type)
SECTIONS: dict[str, tuple[str, str | None]] = {
    "xdp": ("xdp", "xdp"),
    "xdp/devmap": ("xdp", "xdp_devmap"),
    "xdp/cpumap": ("xdp", "xdp_cpumap"),
    "xdp.frags": ("xdp", "xdp"),
    "xdp.frags/devmap": ("xdp", "xdp_devmap"),
    "xdp.frags/cpumap": ("xdp", "xdp_cpumap"),
    "tc": ("sched_cls", None),
    "tc/ingress": ("sched_cls", "tcx_ingress"),
    "tc/egress": ("sched_cls", "tcx_egress"),
    "tcx/ingress": ("sched_cls", "tcx_ingress"),
    "tcx/egress": ("sched_cls", "tcx_egress"),
    "classifier": ("sched_cls", None),
    "netkit": ("sched_cls", None),
    "action": ("sched_act", None),
    "socket": ("socket_filter", None),
    "cgroup_skb/ingress": ("cgroup_skb", "cgroup_inet_ingress"),
    "cgroup_skb/egress": ("cgroup_skb", "cgroup_inet_egress"),
    "cgroup/skb": ("cgroup_skb", None),
    "lwt_in": ("lwt_in", None),
    "lwt_out": ("lwt_out", None),
    "lwt_xmit": ("lwt_xmit", None),
    "lwt_seg6local": ("lwt_seg6local", None),
    "flow_dissector": ("flow_dissector", None),
    "sk_lookup": ("sk_lookup", "sk_lookup"),
    "netfilter": ("netfilter", "netfilter"),
    "raw_tp": ("raw_tracepoint", None),
    "raw_tracepoint": ("raw_tracepoint", None),
    "syscall": ("syscall", None),
    "struct_ops": ("struct_ops", None),
    "struct_ops.s": ("struct_ops", None),
    "fentry": ("tracing", "trace_fentry"),
    "fentry.s": ("tracing", "trace_fentry"),
    "fexit": ("tracing", "trace_fexit"),
    "fexit.s": ("tracing", "trace_fexit"),
    "fmod_ret": ("tracing", "modify_return"),
    "fmod_ret.s": ("tracing", "modify_return"),
}

# Types without a test run in any kernel, with what can be done instead.
_TRIGGER = "attach the program and trigger what it waits for"
UNTESTABLE: dict[str, tuple[str, str]] = {
    "raw_tp.w": ("raw_tracepoint_writable", _TRIGGER),
    "raw_tracepoint.w": ("raw_tracepoint_writable", _TRIGGER),
    "tp_btf": ("tracing (tp_btf)", 'SEC("raw_tp/...") has a test run: call the same code from there'),
    "iter": ("tracing (iter)", "attach it and read the iterator"),
    "lsm": ("lsm", _TRIGGER),
    "freplace": ("ext", "run the program whose function it replaces"),
    "kprobe": ("kprobe", _TRIGGER),
    "kretprobe": ("kprobe", _TRIGGER),
    "ksyscall": ("kprobe", _TRIGGER),
    "kretsyscall": ("kprobe", _TRIGGER),
    "uprobe": ("kprobe", _TRIGGER),
    "uretprobe": ("kprobe", _TRIGGER),
    "usdt": ("kprobe", _TRIGGER),
    "tp": ("tracepoint", 'SEC("raw_tp/...") has a test run: call the same code from there'),
    "tracepoint": ("tracepoint", 'SEC("raw_tp/...") has a test run: call the same code from there'),
    "perf_event": ("perf_event", _TRIGGER),
    "sockops": ("sock_ops", "attach it to a cgroup and open a connection"),
    "sk_skb": ("sk_skb", "attach it to a sockmap and send through a socket of it"),
    "sk_msg": ("sk_msg", "attach it to a sockmap and send through a socket of it"),
    "sk_reuseport": ("sk_reuseport", "attach it to a reuseport group and send to it"),
    "cgroup/dev": ("cgroup_device", "attach it to a cgroup and open a device"),
    "cgroup/sysctl": ("cgroup_sysctl", "attach it to a cgroup and read a sysctl"),
    "cgroup/getsockopt": ("cgroup_sockopt", "attach it to a cgroup and call getsockopt"),
    "cgroup/setsockopt": ("cgroup_sockopt", "attach it to a cgroup and call setsockopt"),
    "cgroup/sock": ("cgroup_sock", "attach it to a cgroup and open a socket"),
    "cgroup/post_bind": ("cgroup_sock", "attach it to a cgroup and bind a socket"),
    "cgroup": ("cgroup_sock_addr", "attach it to a cgroup and connect, bind or send"),
    "lirc_mode2": ("lirc_mode2", _TRIGGER),
}


def of_section(section: str) -> tuple[str | None, str | None]:
    """(type, attach type) that the ELF section *section* stands for, None where it does not tell."""
    return SECTIONS.get(_longest(section), (None, None))


def untestable_section(section: str) -> tuple[str, str] | None:
    """(type, what to do instead) for a section whose type no kernel test-runs."""
    return UNTESTABLE.get(_longest(section))


def _longest(section: str) -> str:
    """The longest known name that *section* is, or begins with."""
    name = section.lstrip("?")  # SEC("?xdp"): not loaded unless asked for
    for prefix in sorted((*SECTIONS, *UNTESTABLE), key=len, reverse=True):
        if name.startswith(prefix) and not name[len(prefix) :][:1].isalnum():
            return prefix
    return ""
