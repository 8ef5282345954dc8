from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpftest.errors import UsageError
from bpftest.suite.shards import SHARDS_MAX, Shard, shard, slices


def test_a_shard_is_one_of_several() -> None:
    assert [shard(text) for text in ("1/1", "2/3", f"{SHARDS_MAX}/{SHARDS_MAX}")] == [
        Shard(1, 1),
        Shard(2, 3),
        Shard(SHARDS_MAX, SHARDS_MAX),
    ]
    assert str(shard("02/3")) == "2/3"


@pytest.mark.parametrize(
    "text", ["0/3", "4/3", "x", "", "/", "1/", "/3", "1/0", "-1/3", "1/2/3", "1.0/3", "٣/3", "1/10001"]
)
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no part of a whole"):
        shard(text)


@given(st.lists(st.integers(0, 20), max_size=8), st.integers(1, 12))
def test_all_shards_together_hold_each_case_once_and_are_of_one_size(counts: list[int], of: int) -> None:
    shards = [list(slices(counts, Shard(number, of), sum(counts))) for number in range(1, of + 1)]

    for suite, count in enumerate(counts):
        assert [case for parts in shards for case in range(*parts[suite])] == list(range(count))
    sizes = [sum(stop - start for start, stop in parts) for parts in shards]
    assert max(sizes) - min(sizes) <= 1


def test_a_suite_is_cut_only_where_a_shard_ends() -> None:
    assert [list(slices([4, 2, 3], Shard(number, 3), 9)) for number in (1, 2, 3)] == [
        [(0, 3), (0, 0), (0, 0)],
        [(3, 4), (0, 2), (0, 0)],
        [(4, 4), (2, 2), (0, 3)],
    ]
