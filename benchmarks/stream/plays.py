"""Two topics of JSON events with 8 fields, impressions and their plays, and the contract that joins them.

Plays (0.6 per impression) within 25 minutes of their impressions, both sides up to a minute out of order. With 10
minutes of watermark and a join within 30 minutes about 250,000 rows are open at any time.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

PARTITIONS = 2
MINUTE_US = 60_000_000
START_US = 1_700_000_000_000_000
FIELDS = {
    "impressions": "id string, at timestamp, user string, campaign bigint, placement string, price double, "
    "country string, device string",
    "plays": "id string, played_at timestamp, user string, seconds double, quality string, stalls bigint, "
    "player string, country string",
}


def impression(number: int, us: int, draw: random.Random) -> dict[str, Any]:
    return {
        "id": f"imp-{number:09d}",
        "at": _iso(us),
        "user": f"user-{draw.randrange(100_000)}",
        "campaign": draw.randrange(500),
        "placement": f"placement-{draw.randrange(2_000)}",
        "price": round(draw.random() * 9, 4),
        "country": draw.choice(("DE", "FR", "US", "JP")),
        "device": draw.choice(("mobile", "desktop", "tv")),
    }


def play(number: int, us: int, draw: random.Random) -> dict[str, Any]:
    return {
        "id": f"imp-{number:09d}",
        "played_at": _iso(us),
        "user": f"user-{draw.randrange(100_000)}",
        "seconds": round(draw.expovariate(1 / 40), 3),
        "quality": draw.choice(("sd", "hd", "uhd")),
        "stalls": draw.randrange(4),
        "player": f"player-{draw.randrange(30)}",
        "country": draw.choice(("DE", "FR", "US", "JP")),
    }


def _iso(us: int) -> str:
    seconds, micros = divmod(us, 1_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{micros:06d}Z"


def records(events: int) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """(topic, event time in us, event) of both topics, each in the order of delivery: event time and up to a minute."""
    draw, step = random.Random(7), 10_000
    due = [("impressions", n, START_US + n * step) for n in range(events)]
    due += [
        ("plays", n, START_US + n * step + draw.randrange(25 * MINUTE_US))
        for n in draw.sample(range(events), events * 6 // 10)
    ]
    due.sort(key=lambda item: item[2] + draw.randrange(MINUTE_US))
    for topic, number, us in due:
        yield topic, us, (impression if topic == "impressions" else play)(number, us, draw)


def contract_text(bootstrap: str, epoch: int, state: str) -> str:
    def fields(topic: str) -> str:
        return ", ".join(f"{pair.split()[0]}: {pair.split()[1]}" for pair in FIELDS[topic].split(", "))

    text = f"""
contract: throughput
sources:
  impressions: {{topic: impressions, fields: {{{fields("impressions")}}}, event_time: at, watermark: 10 minutes,
    archive: raw.impressions}}
  plays: {{topic: plays, fields: {{{fields("plays")}}}, event_time: played_at, watermark: 10 minutes,
    archive: raw.plays}}
join: {{left: impressions, right: plays, kind: left_outer, on: [id], within: [0 minutes, 30 minutes]}}
output:
  key: [id]
  columns: [impressions.at, impressions.user, impressions.campaign, impressions.placement, impressions.price,
    plays.played_at, plays.seconds, plays.quality, plays.stalls]
  stream_table: joined.stream
  batch_table: joined.batch
  partition_by: day
stream: {{max_events_per_epoch: {epoch}, every: 0 seconds, state: {state}}}
kafka: {{bootstrap.servers: "{bootstrap}"}}
"""
    return text.replace("bigint", "long")


def fill(bootstrap: str, events: int, say: Callable[[str], None]) -> int:
    """Create and fill both topics; returns how many events they hold."""
    from plumbline.connect.kafka import Record, create_topics, produce

    client = {"bootstrap.servers": bootstrap}
    create_topics(client, dict.fromkeys(FIELDS, PARTITIONS))
    say(f"producing {events:,} impressions and {events * 6 // 10:,} plays")
    return produce(
        client,
        (
            Record(topic, event["id"].encode(), json.dumps(event).encode(), us // 1000)
            for topic, us, event in records(events)
        ),
    )
