"""Why the kernel refuses an entry of a map, in words, and what to do instead."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING

from bpftest.kernel.map_types import (
    ARRAY,
    ARRAY_OF_MAPS,
    BLOOM_FILTER,
    CPUMAP,
    DEVMAP,
    DEVMAP_HASH,
    HASH_OF_MAPS,
    INDEXED,
    LPM_TRIE,
    PERCPU_ARRAY,
    PERF_EVENT_ARRAY,
    PROG_ARRAY,
    QUEUE,
    RINGBUF,
    SK_STORAGE,
    SOCKHASH,
    SOCKMAP,
    STACK,
    USER_RINGBUF,
)

if TYPE_CHECKING:
    from bpftest.kernel.map import Map

BPF_F_RDONLY, BPF_F_WRONLY = 1 << 3, 1 << 4  # linux/bpf.h: what user space may do with the map
ENOTSUPP = 524  # include/linux/errno.h: has no name for user space

Reason = tuple[str, str]  # why, and what to do instead

FULL = "it is full", "give it more max_entries, or fewer entries"
ALL_ENTRIES = "an array always has all of its entries", "write zeros instead"
POPPED = "values leave it in their order, when a program takes them out", ""
KEPT = "nothing can be taken out of it", "it is empty at the beginning of each case"
OTHER_MAP = (
    "the map put in is not like those that it was declared for",
    "type, sizes of key and value and flags must be the same, and for arrays max_entries too",
)
RECORDS = "it holds no entries, but records on their way to user space", "expect its `records`"
WRONG_PROGRAM = (
    "the program cannot be called from there",
    "it must be of the type and attach type of those that call it",
)
CPUMAP_PROGRAM = "the program is not one for cpumaps", "such a program has the attach type xdp_cpumap"
COOKIES = "user space reads cookies, which take 8 bytes", "declare its value as __u64"
SOCKET = (
    "this socket cannot be in it in its state",
    "it takes TCP sockets that listen or are connected, and UDP sockets",
)
NO_SOCKET = "the key is no socket", "name one of the case's sockets"

NAMES = {ENOTSUPP: "ENOTSUPP", errno.EOPNOTSUPP: "EOPNOTSUPP"}  # that Python does not have, or calls ENOTSUP

REASONS: dict[tuple[int, int], Reason] = {
    (ARRAY, errno.EINVAL): ALL_ENTRIES,
    (PERCPU_ARRAY, errno.EINVAL): ALL_ENTRIES,
    (ARRAY_OF_MAPS, errno.EINVAL): OTHER_MAP,
    (HASH_OF_MAPS, errno.EINVAL): OTHER_MAP,
    (QUEUE, errno.EINVAL): POPPED,
    (STACK, errno.EINVAL): POPPED,
    (BLOOM_FILTER, errno.EOPNOTSUPP): KEPT,
    (LPM_TRIE, errno.ENOSPC): FULL,
    (LPM_TRIE, errno.EINVAL): ("the prefix is longer than the key's data", "its first 4 bytes are its length in bits"),
    (PROG_ARRAY, errno.EINVAL): WRONG_PROGRAM,
    (CPUMAP, errno.ENODEV): ("this machine has no such CPU", "the first is 0"),
    (CPUMAP, errno.EOVERFLOW): ("its queue is too long", "`qsize` is at most 16384"),
    (CPUMAP, errno.ENOMEM): CPUMAP_PROGRAM,  # or no memory, which is the less likely: cpu_map_update_elem, cpumap.c
    (CPUMAP, errno.EINVAL): CPUMAP_PROGRAM,
    (SOCKMAP, errno.ENOSPC): COOKIES,
    (SOCKHASH, errno.ENOSPC): COOKIES,
    (SOCKMAP, errno.EOPNOTSUPP): SOCKET,
    (SOCKHASH, errno.EOPNOTSUPP): SOCKET,
    (RINGBUF, ENOTSUPP): RECORDS,
    (USER_RINGBUF, ENOTSUPP): RECORDS,
    (PERF_EVENT_ARRAY, ENOTSUPP): RECORDS,
    (PERF_EVENT_ARRAY, errno.EOPNOTSUPP): RECORDS,
    (SK_STORAGE, ENOTSUPP): ("user space cannot list which sockets have something in it", "name the sockets"),
    (SK_STORAGE, errno.EBADF): NO_SOCKET,
    (SK_STORAGE, errno.ENOTSOCK): NO_SOCKET,
}


def refusal(target: Map, failed: int, key: bytes, value: bytes) -> Reason:
    """Why *target* did not do what was asked of it at *key*, with the errno in brackets, and a hint.

    *value*: what was to be put there, if anything.
    """
    why, hint = _reason(target, failed, key, value)
    return f"{why} ({NAMES.get(failed) or errno.errorcode.get(failed, failed)})", hint


def _reason(target: Map, failed: int, key: bytes, value: bytes) -> Reason:
    if failed == errno.EPERM:
        return _closed(target)
    if failed in (errno.E2BIG, errno.EINVAL) and _is_beyond(target, key):
        return f"its last key is {target.max_entries - 1}", "give it more max_entries, or write a smaller key"
    if failed == errno.E2BIG:
        return FULL
    if failed == errno.EINVAL and target.type in (DEVMAP, DEVMAP_HASH):
        return _device(int.from_bytes(value[:4], sys.byteorder))
    known = REASONS.get((target.type, failed))
    if known is not None:
        return known
    if failed in (errno.EOPNOTSUPP, ENOTSUPP):
        return "user space cannot do that to a map of this type", ""
    return os.strerror(failed), ""


def _closed(target: Map) -> Reason:
    """Why user space may not read or write."""
    if target.flags & BPF_F_RDONLY:
        return "its flags have BPF_F_RDONLY, so that only programs may write to it", ""
    if target.flags & BPF_F_WRONLY:
        return "its flags have BPF_F_WRONLY, so that only programs may read it", ""
    return "it is frozen, or this process may not change it", ""


def _is_beyond(target: Map, key: bytes) -> bool:
    return target.type in INDEXED and int.from_bytes(key, sys.byteorder) >= target.max_entries


def _device(ifindex: int) -> Reason:
    """Why a devmap does not take a struct bpf_devmap_val."""
    import socket

    try:
        name = socket.if_indextoname(ifindex)
    except OSError:
        known = ", ".join(f"{number} ({name})" for number, name in socket.if_nameindex())
        return f"there is no interface with ifindex {ifindex}", f"interfaces here: {known}"
    return f"the program for '{name}' is not one for devmaps", "such a program has the attach type xdp_devmap"
