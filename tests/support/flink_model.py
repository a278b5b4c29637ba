"""What the tables of examples/flink must hold, by a model of its own.

It takes from the job only what it reports as dropped: whether those were late, and whether the rest was joined as the
contract says, it finds from the events.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tests.support.flink_job import Span
from tests.support.flink_traffic import DELAY_MS, HOUR_MS, Place, Sent, places

if TYPE_CHECKING:
    from plumbline.connect.lake import Lake

OPEN = "window open"


def wrong_rows(lake: Lake, sent: Sequence[Sent], spans: Sequence[Span], *, pads: bool) -> dict[str, Any]:
    """What the tables hold that they must not, or lack: nothing but counts where all is right.

    `pads`: the job writes a late left without a match. Rows of `unsure_names` are counted apart.
    """
    at = places(sent)
    unsure = unsure_names(lake, at, spans)
    reported, lost, behind = _reports(lake), _lost(lake), _behind(at)
    late = [place for place, reason in reported if reason == "late"]
    held, expected = _held(lake), Counter(_joined(at, lost, pads=pads))
    differ = [row for row in (held - expected) + (expected - held) if not row[0].startswith("end")]
    return {
        "events": len(sent),
        "rows": held.total(),
        "behind the newest of their partition": len(behind),
        **Counter(reason for _, reason in reported),
        "reported twice": len(late) - len(set(late)),
        "reported, not late": len(lost - behind),
        "unsure": len(unsure),
        "differ behind a restore": len([row for row in differ if row[0] in unsure]),
        "differ": sorted(row for row in differ if row[0] not in unsure),
    }


def unsure_names(lake: Lake, at: dict[Place, Sent], spans: Sequence[Span]) -> set[str]:
    """The names of records that are not reported though their own partition's newest time had passed them, in a span
    without a watermark: they may have been taken in when their window was gone (FLINK-5601)."""
    suspects = _behind(at) - _lost(lake)
    return {at[place].name for place in suspects if any(place in span for span in spans)}


def late_but_joined(lake: Lake, at: dict[Place, Sent]) -> set[str]:
    """The names of late records that the job joined all the same."""
    return {at[place].name for place in _behind(at) - _lost(lake) if not at[place].name.startswith("end")}


def unproven_names(lake: Lake, at: dict[Place, Sent]) -> set[str]:
    """The names of late lefts that found no match though their window was open: a report that proves nothing."""
    return {at[place].name for place, reason in _reports(lake) if reason == OPEN}


def reported_names(lake: Lake, at: dict[Place, Sent]) -> set[str]:
    """The names of records that the job reports as late."""
    return {at[place].name for place, reason in _reports(lake) if reason == "late"}


def drifted(lake: Lake, at: dict[Place, Sent]) -> set[str]:
    """The names whose rows in the job's table are not those of the join of all events, at the topics' end aside."""
    held, joined = _held(lake), Counter(_joined(at, set(), pads=False))
    return {row[0] for row in (held - joined) + (joined - held) if not row[0].startswith("end")}


def _reports(lake: Lake) -> list[tuple[Place, str]]:
    rows = lake.load("ops.dropped").scan().to_arrow().to_pylist()
    return [((r["topic"], r["partition"], r["offset"]), r["reason"]) for r in rows]


def _lost(lake: Lake) -> set[Place]:
    """What the job says that it joined with nothing: all but what it took in before the first watermark."""
    return {place for place, reason in _reports(lake) if reason in ("late", OPEN)}


def _held(lake: Lake) -> Counter[tuple[Any, ...]]:
    rows = lake.load("ads.takes").scan().to_arrow().to_pylist()
    return Counter((r["imp_id"], r["imp_p"], r["imp_o"], r["play_p"], r["play_o"]) for r in rows)


def _behind(at: dict[Place, Sent]) -> set[Place]:
    """Records that the newest event before them in their own partition left behind: only these can be late."""
    newest: dict[tuple[str, int], int] = {}
    found = set()
    for place, one in sorted(at.items()):
        if one.ms <= newest.get(place[:2], 0) - DELAY_MS:
            found.add(place)
        newest[place[:2]] = max(newest.get(place[:2], 0), one.ms)
    return found


def _joined(at: dict[Place, Sent], lost: set[Place], *, pads: bool) -> Iterator[tuple[Any, ...]]:
    rights: dict[str, list[tuple[Place, Sent]]] = defaultdict(list)
    for place, one in at.items():
        if one.topic == "plays" and place not in lost:
            rights[one.name].append((place, one))
    for place, one in at.items():
        if one.topic == "impressions" and (pads or place not in lost):
            mine = [p for p, right in rights[one.name] if 0 <= right.ms - one.ms <= HOUR_MS and place not in lost]
            for p in mine or [(None, None, None)]:
                yield one.name, place[1], place[2], p[1], p[2]
