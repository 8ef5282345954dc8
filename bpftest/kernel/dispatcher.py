"""XDP programs that stay in the kernel's dispatcher, so that a run with `repeat` does not wait for it.

For a `repeat` of 2 and more the kernel puts the program into its XDP dispatcher, and takes it out after the run
(bpf_prog_change_xdp, called by bpf_prog_test_run_xdp in net/bpf/test_run.c). Both wait for RCU: 16 ms a run, where the
run itself takes microseconds. A program that is attached is in the dispatcher already, and nothing waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bpftest.kernel import libbpf, namespace

if TYPE_CHECKING:
    from bpftest.kernel.objects import Loaded

PROG_TYPE_XDP = 6  # enum bpf_prog_type
LOOPBACK_IFINDEX = 1  # include/net/net_namespace.h


class _Kept(NamedTuple):
    loaded: Loaded
    program: str
    link: int  # struct bpf_link *


_kept: _Kept | None = None


def keep(loaded: Loaded, program: str) -> None:
    """Keeps the XDP program *program* of *loaded* in the dispatcher until `release`, or until *loaded* is closed.

    It is attached to `lo` of bpftest's own network namespace, which carries no frames. `lo` takes one program, so the
    one before is released. Attaching and detaching take as long as one run without them. Where it cannot be attached
    (outside of the namespace; before Linux 5.9, which has no links for XDP), runs are slower and no different.
    """
    global _kept
    if _kept is not None and _kept.loaded is loaded and _kept.program == program:
        return
    release()
    library = libbpf.library()
    handle = library.bpf_object__find_program_by_name(loaded.handle, program.encode())
    own = namespace.own()
    if own is None or not handle or library.bpf_program__type(handle) != PROG_TYPE_XDP:
        return
    with namespace.inside(own):  # a case may have another one, whose `lo` may carry frames
        # lo has no driver that takes XDP programs, so this is the mode that BPF calls SKB or generic.
        link: int | None = library.bpf_program__attach_xdp(handle, LOOPBACK_IFINDEX)
    if not link:
        libbpf.warnings()  # they are about nothing that the suite asks for
        return
    loaded.links.append(link)
    _kept = _Kept(loaded, program, link)


def release(but: Loaded | None = None) -> None:
    """Takes the program that is kept out of the dispatcher, unless it is one of *but*."""
    global _kept
    if _kept is None or _kept.loaded is but:
        return
    if _kept.link in _kept.loaded.links:  # it has not been closed
        _kept.loaded.links.remove(_kept.link)
        libbpf.library().bpf_link__destroy(_kept.link)
    _kept = None
