"""Which door each offset is read through, and the proof that the pieces hold each exactly once."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.replay.pieces import Held, Piece, Run, as_the_topic_shows, tiled, uncovered

ARCHIVED = (10, 50)


def doors(pieces: list[Piece]) -> list[tuple[str, int, int]]:
    return [(piece.door, piece.start, piece.end) for piece in pieces]


@pytest.mark.parametrize(
    ("door", "held", "expected"),
    [
        pytest.param("auto", Held(ARCHIVED, (), (0, 60)), [("iceberg", 20, 40)], id="the archive has all"),
        pytest.param("kafka", Held(ARCHIVED, (), (0, 60)), [("kafka", 20, 40)], id="Kafka as asked"),
        pytest.param("iceberg", Held(ARCHIVED, (), None), [("iceberg", 20, 40)], id="the archive as asked"),
        pytest.param(
            "auto", Held((10, 30), (), (0, 60)), [("iceberg", 20, 30), ("kafka", 30, 40)], id="a seam above the archive"
        ),
        pytest.param(
            "auto", Held((30, 50), (), (5, 60)), [("kafka", 20, 30), ("iceberg", 30, 40)], id="a seam below the archive"
        ),
        pytest.param(
            "auto",
            Held(ARCHIVED, (Run(25, 27),), (0, 60)),
            [("iceberg", 20, 25), ("kafka", 25, 27), ("iceberg", 27, 40)],
            id="a hole filled from the topic",
        ),
        pytest.param(
            "auto",
            Held(ARCHIVED, (Run(25, 27),), (26, 60)),
            [("iceberg", 20, 25), ("gone", 25, 26), ("kafka", 26, 27), ("iceberg", 27, 40)],
            id="a hole that the topic no longer has whole",
        ),
        pytest.param(
            "auto",
            Held(ARCHIVED, (Run(25, 26, 2),), (30, 60)),
            [("iceberg", 20, 25), ("doubled", 25, 26), ("iceberg", 26, 40)],
            id="a double that the topic cannot settle",
        ),
        pytest.param("kafka", Held(ARCHIVED, (), (30, 60)), [("gone", 20, 30), ("kafka", 30, 40)], id="retention"),
        pytest.param("kafka", Held(None, (), (0, 30)), [("kafka", 20, 30), ("gone", 30, 40)], id="a shorter topic"),
        pytest.param("kafka", Held(None, (), (50, 60)), [("gone", 20, 40)], id="all gone"),
        pytest.param("iceberg", Held(None, (), None), [("gone", 20, 40)], id="nothing archived"),
    ],
)
def test_the_door_of_each_offset(door: str, held: Held, expected: list[tuple[str, int, int]]) -> None:
    assert doors(tiled(3, 20, 40, held, door)) == expected


EDGE = st.integers(0, 30)


@given(
    door=st.sampled_from(["auto", "kafka", "iceberg"]),
    span=st.tuples(EDGE, EDGE),
    archived=st.none() | st.tuples(EDGE, EDGE).map(sorted),
    runs=st.lists(st.tuples(EDGE, st.integers(1, 3), st.sampled_from([0, 2])), max_size=3),
    topic=st.none() | st.tuples(EDGE, EDGE).map(sorted),
)
def test_each_offset_lies_in_exactly_one_piece_and_no_two_neighbours_are_alike(
    door: str, span: tuple[int, int], archived: list[int] | None, runs: list[tuple[int, int, int]], topic: list[int]
) -> None:
    start, end = min(span), max(span)
    faults = tuple(Run(a, a + length, copies) for a, length, copies in runs)
    held = Held((archived[0], archived[1]) if archived else None, faults, (topic[0], topic[1]) if topic else None)
    pieces = tiled(0, start, end, held, door)
    assert uncovered(pieces, 0, start, end) == []
    assert all(a.door != b.door for a, b in pairwise(pieces))
    for piece in pieces:
        if piece.door == "kafka":
            assert topic
            assert topic[0] <= piece.start < piece.end <= topic[1]


@pytest.mark.parametrize(
    ("pieces", "wrong"),
    [
        pytest.param([(0, 4), (4, 9)], [], id="whole"),
        pytest.param([(0, 4), (5, 9)], [(4, 5)], id="a gap"),
        pytest.param([(0, 5), (4, 9)], [(4, 5)], id="an overlap"),
        pytest.param([(0, 4)], [(4, 9)], id="too short"),
        pytest.param([(0, 9), (9, 12)], [(9, 12)], id="too long"),
        pytest.param([], [(0, 9)], id="nothing"),
    ],
)
def test_what_is_not_covered_once_is_named(pieces: list[tuple[int, int]], wrong: list[tuple[int, int]]) -> None:
    assert uncovered([Piece("kafka", 0, a, b) for a, b in pieces], 0, 0, 9) == wrong


@pytest.mark.parametrize(
    ("offsets", "found"),
    [
        pytest.param([3, 4, 5], [("kafka", 3, 6)], id="all are there"),
        pytest.param([], [("gone", 3, 6)], id="none is"),
        pytest.param([4], [("gone", 3, 4), ("kafka", 4, 5), ("gone", 5, 6)], id="one in the middle"),
    ],
)
def test_a_compacted_topic_shows_what_is_gone(offsets: list[int], found: list[tuple[str, int, int]]) -> None:
    assert doors(as_the_topic_shows(Piece("kafka", 0, 3, 6), offsets)) == found
