"""The whole story with the catalog in PostgreSQL and the tables on S3: the same books as on the local lake."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from plumbline.connect.broker import BrokerInfo
from plumbline.connect.kafka import Record, create_topics, produce
from tests.support import lake_servers
from tests.support.tcp_relay import Relay

pytestmark = [pytest.mark.spark, pytest.mark.kafka, pytest.mark.slow]

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
HOURS = 4
"""Of events that a round brings, one a minute."""
OUTAGE_SECONDS = 20.0
SECRETS = {"LAKE_PASSWORD": quote(lake_servers.PASSWORD, safe=""), "LAKE_SECRET": "S3cretLakeKey"}


@dataclass(frozen=True)
class Place:
    """A contract's folder with a home of its own."""

    folder: Path

    def plumbline(self, *words: str, code: int = 0) -> str:
        done = self.ended(*words)
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def ended(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "plumbline", *words]
        place = os.environ | {"PLUMBLINE_HOME": str(self.folder / "home"), **SECRETS}
        done = subprocess.run(command, cwd=self.folder, env=place, capture_output=True, text=True)
        assert [secret for secret in all_secrets() if secret in done.stdout + done.stderr] == []
        return done

    def document(self, *words: str, code: int = 0) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.plumbline(*words, "--json", code=code))
        return document

    def counts(self) -> dict[str, int]:
        """Of a full reconcile: in all of them the late event is missing, or not."""
        done = self.ended("reconcile", "first.yaml", "--full", "--json")
        assert done.returncode in (0, 1), done.stderr
        counts: dict[str, int] = json.loads(done.stdout)["counts"]
        return counts


def grown(counts: dict[str, int], rounds: int) -> dict[str, int]:
    """The counts after so many rounds more: as many events are still pending."""
    return {
        name: n + (60 * HOURS * rounds if name in ("batch", "stream", "match") else 0) for name, n in counts.items()
    }


@dataclass(frozen=True)
class Feed:
    """Impressions, one a minute, and plays of most of them, five minutes later."""

    brokers: str

    def bring(self, number: int, *late: datetime) -> None:
        """Bring the events of this round, which follow those of the round before, and before them late ones."""
        begin = BEGIN + timedelta(hours=HOURS) * number
        minutes = range(60 * HOURS)
        events = [event for at in late for event in pair("late", at)]
        events += [event for i in minutes for event in pair(f"{number}-{i}", begin + timedelta(minutes=i), i % 5 != 0)]
        produce({"bootstrap.servers": self.brokers}, events)


def all_secrets() -> list[str]:
    return [lake_servers.PASSWORD, *SECRETS.values()]


def pair(key: str, at: datetime, played: bool = True) -> list[Record]:
    shown = {"impression_id": key, "user_id": 7, "shown_at": at.isoformat(), "place": "top"}
    play = {"impression_id": key, "played_at": (at + timedelta(minutes=5)).isoformat(), "seconds": 1.5}
    events = [("impressions", shown), ("plays", play)][: 2 if played else 1]
    stamp = int(at.timestamp()) * 1000
    return [Record(topic, key.encode(), json.dumps(event).encode(), stamp) for topic, event in events]


@pytest.fixture(scope="module")
def database() -> Iterator[Relay]:
    with lake_servers.postgres() as way:
        yield way


@pytest.fixture(scope="module")
def store() -> Iterator[Relay]:
    with lake_servers.s3(days_slow=5) as way:
        yield way


@pytest.fixture(scope="module")
def feed(broker: BrokerInfo) -> Feed:
    create_topics({"bootstrap.servers": broker.bootstrap_servers}, {"impressions": 2, "plays": 2})
    return Feed(broker.bootstrap_servers)


@pytest.fixture(scope="module")
def places(database: Relay, store: Relay, feed: Feed, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Place]:
    """The same contract over the same topics, on the local lake and on the servers, after a round with a late event."""
    blocks = {"local": "", "servers": catalog(database, store, "story")}
    made = {name: Place(tmp_path_factory.mktemp(name)) for name in blocks}
    feed.bring(0)
    for name, place in made.items():
        place.plumbline("init", "first.yaml")
        text = (place.folder / "first.yaml").read_text()
        kafka = f"kafka: {{bootstrap.servers: '{feed.brokers}'}}\n"
        (place.folder / "first.yaml").write_text(f"{text}{kafka}{blocks[name]}")
        place.plumbline("stream", "run", "first.yaml", "--once")
    feed.bring(1, BEGIN + timedelta(minutes=30))
    for place in made.values():
        place.plumbline("stream", "run", "first.yaml", "--once")
        place.plumbline("batch", "run", "first.yaml")
    return made


def catalog(database: Relay, store: Relay, warehouse: str) -> str:
    return f"""
catalog:
  type: sql
  uri: postgresql+psycopg2://ann:${{LAKE_PASSWORD}}@{database.address}/lake
  warehouse: s3://lake/{warehouse}
  s3.endpoint: http://{store.address}
  s3.region: us-east-1
  s3.access-key-id: a
  s3.secret-access-key: "${{LAKE_SECRET}}"
  s3.path-style-access: "true"
"""


def test_the_story_gives_the_same_books(places: dict[str, Place]) -> None:
    books = {}
    for name, place in places.items():
        found = place.document("reconcile", "first.yaml", code=1)
        books[name] = {key: found[key] for key in ("counts", "causes", "books", "prediction") if key in found}
    assert books["servers"] == books["local"]
    assert (books["servers"]["counts"]["missing"], books["servers"]["causes"]) == (1, {"late_left": 1})
    there, before = places["servers"], books["servers"]["counts"]
    hours = ["--from", BEGIN.isoformat(), "--to", (BEGIN + timedelta(hours=2)).isoformat()]
    assert "late_left" in there.plumbline("explain", "late", "--contract", "first.yaml")
    replay = there.document("replay", "plan", "first.yaml", *hours)["replay_id"]
    for step in (["run", replay, "--execute"], ["audit", replay], ["publish", replay, "--execute"]):
        there.plumbline("replay", *step)
    by = {"missing": -1, "match": 1, "stream": 1}
    assert there.counts() == {name: count + by.get(name, 0) for name, count in before.items()}
    there.plumbline("replay", "rollback", replay, "--execute")
    assert there.counts() == before
    there.plumbline("expect", "first.yaml")


def test_a_lost_checkpoint_is_recovered(places: dict[str, Place], feed: Feed) -> None:
    there = places["servers"]
    before = there.counts()
    [checkpoint] = (there.folder / "home" / "checkpoints").glob("*/join")
    shutil.rmtree(checkpoint)
    there.plumbline("stream", "recover", "first.yaml", "--execute")
    feed.bring(2)
    there.plumbline("stream", "run", "first.yaml", "--once")
    there.plumbline("batch", "run", "first.yaml")
    assert there.counts() == grown(before, 1)


def test_maintain_removes_the_orphans_of_its_tables_alone(places: dict[str, Place], store: Relay) -> None:
    table = "story/joined/plays_stream"
    orphan = f"{table}/data/00000-1-aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee-00001.parquet"
    others = [f"{table}/notes.txt", "story/joined/plays_stream_2/data/00000-1.parquet"]
    for key in (orphan, *others):
        lake_servers.put(store, key)
    before = places["servers"].counts()
    told = places["servers"].document("maintain", "first.yaml", "--execute")["tables"]
    assert {each["table"]: each["orphans"] for each in told}["joined.plays_stream"] == 1
    assert orphan not in lake_servers.keys(store)
    assert set(others) <= set(lake_servers.keys(store))
    assert places["servers"].counts() == before


COMMANDS = {
    ("stream", "run", "first.yaml", "--once", "--retry-for", "2 min"): 0,
    ("batch", "run", "first.yaml"): 0,
    ("reconcile", "first.yaml", "--full"): 1,
    ("maintain", "first.yaml", "--execute"): 0,
}
"""Command to its exit code: the late event is a drift."""


def test_a_database_that_goes_away_for_20_seconds_in_a_command_is_waited_for(
    places: dict[str, Place], feed: Feed, database: Relay
) -> None:
    """In the middle of what each command asks it: nothing is lost, and nothing is there twice."""
    there = places["servers"]
    questions, before = {}, there.counts()
    feed.bring(3)
    for command, code in COMMANDS.items():
        asked = database.questions
        there.plumbline(*command, code=code)
        questions[command] = database.questions - asked
    feed.bring(4)
    for command, code in COMMANDS.items():
        with database.cut(OUTAGE_SECONDS, at=questions[command] // 2):
            there.plumbline(*command, code=code)
    assert there.counts() == grown(before, 2)


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("${LAKE_PASSWORD}", "wrong", "the catalog refuses the credentials: .*authentication failed"),
        ("http://127.0.0.1:", "http://127.0.0.2:", "the object store does not answer: NETWORK_CONNECTION"),
    ],
    ids=["a wrong password", "an endpoint where nobody is"],
)
def test_what_the_servers_refuse_is_one_true_line(
    right: str, wrong: str, message: str, places: dict[str, Place], tmp_path: Path
) -> None:
    text = (places["servers"].folder / "first.yaml").read_text()
    assert text.count(right) == 1
    (tmp_path / "first.yaml").write_text(text.replace(right, wrong))
    done = Place(tmp_path).ended("reconcile", "first.yaml")
    assert done.returncode == 3
    [line] = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert re.search(message, line)
    assert "defect" not in line


def test_no_file_holds_a_secret(places: dict[str, Place]) -> None:
    files = [path for path in places["servers"].folder.rglob("*") if path.is_file()]
    assert len(files) > 50
    assert [path for path in files for secret in all_secrets() if secret.encode() in path.read_bytes()] == []
