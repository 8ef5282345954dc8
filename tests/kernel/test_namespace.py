from __future__ import annotations

import errno
import os
import socket

import pytest

from bpftest.errors import HostError
from bpftest.kernel import libbpf, namespace, privileges
from tests.kernel.children import in_child

pytestmark = [pytest.mark.kernel, pytest.mark.alone]


def own_namespace() -> str:
    return os.readlink("/proc/self/ns/net")


def test_the_namespace_is_a_new_one_and_holds_nothing_but_lo() -> None:
    def entered() -> tuple[str, list[tuple[int, str]]]:
        namespace.enter()
        return own_namespace(), socket.if_nameindex()

    entered_namespace, interfaces = in_child(entered)

    assert entered_namespace != own_namespace()
    assert interfaces == [(1, "lo")]


def test_it_is_entered_once() -> None:
    def twice() -> list[str]:
        found = []
        for _ in range(2):
            namespace.enter()
            found.append(own_namespace())
        return found

    first, second = in_child(twice)

    assert first == second


def test_a_process_gets_one_of_its_own_and_its_children_share_it() -> None:
    def with_a_child() -> tuple[str, str]:
        namespace.enter()
        return own_namespace(), in_child(lambda: (namespace.enter(), own_namespace())[1])

    one, another = in_child(with_a_child), in_child(with_a_child)

    assert one[0] == one[1]
    assert one != another


def test_without_the_privilege_it_says_which() -> None:
    def refused() -> tuple[str, str, tuple[str, ...]]:
        os.setuid(65534)
        try:
            namespace.enter()
        except HostError as error:
            return error.what, error.hint, privileges.missing()
        return "entered", "", ()

    assert in_child(refused) == (
        "a network namespace needs CAP_SYS_ADMIN",
        "run bpftest as root",
        ("CAP_SYS_ADMIN", "CAP_NET_ADMIN"),
    )


def test_a_kernel_without_namespaces_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespace, "CLONE_NEWNET", 1 << 31)  # no flag of unshare(2)
    monkeypatch.setattr(namespace, "_own", None)

    with pytest.raises(HostError) as raised:
        namespace.enter()

    assert raised.value.what == "this kernel gives no network namespace: Invalid argument"


def test_root_lacks_no_privilege() -> None:
    assert privileges.missing() == ()
    assert libbpf.unshare(1 << 31) == errno.EINVAL
