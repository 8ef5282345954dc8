"""Special fields, as the kernel calls them: it keeps them to itself, whatever is in the bytes of a value.

Who writes a value leaves them as they are, and who reads one gets zeros: check_and_init_map_value and
bpf_obj_memcpy, include/linux/bpf.h.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from bpftest.btf.types import Array, Pointer, Qualifier, Struct

if TYPE_CHECKING:
    from bpftest.btf.reader import Btf

# By enum btf_field_type, include/linux/bpf.h, and btf_get_field_type, kernel/bpf/btf.c.
STRUCTS = {
    *("bpf_spin_lock", "bpf_res_spin_lock", "bpf_timer", "bpf_wq", "bpf_task_work", "bpf_refcount"),
    *("bpf_list_head", "bpf_list_node", "bpf_rb_root", "bpf_rb_node"),
}
POINTER_TAGS = {"kptr", "kptr_untrusted", "percpu_kptr", "uptr"}


def is_special(btf: Btf, type_id: int) -> bool:
    """Whether *type_id* is the type of a special field, or an array of such."""
    held = btf.resolve(type_id)
    if isinstance(held, Array):
        return is_special(btf, held.element)
    if isinstance(held, Pointer):
        target = btf.type(held.type)
        return isinstance(target, Qualifier) and target.tag in POINTER_TAGS
    return isinstance(held, Struct) and held.name in STRUCTS


@functools.lru_cache(maxsize=256)
def has_special(btf: Btf, type_id: int) -> bool:
    """Whether a special field is anywhere in *type_id*."""
    held = btf.resolve(type_id)
    if isinstance(held, Array):
        return has_special(btf, held.element)
    if is_special(btf, type_id):
        return True
    fields = btf.layout(type_id).fields.values() if isinstance(held, Struct) else ()
    return any(has_special(btf, field.type) for field in fields)
