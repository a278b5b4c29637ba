"""Partition numbers of topics that were recreated."""

from __future__ import annotations

import pytest

from plumbline.contract.generations import Generation, ends_in, in_newest, in_topic, older, placed, spelled


@pytest.mark.parametrize(("partition", "generation", "number"), [(3, 0, 3), (3, 1, 1_000_003), (0, 2, 2_000_000)])
def test_a_number_names_a_partition_of_one_topic(partition: int, generation: int, number: int) -> None:
    assert placed(partition, generation) == number
    assert in_topic(number, generation) == partition
    assert in_topic(number, generation + 1) is None


def test_readers_see_kafkas_own_partition() -> None:
    assert [spelled(number) for number in (3, 1_000_003, 2_000_000)] == [
        "3",
        "3 of the recreated topic (1000003)",
        "0 of the topic recreated 2 times (2000000)",
    ]


def test_an_epoch_ends_where_its_topic_was_read_to_and_keeps_the_ends_of_earlier_ones() -> None:
    generations = [Generation("a"), Generation("b", 8, {"0": 21, "1": 4})]
    assert ends_in([], 3, {"0": 5}) == ((), {"0": 5})
    assert ends_in(generations, 6, {"0": 9}) == (("a",), {"0": 9})
    assert ends_in(generations, 7, {"0": 0, "1": 0}) == (("a",), {"0": 21, "1": 4}), "the log was turned"
    assert ends_in(generations, 8, {}) == (("a", "b"), {"0": 21, "1": 4})
    assert ends_in(generations, 9, {"0": 2}) == (("a", "b"), {"0": 21, "1": 4, "1000000": 2})


def test_two_changes_before_any_epoch() -> None:
    generations = [Generation("a"), Generation("b", 8, {"0": 21}), Generation("c", 8, {"0": 21})]
    assert ends_in(generations, 7, {"0": 0}) == (("a",), {"0": 21})
    assert ends_in(generations, 8, {"0": 1}) == (("a", "b", "c"), {"0": 21, "2000000": 1})


def test_ends_of_the_newest_topic_and_of_those_before() -> None:
    ends = {"0": 21, "1000000": 5, "1000002": 7}
    assert in_newest(ends, 1) == {"0": 5, "2": 7}
    assert older(ends, 1) == {"0": 21}
    assert (in_newest(ends, 2), older(ends, 2)) == ({}, ends)
