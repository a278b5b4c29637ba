"""The commands of docs/audit.md, run on a real topic and a table with planted faults, print what the page shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from confluent_kafka import Producer

from plumbline.cli import run
from plumbline.connect.home import Home
from plumbline.connect.kafka import create_topics
from plumbline.connect.lake import Lake
from tests.support.written_tables import FLAT, WrittenTable

pytestmark = pytest.mark.kafka
PAGE = Path(__file__).resolve().parents[3] / "docs" / "audit.md"
SHOWN = re.compile(r"^```sh\n(plumbline audit [^\n]*)\n```\n\n```text\n(.*?)^```$", re.M | re.S)


def produced(kafka: dict[str, str], topic: str) -> None:
    """0 to 999 and their marker, 3 aborted records and theirs, 1,005 to 1,504 and theirs, 100 records and theirs."""
    create_topics(kafka, {topic: 1})
    producer = Producer({**kafka, "transactional.id": "page"})
    producer.init_transactions(30)
    for records, commit in ((1000, True), (3, False), (500, True), (100, True)):
        producer.begin_transaction()
        for n in range(records):
            producer.produce(topic, b"%d" % n)
        producer.flush(30)
        (producer.commit_transaction if commit else producer.abort_transaction)(30)


def written(lake: Lake) -> None:
    """A restart wrote 20 records again and lost 20; files were compacted; somebody deleted ten rows."""
    table = WrittenTable(lake, "raw.clicks", FLAT, first_id=5213641288901920)

    def file(*offsets: range) -> list[tuple[int, int]]:
        return [(0, n) for mine in offsets for n in mine]

    table.commit("append", [table.file(file(range(600)))])
    table.commit("append", [table.file(file(range(580, 1000)))])
    table.commit("replace", [table.file(file(range(600), range(580, 1000)))], table.live[table.current or 0])
    table.commit("append", [table.file(file(range(1005, 1200), range(1220, 1505)))])
    kept = table.file(file(range(1005, 1200), range(1220, 1300), range(1310, 1505)))
    table.commit("overwrite", [kept], table.live[table.current or 0][-1:])
    table.commit("append", [table.file(file(range(1506, 1606)))])
    table.publish()


def test_the_page_shows_what_its_commands_print(
    kafka: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Home.resolve(tmp_path)
    produced(kafka, "clicks")
    written(Lake.open(home))
    shown = SHOWN.findall(PAGE.read_text(encoding="utf-8"))
    assert len(shown) == 2
    for line, expected in shown:
        words = shlex.split(line.replace("kafka:9092", kafka["bootstrap.servers"]))
        assert run([*words[1:], "--home", str(home.root)]) == 1
        assert capsys.readouterr().out == expected
