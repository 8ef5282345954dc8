"""`bpftest doctor`: what this machine has, and what to do about what is missing."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from bpftest import __version__
from bpftest.errors import BpftestError, HostError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterator

OK, MISSING, OPTIONAL = "ok", "MISSING", "optional"


def arguments(_parser: ArgumentParser) -> None:
    """None."""


def run(_options: Namespace) -> int:
    """Prints a line for each thing that a run needs or can use. Exit code 4 if a run is not possible here."""
    system = os.uname()
    print(
        f"bpftest {__version__}, Python {sys.version.split()[0]}, {system.sysname} {system.release} {system.machine}\n"
    )
    able = True
    for check in CHECKS:
        for state, name, text in _tried(check):
            print(f"  {state:<9} {name:<16} {text}")
            able = able and state != MISSING
    print(
        "\nThis machine can run BPF tests."
        if able
        else "\nThis machine cannot run BPF tests as it is; see MISSING above."
    )
    return 0 if able else HostError.exit_code


Row = tuple[str, str, str]  # state, name, text


def _tried(check: Callable[[], Iterator[Row]]) -> list[Row]:
    try:
        return list(check())
    except BpftestError as error:
        return [(MISSING, check.__name__.strip("_"), f"{error.what}; {error.hint}")]


def _privileges() -> Iterator[Row]:
    from bpftest.kernel import privileges

    missing = privileges.missing()
    if missing:
        yield MISSING, "privileges", f"{' and '.join(missing)}; run bpftest with sudo"
    else:
        yield OK, "privileges", "root, or the capabilities that a run needs"
    for name in privileges.missing_for_some_cases():
        yield OPTIONAL, name, privileges.OF_SOME_CASES[name].for_what


def _libbpf() -> Iterator[Row]:
    from bpftest.kernel import libbpf

    yield OK, "libbpf", libbpf.version()


def _clang() -> Iterator[Row]:
    from bpftest.kernel.compile import clang_path

    try:
        yield OK, "clang", clang_path()
    except HostError as error:
        yield OPTIONAL, "clang", f"{error.what}; {error.hint}"


def _bpftool() -> Iterator[Row]:
    from bpftest.kernel.compile import bpftool_path

    path = bpftool_path()
    if path:
        yield OK, "bpftool", path
    else:
        yield OPTIONAL, "bpftool", "it makes vmlinux.h for `source:`; apt-get install bpftool"


def _headers() -> Iterator[Row]:
    for folder in ("/usr/include", "/usr/local/include"):
        if os.path.exists(f"{folder}/bpf/bpf_helpers.h"):
            yield OK, "bpf headers", f"{folder}/bpf"
            return
    yield OPTIONAL, "bpf headers", "bpf/bpf_helpers.h for `source:`; apt-get install libbpf-dev"


def _btf() -> Iterator[Row]:
    from bpftest.kernel.compile import BTF

    if os.path.exists(BTF):
        yield OK, "BTF", BTF
    else:
        yield (
            OPTIONAL,
            "BTF",
            f"no {BTF}: CO-RE objects do not load, and there is no vmlinux.h; CONFIG_DEBUG_INFO_BTF=y",
        )


def _jit() -> Iterator[Row]:
    try:
        with open("/proc/sys/net/core/bpf_jit_enable", encoding="ascii") as setting:
            on = setting.read().strip() != "0"
    except OSError:
        return
    if on:
        yield OK, "JIT", "on"
    else:
        yield OPTIONAL, "JIT", "off: programs are interpreted; sysctl net.core.bpf_jit_enable=1"


def _namespace() -> Iterator[Row]:
    from bpftest.kernel import namespace, privileges

    if not privileges.missing():
        namespace.enter()
        yield OK, "namespace", "a network namespace of bpftest's own"


def _types() -> Iterator[Row]:
    from bpftest.kernel import privileges, probes
    from bpftest.progtypes import PROG_TYPES

    if privileges.missing():
        return
    for prog_type in PROG_TYPES.values():
        lack = probes.type_lack(prog_type.number)
        if lack:
            yield OPTIONAL, prog_type.name, f"{lack}; its cases are skipped"
        else:
            yield OK, prog_type.name, "runs"


def _features() -> Iterator[Row]:
    from bpftest.kernel import privileges, probes

    if privileges.missing():
        return
    for name, feature in probes.FEATURES.items():
        if probes.has(name):
            yield OK, name, feature.text
        else:
            yield OPTIONAL, name, f"not in this kernel, Linux has it since {feature.since}: {feature.text}"


CHECKS = (_privileges, _libbpf, _clang, _bpftool, _headers, _btf, _jit, _namespace, _types, _features)
