from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from bpftest.errors import HostError
from bpftest.kernel import probes, requirements
from bpftest.progtypes import PROG_TYPES


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What uname(2) says."""
    said = SimpleNamespace(release="6.18.44-generic", machine="x86_64")
    monkeypatch.setattr(os, "uname", lambda: said)
    return said


MET = [
    ("6.18.44-generic", ">=6.4"),
    ("6.18.44-generic", ">=6.18"),
    ("6.18.44-generic", ">=6.18.44"),
    ("6.18.44-generic", "==6.18"),
    ("6.18.44-generic", "==6"),
    ("6.18.44-generic", "<=6.18"),
    ("6.18.44-generic", "!=6.1"),
    ("6.18.44-generic", ">6.17"),
    ("6.18.44-generic", "<7"),
    ("6.18.44-generic", " >= 6.4 , < 7 "),
    ("6.1.0-13-amd64", ">=6.1"),
    ("6.1.0-13-amd64", "<6.2"),
    ("6.10.2", ">6.9"),
    ("7.0-rc1", ">=7"),
    ("7.0-rc1", ">=7.0.0"),
    ("7.0.0-rc1", "==7.0.0"),
    ("6.18+", "==6.18"),
]


@pytest.mark.parametrize(("release", "wanted"), MET)
def test_a_kernel_that_meets_the_comparison_lacks_nothing(running: SimpleNamespace, release: str, wanted: str) -> None:
    running.release = release

    assert requirements.kernel(wanted) == ""


@pytest.mark.parametrize(
    ("release", "wanted", "said"),
    [
        ("6.18.44-generic", ">=6.19", "needs kernel >=6.19, this is 6.18.44-generic"),
        ("6.18.44-generic", ">=6.18.45", "needs kernel >=6.18.45, this is 6.18.44-generic"),
        ("6.18.44-generic", ">6.18", "needs kernel >6.18, this is 6.18.44-generic"),
        ("6.18.44-generic", "!=6.18", "needs kernel !=6.18, this is 6.18.44-generic"),
        ("6.18.44-generic", "==6.1", "needs kernel ==6.1, this is 6.18.44-generic"),
        ("6.18.44-generic", ">=6.4,<6.10", "needs kernel <6.10, this is 6.18.44-generic"),
        ("6.9.1", ">=6.10", "needs kernel >=6.10, this is 6.9.1"),
        ("7.0-rc7", ">=7.0.1", "needs kernel >=7.0.1, this is 7.0-rc7"),
        ("6.1-13-amd64", ">=6.1.13", "needs kernel >=6.1.13, this is 6.1-13-amd64"),
    ],
)
def test_a_kernel_that_does_not_is_told_with_what_is_wanted(
    running: SimpleNamespace, release: str, wanted: str, said: str
) -> None:
    running.release = release

    assert requirements.kernel(wanted) == said


@pytest.mark.parametrize(
    ("machines", "said"),
    [
        ((), ""),
        (("x86_64",), ""),
        (("aarch64", "x86_64"), ""),
        (("aarch64",), "needs aarch64, this is x86_64"),
        (("aarch64", "riscv64"), "needs aarch64 or riscv64, this is x86_64"),
    ],
)
@pytest.mark.usefixtures("running")
def test_a_machine_is_one_of_those_that_are_named(machines: tuple[str, ...], said: str) -> None:
    assert requirements.arch(machines) == said


@pytest.mark.kernel
def test_a_type_that_runs_here_is_no_lack() -> None:
    assert requirements.types((("xdp", PROG_TYPES["xdp"].number), ("sched_cls", PROG_TYPES["sched_cls"].number))) == ""


@pytest.mark.kernel
def test_the_first_type_that_does_not_run_is_told_with_the_reason() -> None:
    kprobe = 2  # BPF_PROG_TYPE_KPROBE: no kernel has a test run for it

    said = requirements.types((("xdp", PROG_TYPES["xdp"].number), ("kprobe", kprobe), ("nonsense", 9999)))

    assert said == "needs program type kprobe: this kernel has no test run for this type (ENOTSUPP, 524)"


@pytest.fixture
def features(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Which features the kernel has, for the test to say."""
    there: dict[str, bool] = {}
    monkeypatch.setattr(probes, "has", lambda name: there[name])
    return there


@pytest.mark.usefixtures("running")
def test_features_that_are_there_are_no_lack(features: dict[str, bool]) -> None:
    features |= {"xdp_ctx": True, "live_frames": True}

    assert requirements.features(()) == ""
    assert requirements.features(("xdp_ctx", "live_frames")) == ""


def test_a_feature_that_an_older_kernel_lacks_is_told(running: SimpleNamespace, features: dict[str, bool]) -> None:
    running.release = "5.10.223"
    features |= {"xdp_ctx": True, "live_frames": False, "kfunc:bpf_nothing": False}

    assert requirements.features(("xdp_ctx", "live_frames")) == (
        f"needs live_frames, which this kernel has not: {probes.FEATURES['live_frames'].text}"
    )
    assert requirements.features(("kfunc:bpf_nothing",)) == "needs kfunc:bpf_nothing, which this kernel has not"


@pytest.mark.usefixtures("running")
def test_a_feature_that_this_kernel_ought_to_have_and_lacks_is_no_reason_to_skip(features: dict[str, bool]) -> None:
    features["live_frames"] = False

    with pytest.raises(HostError, match=r"^this kernel lacks live_frames .*, which Linux has had since 5\.18$"):
        requirements.features(("live_frames",))


@pytest.mark.kernel
def test_an_option_of_the_configuration_is_y_or_m() -> None:
    assert requirements.config(()) == ""
    assert requirements.config(("BPF", "CONFIG_BPF_SYSCALL")) == ""
    assert (
        requirements.config(("BPF", "CONFIG_NO_SUCH_THING")) == "needs CONFIG_NO_SUCH_THING, which this kernel has not"
    )


@pytest.mark.usefixtures("running")
def test_a_configuration_that_cannot_be_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "exists", lambda _path: False)
    requirements._config.cache_clear()

    with pytest.raises(HostError) as raised:
        requirements.config(("BPF",))

    assert raised.value.what == (
        "the kernel's configuration cannot be read: neither /proc/config.gz nor /boot/config-6.18.44-generic is there"
    )
    assert raised.value.hint == "without it, leave out requires.config"
