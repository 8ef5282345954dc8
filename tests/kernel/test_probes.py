from __future__ import annotations

import pytest

from bpftest.errors import HostError
from bpftest.kernel import probes
from bpftest.kernel.door import Request, Setup
from bpftest.progtypes import PROG_TYPES
from tests.kernel.conftest import Build, Open
from tests.kernel.test_run import FRAME, LARGEST, XDP_MD, xdp_md

pytestmark = pytest.mark.kernel

XDP, SOCKET_FILTER, KPROBE = 6, 1, 2  # enum bpf_prog_type


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("name", ["xdp", "sched_cls", "sched_act", "socket_filter", "cgroup_skb"])
def test_the_types_that_every_kernel_runs_are_not_lacking(name: str) -> None:
    assert probes.type_lack.__wrapped__(PROG_TYPES[name].number) == ""


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("name", PROG_TYPES)
def test_every_type_has_an_answer_and_leaves_nothing_behind(name: str) -> None:
    lack = probes.type_lack.__wrapped__(PROG_TYPES[name].number)

    assert lack == "" or lack.startswith("this kernel ")
    assert "refuses the simplest test run" not in lack, "the probe asks for something that the type does not take"


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(
    ("number", "said"),
    [
        (KPROBE, "this kernel has no test run for this type (ENOTSUPP, 524)"),
        (9999, "this kernel refuses to load programs of this type: EINVAL (Invalid argument)"),
    ],
)
def test_a_type_that_does_not_run_is_told_with_the_reason(number: int, said: str) -> None:
    assert probes.type_lack.__wrapped__(number) == said


def test_the_kernel_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    probes.type_lack(XDP)
    probes.has("xdp_ctx")
    monkeypatch.delattr(probes, "_load")

    assert (probes.type_lack(XDP), probes.has("xdp_ctx")) == ("", True)


# What each feature is for: a request that goes through where it is there, and only there (tcx_link: see test_attach).
NEEDING = {
    "xdp_ctx": ("pass", XDP, Request(FRAME, xdp_md(FRAME), XDP_MD)),
    "xdp_multi_buffer": ("whole", XDP, Request(LARGEST, xdp_md(LARGEST), XDP_MD)),
    "xdp_partial_linear": ("whole", XDP, Request(FRAME, xdp_md(FRAME, data_end=32), XDP_MD)),
    "checksum_complete": ("keep", SOCKET_FILTER, Request(FRAME, flags=4)),
    "live_frames": ("pass", XDP, Request(FRAME, flags=2)),
    "bpf_streams": ("pass", XDP, Request(FRAME, setup=Setup(streams=True))),
}


@pytest.mark.parametrize("feature", [one for one in probes.FEATURES if one != "tcx_link"])
def test_a_feature_is_there_if_what_needs_it_goes_through(build: Build, opened: Open, feature: str) -> None:
    program, prog_type, request = NEEDING[feature]
    session = opened(build("plain"), program, prog_type)
    try:
        there = session.run(request).errno == 0
    except HostError:
        there = False

    assert probes.has.__wrapped__(feature) == there


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("feature", probes.FEATURES)
def test_a_feature_leaves_nothing_behind(feature: str) -> None:
    assert probes.has.__wrapped__(feature) in (True, False)


@pytest.mark.usefixtures("nothing_left")
def test_a_kernel_function_is_looked_up_in_the_kernels_types() -> None:
    assert probes.has.__wrapped__("kfunc:bpf_prog_test_run_xdp"), "a function of net/bpf/test_run.c"
    assert not probes.has.__wrapped__("kfunc:bpf_there_is_no_such_thing")
