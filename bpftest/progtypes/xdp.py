"""XDP: struct xdp_md is its context, bpf_prog_test_run_xdp runs it."""

from __future__ import annotations

import os

from bpftest.progtypes.entry import ETHERNET_HEADER, PAGE_SIZE, Ctx, CtxField, ProgType, Rule, Run
from bpftest.progtypes.skb import short

XDP_MD = Ctx(
    "struct xdp_md",
    24,
    {
        "data": CtxField(0, 4),
        "data_end": CtxField(4, 4),
        "data_meta": CtxField(8, 4),
        "ingress_ifindex": CtxField(12, 4),
        "rx_queue_index": CtxField(16, 4),
        "egress_ifindex": CtxField(20, 4),
    },
    ("ingress_ifindex", "rx_queue_index", "data_end"),
    ("data", "data_end", "ingress_ifindex", "rx_queue_index"),
)
XDP_METADATA_MAX = 256 - 40  # bytes: XDP_PACKET_HEADROOM without struct xdp_frame
FRAGMENTS_MAX = 17  # MAX_SKB_FRAGS, include/linux/skbuff.h; a page each
XDP_LINEAR_MAX = PAGE_SIZE - 256 - 320  # bytes: without XDP_PACKET_HEADROOM and struct skb_shared_info
XDP_DATA_MAX = XDP_LINEAR_MAX + FRAGMENTS_MAX * PAGE_SIZE  # bytes; metadata stands in the headroom
LIVE_BATCH_MAX = 256  # TEST_XDP_MAX_BATCH, net/bpf/test_run.c
LIVE_HEAD = 112  # bytes of struct xdp_page_head, which the test run keeps at the start of each page
IN_MAPS = ("xdp_devmap", "xdp_cpumap")  # attach types of programs that are entries of a map


def _metadata_step(run: Run) -> str:
    return f"the metadata has {run.metadata} bytes, and the kernel wants a multiple of 4" if run.metadata % 4 else ""


def _metadata_long(run: Run) -> str:
    if run.metadata <= XDP_METADATA_MAX:
        return ""
    return f"the metadata has {run.metadata} bytes, and at most {XDP_METADATA_MAX} fit before a packet"


def _metadata_old(run: Run) -> str:
    return f"the metadata has {run.metadata} bytes, and older kernels take 32" if run.metadata > 32 else ""


def _data_end(run: Run) -> str:
    end, whole = run.ctx.get("data_end"), run.metadata + len(run.data_in)
    if end is None or not isinstance(end, int) or run.metadata <= end <= whole:
        return ""
    return f"data_end is {end}; it lies between the end of the metadata ({run.metadata}) and of the packet ({whole})"


def _partial(run: Run) -> str:
    end, whole = run.ctx.get("data_end"), run.metadata + len(run.data_in)
    return "" if end in (None, whole) else "this kernel wants data_end to be the end of the packet (xdp_partial_linear)"


def _queue_alone(run: Run) -> str:
    if run.ctx.get("rx_queue_index") and not run.ctx.get("ingress_ifindex"):
        return "rx_queue_index needs an ingress_ifindex"
    return ""


def _queue_missing(run: Run) -> str:
    queue = run.ctx.get("rx_queue_index", 0)
    return f"the interface has no receive queue {queue}" if queue else ""


def _xdp_no_device(run: Run) -> str:
    index = run.ctx.get("ingress_ifindex", 0)
    return "" if index in (0, *run.interfaces.values()) else run.missing_interface(index)


def _in_map(run: Run) -> str:
    if run.attach_type not in IN_MAPS:
        return ""
    return f"no kernel test-runs XDP programs for a {run.attach_type.removeprefix('xdp_')} ({run.attach_type})"


def _many_fragments(run: Run) -> str:
    end = run.ctx.get("data_end")
    rest = run.metadata + len(run.data_in) - end if isinstance(end, int) else 0
    if rest <= FRAGMENTS_MAX * PAGE_SIZE:
        return ""
    return f"data_end leaves {rest} bytes to fragments, and there are {FRAGMENTS_MAX} of a page, {PAGE_SIZE} bytes"


def live_max() -> int:
    """Bytes of the longest packet of a live frame: one page holds it, and all that belongs to it."""
    return os.sysconf("SC_PAGE_SIZE") - 256 - 320 - LIVE_HEAD


def _live_long(run: Run) -> str:
    size = len(run.data_in)
    if not run.batch_size or size <= live_max():
        return ""
    return (
        f"the packet has {size:,} bytes, and a live frame at most {live_max():,}: it has no fragments, and its page "
        f"also holds headroom (256), struct skb_shared_info (320) and notes of the test run ({LIVE_HEAD})"
    )


def _live_fragments(run: Run) -> str:
    end, whole = run.ctx.get("data_end"), run.metadata + len(run.data_in)
    if not run.batch_size or end in (None, whole):
        return ""
    return f"data_end is {end}, and a live frame has no fragments: it is linear up to its end ({whole})"


def _live_batch(run: Run) -> str:
    if run.batch_size <= LIVE_BATCH_MAX:
        return ""
    return f"the batch size is {run.batch_size}, and the kernel takes at most {LIVE_BATCH_MAX}"


XDP_RULES = (
    Rule("EINVAL", "packet", short),
    Rule("EINVAL", "packet.metadata", _metadata_step),
    Rule("EINVAL", "packet.metadata", _metadata_long),
    Rule("EINVAL", "ctx.data_end", _data_end),
    Rule("EINVAL", "ctx.rx_queue_index", _queue_alone),
    Rule("EINVAL", "attach_type", _in_map),
    Rule("EINVAL", "packet", _live_long),
    Rule("EINVAL", "ctx.data_end", _live_fragments),
    Rule("E2BIG", "live.batch_size", _live_batch),
    Rule("ENOMEM", "ctx.data_end", _many_fragments, everywhere=False),
    Rule("EINVAL", "packet.metadata", _metadata_old, everywhere=False),
    Rule("EINVAL", "ctx.rx_queue_index", _queue_missing, everywhere=False),
    Rule("EINVAL", "ctx.data_end", _partial, everywhere=False),
    Rule("ENODEV", "ctx.ingress_ifindex", _xdp_no_device, everywhere=False),
)

XDP = ProgType(
    "xdp",
    6,
    (("XDP_ABORTED", 0), ("XDP_DROP", 1), ("XDP_PASS", 2), ("XDP_TX", 3), ("XDP_REDIRECT", 4)),
    sees="ethernet",
    sizes=f"{ETHERNET_HEADER} to {XDP_DATA_MAX:,} bytes",
    gives="packet",
    ctx_kind="struct",
    ctx=XDP_MD,
    rules=XDP_RULES,
    attach_types={"xdp": 37, "xdp_devmap": 33, "xdp_cpumap": 35},
    since="4.12",
    notes=(
        "A redirect is only seen as its return code, even where the target does not exist. Frames that are `live` go "
        "where it leads.\n"
        f"`data_end` is the end of the linear part: bytes beyond {XDP_LINEAR_MAX:,} are in fragments, which "
        f"`bpf_xdp_load_bytes()` reaches. Sizes hold for pages of {PAGE_SIZE:,} bytes.\n"
        f"Metadata is given with `packet: {{.., metadata: ..}}`: a multiple of 4 bytes, up to {XDP_METADATA_MAX}; "
        "older kernels take 32. `expect.ctx.data` is how much of it the program left.\n"
        "A program for a devmap or a cpumap is loaded, and no kernel test-runs it: expect `loads: true`.\n"
    ),
)
