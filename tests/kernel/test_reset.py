"""No case sees what the one before it has left, whether maps are reset or loaded again."""

from __future__ import annotations

import random

import pytest

from bpftest.btf import Btf
from bpftest.elf import read_object
from bpftest.kernel.compile import compiled
from bpftest.kernel.door import Loading, Request
from bpftest.kernel.session import Session
from bpftest.maps import plain_values
from tests.kernel.conftest import Open, prog_id

SCHED_CLS = 3  # enum bpf_prog_type
SOURCE = "tests/programs/reset.bpf.c"
RESET = ("GLOBALS", "ARRAY", "PERCPU_ARRAY", "HASH", "PERCPU_HASH", "LPM_TRIE")
LOADED_AGAIN = ("LRU_HASH", "QUEUE", "LOCKED", "LARGE")
FRAME = Request(bytes(64))

pytestmark = pytest.mark.kernel


def loading(kind: str) -> Loading:
    path = compiled(SOURCE, (f"-D{kind}",))
    return Loading(path, "leaves", SCHED_CLS, plain=plain_values(Btf(read_object(path).btf)))


def returned(session: Session) -> int:
    reply = session.run(FRAME)
    assert reply.errno == 0
    return reply.retval


@pytest.fixture
def sessions(opened: Open) -> dict[str, Session]:
    wanted = {kind: loading(kind) for kind in (*RESET, *LOADED_AGAIN)}
    return {kind: opened(one.path, one.program, one.prog_type, plain=one.plain) for kind, one in wanted.items()}


def test_no_run_sees_what_another_has_left_in_any_order(sessions: dict[str, Session]) -> None:
    order = [kind for kind in sessions for _ in range(3)]
    seen = []
    for seed in range(20):
        random.Random(seed).shuffle(order)  # noqa: S311 - an order, no secret
        seen += [(seed, kind) for kind in order if returned(sessions[kind])]

    assert seen == []


@pytest.mark.parametrize("kind", RESET)
def test_what_holds_nothing_but_bytes_is_not_loaded_again(sessions: dict[str, Session], kind: str) -> None:
    before = prog_id(sessions[kind])
    returned(sessions[kind])
    returned(sessions[kind])

    assert prog_id(sessions[kind]) == before


@pytest.mark.parametrize("kind", LOADED_AGAIN)
def test_what_remembers_more_is_loaded_again(sessions: dict[str, Session], kind: str) -> None:
    before = prog_id(sessions[kind])
    returned(sessions[kind])
    returned(sessions[kind])

    assert prog_id(sessions[kind]) != before


def test_repeated_runs_do_see_each_other_so_that_the_others_prove_something(opened: Open) -> None:
    one = loading("HASH")
    session = opened(one.path, one.program, one.prog_type, plain=True)

    assert session.run(FRAME._replace(repeat=2)).retval == 1
