"""What BPF_PROG_RUN does with each program type: one entry a type, data first.

Sizes, fields and errors are from net/bpf/test_run.c and were measured on Linux 6.18; layouts are from linux/bpf.h,
numbers from enum bpf_prog_type and enum bpf_attach_type.
"""

from __future__ import annotations

from bpftest.progtypes import calls, skb
from bpftest.progtypes.entry import Ctx, CtxField, ProgType, Rule, Run
from bpftest.progtypes.flow_dissector import FLOW_DISSECTOR
from bpftest.progtypes.netfilter import NETFILTER
from bpftest.progtypes.sections import of_section, untestable_section
from bpftest.progtypes.sk_lookup import SK_LOOKUP
from bpftest.progtypes.xdp import XDP

__all__ = ["PROG_TYPES", "RUN_FLAGS", "Ctx", "CtxField", "ProgType", "Rule", "Run", "of_section", "untestable_section"]

PROG_TYPES: dict[str, ProgType] = {
    entry.name: entry for entry in (XDP, *skb.TYPES, FLOW_DISSECTOR, SK_LOOKUP, NETFILTER, *calls.TYPES)
}
RUN_FLAGS = {name: bit for entry in PROG_TYPES.values() for name, bit in entry.flags.items()}
