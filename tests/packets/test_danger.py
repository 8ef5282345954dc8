"""Scapy left alone asks the machine, the network and the clock; bpftest's packets must not."""

from __future__ import annotations

import pytest

from bpftest.errors import SuiteError
from bpftest.packets import layers
from bpftest.packets.expression import built
from bpftest.packets.sealed import sealed
from bpftest.packets.shapes import NUMBERS, PORTS, VOLATILE, shape, unwrapped
from bpftest.packets.sources import Scope
from tests.packets.corpus import TEXTS
from tests.packets.processes import audited
from tests.packets.test_corpus import DEFAULTS

NAMES = ['"example.com"', '"fe80::1%lo"', '"10.0.0.0/8"', '"10.0.0.1-9"', '["example.com"]', '[("example.com", "x")]']


def bytes_of(text: str) -> bytes:
    return built(text, Scope())[0]


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        (
            'IP(dst="example.com")',
            "IP.dst takes an IPv4 address, not 'example.com'",
            'write an address, such as "10.0.0.1"',
        ),
        ('IP(dst="10.0.0.0/8")', "IP.dst takes an IPv4 address, not '10.0.0.0/8'", "rows of a table"),
        (
            'IP(dst=["10.0.0.1", "10.0.0.2"])',
            "IP.dst takes an IPv4 address, not ['10.0.0.1', '10.0.0.2']",
            "rows of a table",
        ),
        (
            'IP(dst=("10.0.0.1", "10.0.0.9"))',
            "IP.dst takes an IPv4 address, not ('10.0.0.1', '10.0.0.9')",
            "rows of a table",
        ),
        ('IPv6(dst="fe80::1%eth0")', "IPv6.dst takes an IPv6 address, not 'fe80::1%eth0'", "write an address"),
        ('ARP(pdst="10.0.0.0/24")', "ARP.pdst takes an IPv4 address, not '10.0.0.0/24'", "rows of a table"),
        ('Ether(dst="router")', "Ether.dst takes a MAC address, not 'router'", "write an address"),
        ("TCP(dport=(1, 65535))", "TCP.dport takes one number, not (1, 65535)", "rows of a table"),
        ("TCP(dport=[80, 443])", "TCP.dport takes one number, not [80, 443]", "rows of a table"),
        (
            'TCP(dport="gopher")',
            "TCP.dport has no value called 'gopher'",
            "write the number, or a name such as ftp, ssh",
        ),
        ('IP(proto="ospf")', "IP.proto has no value called 'ospf'", "write the number, or a name such as icmp, igmp"),
        ("ICMP(type=13)", "ICMP.ts_ori is random or the time of day unless it is given", "write ts_ori=.."),
        (
            "ICMPv6NIQueryName()",
            "ICMPv6NIQueryName.nonce is random or the time of day unless it is given",
            "write nonce=..",
        ),
        ('Raw("\u00e9")', "text that is not ASCII has no bytes of its own", r'write b"\xc3\xa9"'),
        ('IP(_pkt=b"x")', "IP has no field _pkt", "its fields: version, ihl"),
        ("IP(_underlayer=IP())", "IP has no field _underlayer", "its fields: version, ihl"),
        ('Raw("A" * 10000000000)', "this would be 10000000000 bytes or items long, 73152 are allowed", ""),
        ("Net('10.0.0.0/8')", "there is no layer Net", "several addresses are rows of a table"),
        ("IP(id=RandShort())", "there is no layer RandShort", "a test needs the same packet every time"),
        ("fuzz(IP())", "there is no layer fuzz", "a test needs the same packet every time"),
        ("NTP()", "there is no layer NTP", "its default is the time of day"),
    ],
)
def test_what_would_ask_or_guess_is_refused(text: str, what: str, hint: str) -> None:
    with pytest.raises(SuiteError) as refused:
        bytes_of(text)

    assert refused.value.what == what
    assert hint in refused.value.hint


def test_building_opens_nothing_and_connects_nowhere() -> None:
    said = audited([*TEXTS, *DEFAULTS])

    assert said["events"] == []
    assert said["stderr"] == ""
    assert said["scapy"] is True


def test_no_field_of_any_layer_looks_a_name_up() -> None:
    texts = [
        f"{name}({field}={value})"
        for name in layers.LAYERS
        for field in shape(layers.layer(name)).accepts
        if field.isidentifier()
        for value in NAMES
    ]

    assert len(texts) > 10_000
    assert audited(texts)["events"] == []


def test_the_bytes_are_the_same_whatever_was_imported_before() -> None:
    texts = [*TEXTS, *DEFAULTS]
    modules = [module for module in layers.MODULES if module != "scapy.packet"]
    some = [*texts[::40], "Ether()/IP()/UDP(dport=5353)", "IP()/IGMP()"]
    alone = [audited([text])["made"][0] for text in some]
    first = audited(texts)["made"]

    assert all(bytes.fromhex(one) for one in first)
    assert alone == [first[texts.index(text)] for text in some]
    assert audited(texts[::-1])["made"] == first[::-1]
    assert audited(texts, before=modules[::-1])["made"] == first
    assert audited(texts, before=["scapy.all", "scapy.layers.hsrp", "scapy.contrib.ospf"])["made"] == first


def test_the_bytes_are_the_same_at_another_time_and_with_other_random_numbers() -> None:
    defaults = [f"{name}()" for name in layers.LAYERS]
    answers = [audited(defaults, seed=seed, shift=shift)["made"] for seed, shift in [(1, 0.0), (2, 86_399.5)]]

    assert answers[0] == answers[1]


def test_layers_of_the_core_are_built_the_same_without_the_others() -> None:
    core = [name for name, module in layers.LAYERS.items() if module in ("scapy.packet", *layers.CORE)]
    texts = [
        f"{lower}()/{upper}()" for lower in core for upper in core if lower in ("Ether", "IP", "IPv6", "UDP", "GRE")
    ]

    assert audited(texts)["made"] == audited(texts, before=["scapy.all"])["made"]


def volatile_defaults() -> dict[str, tuple[str, ...]]:
    return {name: shape(layers.layer(name)).volatile for name in layers.LAYERS if shape(layers.layer(name)).volatile}


def test_every_default_that_moves_is_known() -> None:
    from scapy.fields import MultipleTypeField
    from scapy.volatile import VolatileValue

    moving = {}
    for name in layers.LAYERS:
        for field in layers.layer(name).fields_desc:
            inner = unwrapped(field)
            choices = [inner.dflt, *(one for one, _ in inner.flds)] if isinstance(inner, MultipleTypeField) else [inner]
            if any(isinstance(one.default, VolatileValue) for one in choices):
                moving.setdefault(name, []).append(field.name)

    known = volatile_defaults()
    assert set(VOLATILE) <= set(known)
    assert {name: tuple(fields) for name, fields in moving.items()} == {
        name: fields for name, fields in known.items() if name not in VOLATILE and name != "GTPErrorIndication"
    }


def test_names_out_of_the_machine_s_files_are_never_used() -> None:
    from scapy import data

    files = [data.IP_PROTOS, data.TCP_SERVICES, data.UDP_SERVICES, data.SCTP_SERVICES, data.ETHER_TYPES]
    tables = [{(key, table[key]) for key in list(table.keys())} for table in files]
    found = set()
    for name in layers.LAYERS:
        for field in layers.layer(name).fields_desc:
            names = set((getattr(unwrapped(field), "i2s", None) or {}).items())
            if any(len(names & table) > 2 for table in tables):
                found.add(f"{name}.{field.name}")

    assert found <= set(NUMBERS)
    assert found >= {name for name in NUMBERS if NUMBERS[name] is not PORTS}


def test_scapy_is_as_it_was_after_a_packet() -> None:
    from scapy.base_classes import Net
    from scapy.config import conf
    from scapy.layers.inet import UDP, DestIPField

    def state() -> list[object]:
        return [conf.route, conf.route6, conf.neighbor, Net.name2addr, DestIPField.bindings, UDP.payload_guess]

    before = state()
    bytes_of("Ether()/IP()/UDP()")
    with pytest.raises(ZeroDivisionError), sealed():
        raise ZeroDivisionError
    with sealed(), pytest.raises(ValueError, match=r"'example.com' is not an address"):
        Net("example.com/8")

    assert state() == before
