"""enum bpf_map_type of linux/bpf.h, as far as its values are treated differently."""

from __future__ import annotations

HASH, ARRAY, PROG_ARRAY, PERF_EVENT_ARRAY, PERCPU_HASH, PERCPU_ARRAY = 1, 2, 3, 4, 5, 6
LRU_HASH, LRU_PERCPU_HASH, LPM_TRIE, ARRAY_OF_MAPS, HASH_OF_MAPS = 9, 10, 11, 12, 13
DEVMAP, SOCKMAP, CPUMAP, XSKMAP, SOCKHASH = 14, 15, 16, 17, 18
PERCPU_CGROUP_STORAGE, QUEUE, STACK, SK_STORAGE, DEVMAP_HASH = 21, 22, 23, 24, 25
RINGBUF, BLOOM_FILTER, USER_RINGBUF = 27, 30, 31

PER_CPU = frozenset({PERCPU_HASH, PERCPU_ARRAY, LRU_PERCPU_HASH, PERCPU_CGROUP_STORAGE})
OF_MAPS = frozenset({ARRAY_OF_MAPS, HASH_OF_MAPS})
ARRAYS = frozenset({ARRAY, PERCPU_ARRAY})
# Their keys are numbers from 0 on.
INDEXED = frozenset({*ARRAYS, PROG_ARRAY, PERF_EVENT_ARRAY, ARRAY_OF_MAPS, DEVMAP, CPUMAP, SOCKMAP})

# Programs look entries of these up and use them, and none can write one (check_map_func_compatibility,
# kernel/bpf/verifier.c): what is in them was put in by user space.
WRITTEN_BY_USERS = frozenset({PROG_ARRAY, ARRAY_OF_MAPS, HASH_OF_MAPS, DEVMAP, DEVMAP_HASH})
