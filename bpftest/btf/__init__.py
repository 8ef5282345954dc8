"""BTF, the types of BPF objects and of the kernel: `Btf(data)` reads them, a type at a time and on demand."""

from bpftest.btf.layout import Layout
from bpftest.btf.reader import Btf, Constants, Variable
from bpftest.btf.special import has_special, is_special
from bpftest.btf.types import (
    Array,
    DataSec,
    DeclTag,
    Enum,
    Float,
    Func,
    FuncProto,
    Fwd,
    Int,
    Kind,
    Member,
    Pointer,
    Qualifier,
    Struct,
    Type,
    Typedef,
    Var,
    Void,
)

__all__ = [
    "Array",
    "Btf",
    "Constants",
    "DataSec",
    "DeclTag",
    "Enum",
    "Float",
    "Func",
    "FuncProto",
    "Fwd",
    "Int",
    "Kind",
    "Layout",
    "Member",
    "Pointer",
    "Qualifier",
    "Struct",
    "Type",
    "Typedef",
    "Var",
    "Variable",
    "Void",
    "has_special",
    "is_special",
]
