"""Delivering the flights: part by part, each once the stream has caught up, as events reach a live stream."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from plumbline.contract.durations import milliseconds
from plumbline.contract.errors import IncompleteError
from plumbline.contract.model import Contract
from plumbline.contract.ranges import micros
from plumbline.stream_job.ledger import Epoch, Ledger

if TYPE_CHECKING:
    import pyarrow as pa

    from plumbline.demo.flights.loader import Flights

PATIENCE_SECONDS = 300
LOOK_EVERY_SECONDS = 0.05
GATHER_MS = 1_000
"""A part leaves the producer at once, so that the stream takes it in one epoch rather than in two."""


@dataclass(frozen=True)
class Follower:
    """A stream that the delivery waits for: for so many parts, after which `enough` is set."""

    ledger: Ledger
    enough: threading.Event
    parts: float = inf


def deliver(
    flights: Flights,
    contract: Contract,
    kafka: Mapping[str, str],
    followers: Sequence[Follower],
    ended: threading.Event,
    on_progress: Callable[[int], None],
) -> int:
    """Produce the flights in parts of ten days and wait after each until the ledgers show that the streams caught up.

    The streams have the contract's topics and watermarks; one that has seen its parts is told so. Returns how many
    events went out. Stops early when `ended` is set (a stream failed). Raises IncompleteError when a stream does not
    catch up within PATIENCE_SECONDS.
    """
    from plumbline.connect.kafka import end_offsets, produce
    from plumbline.demo.flights.loader import in_order_of_time, parts

    sent, newest = 0, (0, 0)
    for number, part in enumerate(parts(flights), 1):
        if ended.is_set():
            break
        sent += produce(kafka, in_order_of_time(part), linger_ms=GATHER_MS)
        newest = (max(newest[0], _newest_ms(part.departures)), max(newest[1], _newest_ms(part.arrivals)))
        ends = (end_offsets(kafka, contract.left.topic), end_offsets(kafka, contract.right.topic))
        for follower in followers:
            if number <= follower.parts:
                _wait_until_caught_up(follower.ledger, ends, watermark_after(contract, newest), ended)
            if number == follower.parts:
                follower.enough.set()
        on_progress(sent)
    return sent


def watermark_after(contract: Contract, newest_ms: tuple[int, int]) -> int:
    """The watermark (ms) of a stream that has seen these newest event times (ms) of left and right."""
    delays = (milliseconds(contract.left.watermark), milliseconds(contract.right.watermark))
    return min(newest - delay for newest, delay in zip(newest_ms, delays, strict=True))


def caught_up(epoch: Epoch, ends: tuple[Mapping[int, int], Mapping[int, int]], watermark_ms: int) -> bool:
    """Whether the stream has read both topics to these ends and its watermark has followed."""
    for read, wanted in zip(epoch.end, ends, strict=True):
        if any(read.get(str(partition), 0) != offset for partition, offset in wanted.items()):
            return False
    return epoch.evict_watermark_ms >= watermark_ms


def _newest_ms(table: pa.Table) -> int:
    import pyarrow.compute as pc

    newest = pc.max(table["event_time"]).as_py()
    return 0 if newest is None else micros(newest) // 1000


def _wait_until_caught_up(
    ledger: Ledger,
    ends: tuple[Mapping[int, int], Mapping[int, int]],
    watermark_ms: int,
    ended: threading.Event,
) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not ended.wait(LOOK_EVERY_SECONDS):
        last = ledger.last_epoch()
        if last >= 0 and caught_up(ledger.read(last), ends, watermark_ms):
            return
        if time.monotonic() > deadline:
            raise IncompleteError(f"the stream did not reach {ends} within {PATIENCE_SECONDS} s")
