"""Values of maps, globals and contexts: what a suite writes ⇄ the bytes that the kernel wants, by BTF type."""

from bpftest.values.alike import alike, plainly
from bpftest.values.comparison import Difference, differences, differences_without_btf, refuse_misfit
from bpftest.values.decoding import decode
from bpftest.values.encoding import encode, struct_id
from bpftest.values.forms import without_btf

__all__ = [
    "Difference",
    "alike",
    "decode",
    "differences",
    "differences_without_btf",
    "encode",
    "plainly",
    "refuse_misfit",
    "struct_id",
    "without_btf",
]
