"""Tables as a team that does not know Plumbline has them, and the drafts of contracts made from them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from tests.support.commands import Done, in_here

TIME, UNZONED = pa.timestamp("us", tz="UTC"), pa.timestamp("us")
START = datetime(2024, 3, 1, tzinfo=UTC)
SINK = {"topic": pa.string(), "partition": pa.int32(), "offset": pa.int64(), "timestamp": pa.int64()}
PLACES = {f"_kafka_metadata_{name}": kind for name, kind in SINK.items()}
IMPRESSIONS = {"imp_id": pa.string(), "ad": pa.string(), "shown_at": TIME}
PLAYS = {"imp_id": pa.string(), "play_id": pa.string(), "seconds": pa.float64(), "played_at": TIME}
TAKES = {"imp_id": pa.string(), "ad": pa.string(), "shown_at": UNZONED, "seconds": pa.float64(), "day": pa.date32()}
ANSWERS = {
    "topic": "t.{source}",
    "watermark": "10 minutes",
    "kind": "left_outer",
    "on": "imp_id",
    "within": "[0 minutes, 1 hour]",
    "key": "imp_id",
    "imp_id": "impressions.imp_id",
}
"""What the team knows; `day` is no field, and its line is deleted."""


class Stranger:
    """A home with tables that others made, and the drafts beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lake = Lake.open(Home(folder / ".plumbline", folder / "jars"))

    def table(
        self,
        name: str,
        columns: Mapping[str, pa.DataType],
        rows: Sequence[Mapping[str, Any]] = (),
        said: Mapping[str, str] | None = None,
    ) -> None:
        schema = pa.schema(list(columns.items()))
        self.lake.ensure_table(name, schema)
        if rows or said:
            self.lake.append(name, pa.Table.from_pylist(list(rows), schema=schema), said)

    def init(self, *options: str, table: str = "ads.takes", file: str = "takes.yaml") -> Done:
        return in_here("init", file, "--from-table", table, *options, folder=self.folder)

    def drafted(self, *options: str, **named: str) -> tuple[list[str], dict[int, str]]:
        """The draft's lines, and what is to be filled in, as --json tells it: number to text."""
        done = self.init(*options, "--json", **named)
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        lines = Path(self.folder, document["path"]).read_text().splitlines()
        return lines, {place["line"]: place["text"] for place in document["fill_in"]}


def archived(topic: str, time: str, minutes: int) -> list[dict[str, Any]]:
    rows = []
    for n in (n for n in range(10) if topic == "impressions" or n != 4):
        at = START + timedelta(minutes=n + minutes)
        place = {"topic": f"t.{topic}", "partition": 0, "offset": len(rows), "timestamp": int(at.timestamp() * 1000)}
        fields = {"imp_id": f"s{n}", "ad": f"t{n}", "play_id": f"p{n}", "seconds": n / 2, time: at}
        rows.append(fields | {f"_kafka_metadata_{name}": value for name, value in place.items()})
    return rows


def filled(lines: Sequence[str], answers: Mapping[str, str] = ANSWERS) -> str:
    """The draft with the answers in its places; a column without one is deleted, as the comment allows."""
    kept, source = [], ""
    for line in lines:
        source = found[1] if (found := re.match(r"  (\w+):\s+# the (?:left|right) side", line)) else source
        name = re.match(r"[ -]*\{?\"?(\w+)", line)
        if "FILL_IN" not in line or line.lstrip().startswith("#"):
            kept.append(line)
        elif name and name[1] in answers:
            kept.append(line.replace("FILL_IN", answers[name[1]].format(source=source)))
        else:
            assert line.endswith("delete the line to leave it out"), line
    return "\n".join(kept) + "\n"
