"""The events of a run of examples/flink, in the order in which they come, and where each of them lies."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from plumbline.connect.kafka import Record

START_MS, DELAY_MS, HOUR_MS = 1_767_225_600_000, 600_000, 3_600_000
Place = tuple[str, int, int]
TOPICS = ("impressions", "plays")
UNREAD = "unread"


@dataclass(frozen=True)
class Sent:
    """One event: its side, name, event time and partition."""

    topic: str
    name: str
    ms: int
    partition: int

    @property
    def record(self) -> Record:
        at = datetime.fromtimestamp(self.ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        body = {"imp_id": self.name, "ad": "a", "shown_at": at}
        if self.topic == "plays":
            body = {"imp_id": self.name, "play_id": f"p{self.name}", "played_at": at}
        return Record(self.topic, self.name.encode(), json.dumps(body).encode(), self.ms, partition=self.partition)


def traffic(events: int, open_every: int = 291, seed: int = 1) -> list[Sent]:
    """About `events` in the order in which they come: an impression every 6 s, four in five played within the hour. One
    in 97 of each side comes five hours late; one in `open_every` impressions while its window is open, but perhaps
    after its play has left the state. At the end one of each partition a day later, which closes all windows."""
    draw, coming = random.Random(seed), []
    for n in range(int(events / 1.8)):
        shown = START_MS + n * 6000
        behind = 5 * HOUR_MS * (n % 97 == 5) + (HOUR_MS + DELAY_MS // 2) * (n % open_every == 29)
        coming.append((shown + behind, Sent("impressions", f"i{n}", shown, n % 2)))
        if draw.random() < 0.8:
            played, late = shown + draw.randrange(HOUR_MS), 5 * HOUR_MS * (n % 97 == 17)
            coming.append((played + late, Sent("plays", f"i{n}", played, draw.randrange(2))))
    last = max(ms for ms, _ in coming) + 24 * HOUR_MS
    ends = [Sent(topic, f"end{partition}", last, partition) for topic in TOPICS for partition in (0, 1)]
    return [sent for _, sent in sorted(coming, key=lambda one: one[0])] + ends


def unread(sent: Sequence[Sent], count: int = 20) -> list[Sent]:
    """Impressions with their plays, to be sent when no job runs any more."""
    last = max(one.ms for one in sent)
    return [Sent(topic, f"{UNREAD}{n}", last, n % 2) for n in range(count) for topic in TOPICS]


def places(sent: Sequence[Sent]) -> dict[Place, Sent]:
    """Each event by its topic, partition and offset."""
    taken: Counter[tuple[str, int]] = Counter()
    found = {}
    for one in sent:
        found[one.topic, one.partition, taken[one.topic, one.partition]] = one
        taken[one.topic, one.partition] += 1
    return found
