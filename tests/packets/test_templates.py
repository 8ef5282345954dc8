"""Templates make what the builder of the packets makes, or there is none."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bpftest.packets.checksums import checksums
from bpftest.packets.sources import Scope, packet
from bpftest.packets.templates import Slot, Template, chosen, fitted

PORTS = (range(65536),)


def exact(text: str) -> Callable[[tuple[int, ...]], bytes]:
    """What builds *text* with numbers in the places of {}."""
    return lambda numbers: packet(text.format(*numbers), Scope()).data


def found(make: Callable[[tuple[int, ...]], bytes], ranges: tuple[range, ...]) -> Template | None:
    return fitted({numbers: make(numbers) for numbers in chosen(ranges)}, ranges)


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("Ether()/IP()/TCP(dport={})", PORTS),
        ("Ether()/IP()/UDP(sport={0}, dport={0})/b'abc'", PORTS),
        ("Ether()/IPv6()/UDP(dport={})/DNS(id={})", (range(30, 300), range(1000, 1300))),
        ("IP(src='10.0.{}.{}', ttl={})/UDP()", (range(256), range(7, 9), range(20))),
        ("Ether()/IP()/TCP(seq={} * 7 + 1, urgptr=5)", (range(1 << 24),)),
        ("Ether()/Dot1Q(vlan={}, prio={})/IP()", (range(4096), range(8))),
    ],
)
def test_a_template_makes_what_scapy_makes(text: str, ranges: tuple[range, ...]) -> None:
    make, made = exact(text), found(exact(text), ranges)
    assert made is not None
    for step in range(40):  # others than the samples
        numbers = tuple(one[(step * 7919 + 131 * at) % len(one)] for at, one in enumerate(ranges))
        assert made.packet(numbers) in (make(numbers), None), numbers


@pytest.mark.parametrize(
    "text",
    [
        "Ether()/IP()/SCTP(dport={})",  # its checksum is no sum
        "IP(len={})/UDP()",  # Scapy takes it for a length of less than nothing where it is small
        "Ether()/IP()/UDP()/Raw(b'abc'[0:{}])",  # of another length
    ],
)
def test_what_is_not_linear_has_no_template(text: str) -> None:
    assert found(exact(text), PORTS) is None


def test_all_packets_come_in_order_and_a_checksum_of_zero_as_the_builder_writes_it() -> None:
    make, asked = exact("Ether()/IP()/UDP(dport={})"), []

    def counted(numbers: tuple[int, ...]) -> bytes:
        asked.append(numbers)
        return make(numbers)

    made = found(make, PORTS)
    assert made is not None
    packets = list(made.packets(counted))

    assert [int.from_bytes(one[36:38], "big") for one in packets] == list(range(65536))
    assert asked == [(423,)]
    assert packets[423][40:42] == b"\xff\xff"
    assert [one for one in packets if not all(sum_.valid for sum_ in checksums(one))] == []


def test_the_last_number_counts_fastest() -> None:
    slots = (Slot(0, 1, 0, (1, 0), "big"), Slot(2, 2, 5, (0, 256), "little"))
    made = Template(b"\0-\0\0", slots, (range(2), range(3)))
    assert [one.hex(" ") for one in made.packets(lambda _: b"")] == [
        "00 2d 05 00",
        "00 2d 05 01",
        "00 2d 05 02",
        "01 2d 05 00",
        "01 2d 05 01",
        "01 2d 05 02",
    ]


def test_packets_that_are_all_the_same_are_as_many_as_the_numbers() -> None:
    made = found(lambda _: b"abc", (range(3), range(2)))
    assert made is not None
    assert list(made.packets(lambda _: b"")) == [b"abc"] * 6


@pytest.mark.parametrize("special", [0, 77, 256, 4096, 4097, 65535])
def test_one_sample_that_differs_is_enough(special: int) -> None:
    assert found(lambda numbers: bytes(2) if numbers == (special,) else b"\1\1", PORTS) is None


def test_both_ends_small_numbers_and_powers_of_two_are_samples() -> None:
    samples = set(chosen(PORTS))
    assert {(one,) for one in (*range(257), 511, 512, 513, 32767, 32768, 32769, 65534, 65535)} - samples == set()
    assert len(samples) < 400
    assert {(0, 0), (0, 9), (9, 0), (9, 9)} - set(chosen((range(10), range(10)))) == set()
