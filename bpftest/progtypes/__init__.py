"""What BPF_PROG_RUN does with each program type: one entry a type, data first.

Sizes, fields and errors are from net/bpf/test_run.c and were measured on Linux 6.18; layouts are from linux/bpf.h,
numbers from enum bpf_prog_type and enum bpf_attach_type.
"""

from __future__ import annotations

from bpftest.progtypes import skb, xdp
from bpftest.progtypes.entry import Ctx, CtxField, ProgType, Rule, Run
from bpftest.progtypes.sections import of_section

__all__ = ["PROG_TYPES", "Ctx", "CtxField", "ProgType", "Rule", "Run", "of_section"]

PROG_TYPES: dict[str, ProgType] = {entry.name: entry for entry in (xdp.XDP, *skb.TYPES)}
