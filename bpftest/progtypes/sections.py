"""What the name of an ELF section says of the program in it."""

from __future__ import annotations

# What a section name says of a program, after libbpf's section_defs; the longest prefix counts.
SECTIONS: dict[str, tuple[str | None, str | None]] = {
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
    "action": ("sched_act", None),
    "socket": ("socket_filter", None),
    "cgroup_skb/ingress": ("cgroup_skb", "cgroup_inet_ingress"),
    "cgroup_skb/egress": ("cgroup_skb", "cgroup_inet_egress"),
    "cgroup/skb": ("cgroup_skb", None),
}


def of_section(section: str) -> tuple[str | None, str | None]:
    """(type, attach type) that the ELF section *section* stands for, None where it does not tell."""
    name = section.lstrip("?")  # SEC("?xdp"): not loaded unless asked for
    for prefix in sorted(SECTIONS, key=len, reverse=True):
        if name.startswith(prefix) and not name[len(prefix) :][:1].isalnum():
            return SECTIONS[prefix]
    return None, None
