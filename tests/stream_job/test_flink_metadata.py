"""Flink's `_metadata` read without a cluster: files that a real job wrote, and what is not whole or not known."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from plumbline.contract.errors import IncompleteError, PlumblineError, SetupError
from plumbline.stream_job.observe.flink_metadata import read_metadata
from tests.support.written_metadata import metadata, operator, reader_state, split, subtask, text

RECORDED = Path(__file__).parent / "flink-2.1.3.metadata"


def two_sources(version: int = 6) -> bytes:
    left = subtask(0, reader_state(split("shows", 0, 12))) + subtask(1, reader_state(split("shows", 1, -2)))
    source = operator("shows", left, version=version)
    source = source.replace(struct.pack(">qqii", 1, 2, 1, 128), struct.pack(">qqii", 1, 2, 2, 128))
    source = source.replace(struct.pack(">bi", 0, 1) + left, struct.pack(">bi", 0, 2) + left)
    right = operator("plays", subtask(0, reader_state(split("plays", 0, 5), split("plays", 1, 6))), version=version)
    return metadata(source, right, version=version)


def test_a_file_that_flink_wrote() -> None:
    """Checkpoint 6 of `make test-flink` with 9,000 events: two thirds of them were read."""
    data = RECORDED.read_bytes()
    found = read_metadata(data, "chk-6")
    assert found.checkpoint_id == 6
    assert found.ends == {
        ("impressions", 0): 1739,
        ("impressions", 1): 1737,
        ("plays", 0): 1275,
        ("plays", 1): 1257,
    }
    assert found.twice == ()
    assert {"Source: impressions[1]", "Source: plays[4]", "IntervalJoin[7]"} <= set(found.operators)
    for length in range(0, data.rindex(b"\xac\xed"), 97):
        with pytest.raises(PlumblineError):
            read_metadata(data[:length], "chk-6")


@pytest.mark.parametrize("version", [3, 4, 5, 6])
def test_each_split_has_the_offset_where_it_stood(version: int) -> None:
    found = read_metadata(two_sources(version), "chk-7")
    assert found.checkpoint_id == 7
    assert found.ends == {("shows", 0): 12, ("shows", 1): -2, ("plays", 0): 5, ("plays", 1): 6}
    assert found.operators == (("shows", "plays") if version >= 5 else ())


def test_a_partition_that_two_sources_hold_is_told() -> None:
    source = operator("a", subtask(0, reader_state(split("shows", 0, 12))))
    assert read_metadata(metadata(source, source), "chk-7").twice == (("shows", 0),)


def test_keyed_state_is_stepped_over() -> None:
    stream = struct.pack(">bq", 6 - 4, 99) + text("file")
    heap = struct.pack(">biiqq", 12, 0, 2, 1, 2) + stream + text("id") + b"\0"
    rocks = struct.pack(">bq", 11, 3) + text("backend") + struct.pack(">iiq", 0, 2, 9) + stream
    rocks += struct.pack(">i", 1) + text("000001.sst") + stream + struct.pack(">i", 0) + text("id") + b"\0"
    join = [operator("join", subtask(0, b"", keyed)) for keyed in (heap, rocks)]
    source = operator("shows", subtask(0, reader_state(split("shows", 0, 12))))
    assert read_metadata(metadata(*join, source), "chk-7").ends == {("shows", 0): 12}


def test_offsets_in_a_file_of_their_own_are_read_there() -> None:
    data = metadata(operator("shows", subtask(0, reader_state(split("shows", 0, 12), file="file:/ck/chk-7/a1"))))
    with pytest.raises(IncompleteError, match="a file of their own, file:/ck/chk-7/a1"):
        read_metadata(data, "chk-7")
    assert read_metadata(data, "chk-7", {"file:/ck/chk-7/a1": split("shows", 0, 12)}.__getitem__).ends["shows", 0] == 12


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"PK\x03\x04" + bytes(20), "not the _metadata of a Flink checkpoint"),
        (metadata(version=7), "format 7, known are 3 to 6"),
        (metadata(operator("a", subtask(0, b"", channels=1))), "the checkpoint is unaligned"),
        (metadata(operator("a", subtask(0, b"", b"\x0e\0"))), "keyed state of kind 14"),
        (metadata(operator("a", subtask(0, reader_state(split("shows", 0, 1, version=3))))), "a source's split has"),
        (
            metadata(operator("a", subtask(0, reader_state(split("shows", 0, 1, stop=9))))),
            "source of shows is bounded",
        ),
    ],
)
def test_what_is_not_known_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(SetupError, match=says) as raised:
        read_metadata(data, "chk-7")
    assert raised.value.next_step


def test_a_file_that_is_cut_off_anywhere_is_refused() -> None:
    whole = two_sources()
    for length in range(len(whole) - 3):
        with pytest.raises(PlumblineError):
            read_metadata(whole[:length], "chk-7")


def test_a_damaged_file_is_refused_or_read_never_a_crash() -> None:
    draw, whole = random.Random(7), two_sources()
    for _ in range(2000):
        data = bytearray(whole)
        data[draw.randrange(len(data))] = draw.randrange(256)
        try:
            read_metadata(bytes(data), "chk-7")
        except PlumblineError:
            continue
