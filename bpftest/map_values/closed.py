"""Maps whose entries suites neither fill nor read, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpftest.errors import SuiteError

if TYPE_CHECKING:
    from bpftest.maps import Declared

CLOSED = {
    "": "bpftest does not know maps of this type",
    "ringbuf": "only programs write to it, and what they write are records, not entries",
    "perf_event_array": "it holds the buffers that bpftest takes records from",
    "user_ringbuf": "it takes records, not entries, and suites cannot write any",
    "stack_trace": "its values are addresses in the kernel, others on each machine",
    "cgroup_array": "its values are cgroups, and suites have none",
    "cgroup_storage": "the kernel makes it anew for each run, where user space cannot reach it",
    "percpu_cgroup_storage": "the kernel makes it anew for each run, where user space cannot reach it",
    "inode_storage": "its entries belong to files, and suites have none to name",
    "task_storage": "its entries belong to tasks, and suites have none to name",
    "cgrp_storage": "its entries belong to cgroups, and suites have none to name",
    "xskmap": "user space can put sockets in, and not read which are in it",
    "reuseport_sockarray": "its values are sockets that share a port, which suites cannot make",
    "struct_ops": "the kernel takes it as a whole, as the object has it",
    "arena": "it is memory without keys, which the program shares out itself",
}
HINTS = {
    **dict.fromkeys(("ringbuf", "perf_event_array"), "expect what comes out of it: {records: [..]}"),
    **dict.fromkeys(("inode_storage", "task_storage", "cgrp_storage"), "an sk_storage takes {socket: NAME} as its key"),
    "xskmap": "expect what the socket received: sockets: {NAME: {received: [..]}}",
    "reuseport_sockarray": "a sockmap and a sockhash take {socket: NAME}",
    "arena": "expect what its programs say of it: a retval, a global variable or another map",
    "stack_trace": "expect what bpf_get_stackid() gave: a retval, a global variable or another map",
    "struct_ops": "write its functions in the object, and run each as the case's program",
}


def closed(declared: Declared) -> SuiteError | None:
    """Why suites have no entries for the map, without a place; None: they have."""
    if declared.type not in CLOSED:
        return None
    kind = f"is of type {declared.type}" if declared.type else "cannot be filled or read"
    return SuiteError(f"'{declared.name}' {kind}: {CLOSED[declared.type]}", HINTS.get(declared.type, ""))


def refuse_closed(declared: Declared) -> None:
    """Raises SuiteError for a map whose entries suites have no way to write or read."""
    error = closed(declared)
    if error is not None:
        raise error
