"""The checkpoint of a Spark query that is not ours, written file by file as Spark does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

QUERY = "6f3d2f7e-5a0b-4a44-9c8e-0d3b4f1f2a10"
SHOWS, PLAYS, OTHER = "t.shows", "t.plays", "t.other"
Sources = Mapping[str, Mapping[int, int]]


class Query:
    """A checkpoint that a query of Spark writes; `plan` are its sources' topics in the order of the plan."""

    def __init__(self, folder: Path, plan: tuple[str, ...] = (SHOWS, PLAYS), query_id: str = QUERY) -> None:
        self.folder, self.plan, self.number = folder, plan, 0
        for name in ("offsets", "commits", "sources"):
            (folder / name).mkdir(parents=True)
        (folder / "metadata").write_text(json.dumps({"id": query_id}))

    def begin(self, **offsets: Mapping[int, int]) -> Query:
        """The initial offsets of each source, as KafkaSourceInitialOffsetWriter has them."""
        for place, topic in enumerate(self.plan):
            file = self.folder / "sources" / str(place) / "0"
            file.parent.mkdir()
            first = offsets.get(topic.removeprefix("t."), {0: 0})
            file.write_text("\0v1\n" + json.dumps({topic: {str(p): at for p, at in first.items()}}))
        return self

    def operators(self, *names: str) -> Query:
        """Its stateful operators by number, as OperatorStateMetadataV1 has them, each with two partitions."""
        for number, name in enumerate(names):
            file = self.folder / "state" / str(number) / "_metadata" / "metadata"
            for partition in ("0", "1"):
                (file.parent.parent / partition / "left-keyToNumValues").mkdir(parents=True, exist_ok=True)
            file.parent.mkdir(exist_ok=True)
            told = {"operatorInfo": {"operatorId": number, "operatorName": name}, "stateStoreInfo": []}
            file.write_text("v1\n" + json.dumps(told))
        return self

    def batch(self, watermark_ms: int, read: Sources, *, commit: bool = True, **conf: str) -> Query:
        lines = [json.dumps({t: read[t]}) if t in read else "-" for t in self.plan]
        told = {"batchWatermarkMs": watermark_ms, "batchTimestampMs": 1000 * self.number, "conf": conf}
        (self.folder / "offsets" / str(self.number)).write_text("\n".join(["v1", json.dumps(told), *lines]))
        if commit:
            (self.folder / "commits" / str(self.number)).write_text('v1\n{"nextBatchWatermarkMs":0}')
        self.number += 1
        return self

    def purge(self, before: int) -> Query:
        """As Spark forgets all but its newest batches."""
        for name in ("offsets", "commits"):
            for file in (self.folder / name).iterdir():
                if int(file.name) < before:
                    file.unlink()
        return self
