"""Fields that suites can neither write nor read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from bpftest.btf import Array, Struct, has_special, is_special
from bpftest.errors import SuiteError, each

if TYPE_CHECKING:
    from bpftest.btf import Btf


def refuse_special(btf: Btf, type_id: int, value: object, path: str) -> None:
    """Raises SuiteError where *value*, of a *type_id*, names fields that the kernel keeps to itself."""
    if not has_special(btf, type_id):
        return
    if is_special(btf, type_id):
        what = f"{path}: the kernel keeps {btf.spelled(type_id)} to itself: it is not written, and reads as zeros"
        raise SuiteError(what, "leave it out")
    held = btf.resolve(type_id)
    if isinstance(held, Struct) and isinstance(value, Mapping):
        fields = btf.layout(type_id).fields
        named = [name for name in value if name in fields]
        each(lambda name: refuse_special(btf, fields[name].type, value[name], f"{path}.{name}"), named)
    elif isinstance(held, Array) and isinstance(value, list):
        element = held.element
        each(lambda one: refuse_special(btf, element, one[1], f"{path}[{one[0]}]"), enumerate(value))
