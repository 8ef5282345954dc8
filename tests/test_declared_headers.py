"""Headers that a suite declares, from the packet that goes in to what a report says of the one that comes back."""

from __future__ import annotations

from bpftest.events import CaseFinished
from bpftest.plan import plan
from bpftest.suite.document import document
from bpftest.suite.parse import suite
from tests.test_runner import OBJECT, PATH, FakeKernel, run

SUITE = """
version: 1
object: fw.bpf.o
program: main
headers:
  Probe: [{name: magic, type: u16, default: 0xbeef}, {name: seq, type: u32}]
packets:
  probe: Ether()/IP()/UDP(dport=9)/Probe(seq=7)/"hello"
cases:
  - {name: fields, packet: probe, expect: {output: {fields: {Probe.seq: 7}}}}
  - {name: other fields, packet: probe, expect: {output: {fields: {Probe.seq: 8}}}}
  - {name: unchanged, packet: probe, expect: {output: {unchanged: true}}}
  - {name: ignored, packet: probe, expect: {output: {scapy: probe, ignore: [Probe.seq]}}}
  - {name: another, packet: {zeros: 53}, expect: {output: probe}}
  - {name: in hex, packet: {zeros: 53}, expect: {output: {fields: {Probe.seq: 7}}}}
  - name: steps
    steps:
      - {name: first, packet: probe, expect: {retval: XDP_PASS}}
      - {packet: {from: first}, expect: {output: {fields: {Probe.seq: 8}}}}
"""


def test_a_declared_header_is_read_where_the_packet_that_goes_in_or_the_expected_one_has_it() -> None:
    events = run(FakeKernel(), plan(suite(document(PATH, SUITE)), {(OBJECT.path, ()): OBJECT}))

    said = {
        case.name: [
            (one.what, one.expected, one.actual)
            for finding in case.findings
            for one in finding.mismatches
            if one.what.startswith(("Probe", "layers"))
        ]
        for case in events
        if isinstance(case, CaseFinished)
    }
    assert said == {
        "fields": [],
        "other fields": [("Probe.seq", "8", "7")],
        "unchanged": [],
        "ignored": [],
        "another": [("layers", "Ether / IP / UDP / Probe / Raw", "Dot3 / Padding")],
        "in hex": [("Probe.seq", "7", "no Probe header: Dot3 / Padding")],
        "steps": [("Probe.seq", "8", "7")],
    }
