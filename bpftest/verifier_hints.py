"""What to do about the refusals of the verifier that are met most, by its words in kernel/bpf/verifier.c."""

from __future__ import annotations

import re

BOUND = "give the index or length a bound before it is used: if (i >= SIZE) return ...; or i &= SIZE - 1"
CHECK = "compare with data_end before the access, on every path to it: if (data + {} > data_end) return ..."

# Its words, a regular expression → what to do. The first that is found counts.
HINTS = {
    # __check_mem_access says
    r"invalid access to packet": CHECK.format("SIZE"),
    r"invalid access to (map|memory)": "the access begins at off and takes size bytes, which is more than there are; "
    + BOUND,
    # check_mem_access, check_mem_region_access and check_helper_mem_access say
    r"invalid mem access '\w*_or_null'": (
        "compare with NULL before the access, as bpf_map_lookup_elem and others may find nothing: "
        "if (!pointer) return ..."
    ),
    r"invalid mem access '(scalar|inv)'": (
        "to the verifier this is a number, no pointer: behind a helper that moves the packet, load ctx->data and "
        "ctx->data_end again; memory of the kernel is read with bpf_probe_read_kernel"
    ),
    r"unbounded memory access|value is negative|value is outside|zero-sized read": BOUND,
    r"write into map forbidden|cannot write into": "what is const or read-only cannot be written to: write to a copy",
    # check_reg_arg says, of R0 mostly at BPF_EXIT
    r"^R0 !read_ok": "the function ends without a return value on this path: return one, and declare it int",
    r"^R\d+ !read_ok": (
        "nothing was written to this register on this path: initialise the variable; a call takes away R1 to R5"
    ),
    # check_max_stack_depth_subprog says
    r"combined stack size|stack size of subprog|when call stack of previous frames": (
        "a chain of calls has 512 bytes of stack, and 256 above a function with a tail call: "
        "put large variables into a per-CPU array"
    ),
    # check_stack_access_within_bounds and check_stack_range_initialized say
    r"invalid (unbounded )?variable-offset|invalid write to stack": (
        "a function has 512 bytes of stack, and an index into it needs a bound: "
        "put large variables into a per-CPU array"
    ),
    r"invalid .*(read from|access to) stack": (
        "this part of the stack was never written to: initialise the variable, padding too, with = {}"
    ),
    # do_check and push_stack say
    r"BPF program is too large|jumps is too complex": (
        "the verifier walks 1,000,000 instructions at most, over all paths: smaller loops, bpf_loop(), fewer branches "
        "inside, or functions that are not static, each of which it walks once"
    ),
    # is_state_visited and check_cfg say
    r"infinite loop detected|back-edge": (
        "give the loop a bound that the verifier can follow: for (int i = 0; i < 32; i++); or use bpf_loop()"
    ),
    r"unreachable insn": "no path leads to this instruction: take it out",
    # check_reference_leak says
    r"Unreleased reference": (
        "give back on every path what a helper has acquired: bpf_sk_release, bpf_ringbuf_submit, bpf_ringbuf_discard"
    ),
    # check_helper_call and fetch_kfunc_meta say
    r"cannot call GPL-restricted function": 'char LICENSE[] SEC("license") = "GPL"; or do without this helper',
    r"cannot use helper|helper call is not allowed|function \S+ is not allowed": (
        "programs of this type, or of this attach type, cannot call it: see 'type', 'attach_type' and SEC()"
    ),
    r"(unknown|invalid) func": (
        "this kernel does not have it for programs of this type; requires: {kernel: ..} skips the case there"
    ),
    # check_ctx_access and __check_ptr_off_reg say
    r"invalid bpf_context access": (
        "programs of this type cannot read or write this field of the context, or only all of it: see 'type' and SEC()"
    ),
    r"dereference of modified|variable ctx access": "name the fields of the context one by one, without an index",
    # check_ptr_alignment says
    r"misaligned": "copy the bytes with __builtin_memcpy, or declare the struct __attribute__((packed))",
    # adjust_ptr_min_max_vals and check_reg_sane_offset say
    r"null-check it first": "compare the pointer with NULL before anything is added to it: if (!pointer) return ...",
    r"math between .* pointer|pointer arithmetic|pointer be out of bounds": (
        "only numbers with a small bound can be added to a pointer; " + BOUND
    ),
    # check_return_code says
    r"should have been in": "programs of this type return no other values: see 'type' and 'attach_type'",
    # check_reg_type says
    r"type=\S+ expected=": "pass what the helper takes: a pointer of one of the types behind 'expected'",
    # bpf_prog_load's checks of flags
    r"can be sleepable": "take 'sleepable' out of load.flags, or the '.s' out of SEC()",
}
# Where id is 0, off counts from ctx->data.
PACKET = re.compile(r"invalid access to packet, off=(\d{1,9}) size=(\d{1,9}), R\d+\(id=0,", re.ASCII)


def hint(reason: str) -> str:
    """What to do about a refusal for *reason*; "" where nothing is known."""
    packet = PACKET.search(reason)
    if packet:
        return CHECK.format(int(packet[1]) + int(packet[2]))
    return next((text for words, text in HINTS.items() if re.search(words, reason)), "")
