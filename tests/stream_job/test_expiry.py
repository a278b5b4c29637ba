"""Which snapshots may go: a table of cases over plain snapshots."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pytest

from plumbline.stream_job.expiry import UNKNOWN_WRITER_MS, Expiry, Version, plan

DAY = 86_400_000
NOW = 100 * DAY


def chain(*queries: str | None, first: int = 1, at: int = DAY) -> list[Version]:
    """Snapshots in a row, a second apart, made by these queries."""
    return [Version(first + n, first + n - 1 if n else None, at + n * 1000, query) for n, query in enumerate(queries)]


def planned(
    versions: list[Version],
    *,
    live: Collection[str] = ("q",),
    pinned: Collection[int] = (),
    refs: Mapping[str, tuple[int, bool]] = {},
    older_than: int = NOW,
    head: int | None = None,
) -> Expiry:
    head = versions[-1].snapshot_id if head is None else head
    return plan(versions, head, refs, live=live, pinned=pinned, older_than_ms=older_than, now_ms=NOW)


def test_the_newest_snapshot_of_the_stream_stays_with_all_up_to_the_head() -> None:
    versions = chain("q", "q", "q", None, None)
    assert planned(versions).expire == (1, 2)


def test_each_living_query_keeps_its_own() -> None:
    versions = chain("a", "b", "b", None)
    assert planned(versions, live=("a", "b")).expire == ()
    assert planned(versions, live=("b",)).expire == (1, 2)


def test_a_query_that_is_over_keeps_nothing_after_a_month() -> None:
    versions = [*chain("old", "old"), Version(3, 2, NOW - DAY, "q"), Version(4, 3, NOW - DAY, None)]
    assert planned(versions).expire == (1, 2)
    recent = [Version(1, None, NOW - UNKNOWN_WRITER_MS + 1, "old"), Version(2, 1, NOW - DAY, "q")]
    assert planned(recent).expire == ()


def test_without_a_checkpoint_at_home_every_query_counts_as_alive() -> None:
    assert planned(chain("a", "b", None), live=()).expire == ()


def test_a_table_that_no_stream_writes_keeps_its_head() -> None:
    assert planned(chain(None, None, None), live=()).expire == (1, 2)


def test_the_young_stay() -> None:
    versions = chain("q", "q", "q", "q")
    assert planned(versions, older_than=versions[1].at_ms).expire == (1,)
    assert planned(versions, older_than=0).expire == ()


def test_pins_tags_and_whole_branches_stay() -> None:
    versions = [*chain("q", "q", "q", "q", "q"), *chain(None, None, first=10)]
    found = planned(versions, head=5, pinned=(1,), refs={"before": (3, False), "audit": (11, True)})
    assert found.expire == (2, 4)
    assert found.kept == {"young": 1, "a recorded run": 1, "tag or branch": 3}


@pytest.mark.parametrize("skew", [-60_000, 60_000])
def test_the_chain_is_by_parents_not_by_clocks(skew: int) -> None:
    versions = chain("q", "q", None, None)
    moved = [v if v.snapshot_id != 3 else Version(3, 2, v.at_ms + skew, None) for v in versions]
    assert planned(moved).expire == (1,)


def test_an_empty_table() -> None:
    assert plan([], None, {}, live=(), pinned=(), older_than_ms=NOW, now_ms=NOW) == Expiry((), {})
