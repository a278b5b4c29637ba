"""The whole story with the catalog in PostgreSQL or behind REST and the tables on S3: the same books as on the local
lake."""

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
from plumbline.connect.home import Home
from plumbline.connect.kafka import Record, create_topics, produce
from tests.support import lake_servers
from tests.support.tcp_relay import Relay

pytestmark = [pytest.mark.spark, pytest.mark.kafka, pytest.mark.slow]

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
HOURS = 4
"""Of events that a round brings, one a minute."""
OUTAGE_SECONDS = 20.0
SECRETS = {
    "LAKE_PASSWORD": quote(lake_servers.PASSWORD, safe=""),
    "LAKE_SECRET": "S3cretLakeKey",
    "LAKE_TOKEN": lake_servers.TOKEN,
}
WAREHOUSES = {"postgres": "story", "rest": "rest"}
"""Kind of catalog to the prefix under which its tables lie in the bucket."""


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

    def caught_up(self) -> dict[str, int]:
        """The counts after stream and batch have read all that was fed."""
        self.plumbline("stream", "run", "first.yaml", "--once")
        self.plumbline("batch", "run", "first.yaml")
        return self.counts()

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


@dataclass
class Feed:
    """Impressions, one a minute, and plays of most of them, five minutes later; in rounds that follow each other."""

    brokers: str
    rounds: int = 0

    def bring(self, *late: datetime) -> None:
        """Bring the events of the next round, and before them late ones."""
        number, self.rounds = self.rounds, self.rounds + 1
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
def store() -> Iterator[Relay]:
    with lake_servers.s3(days_slow=5) as way:
        yield way


@pytest.fixture(scope="module")
def catalogs(store: Relay) -> Iterator[dict[str, Relay]]:
    with lake_servers.postgres() as postgres, lake_servers.rest(store, Home.resolve().jars) as rest:
        yield {"postgres": postgres, "rest": rest}


@pytest.fixture(scope="module")
def feed(broker: BrokerInfo) -> Feed:
    create_topics({"bootstrap.servers": broker.bootstrap_servers}, {"impressions": 2, "plays": 2})
    return Feed(broker.bootstrap_servers)


@pytest.fixture(scope="module")
def places(
    catalogs: dict[str, Relay], store: Relay, feed: Feed, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Place]:
    """The same contract over the same topics, on the local lake and on the servers, after a round with a late event."""
    blocks = {"local": ""} | {kind: block(kind, way, store) for kind, way in catalogs.items()}
    made = {name: Place(tmp_path_factory.mktemp(name)) for name in blocks}
    feed.bring()
    for name, place in made.items():
        place.plumbline("init", "first.yaml")
        text = (place.folder / "first.yaml").read_text()
        kafka = f"kafka: {{bootstrap.servers: '{feed.brokers}'}}\n"
        (place.folder / "first.yaml").write_text(f"{text}{kafka}{blocks[name]}")
        place.plumbline("stream", "run", "first.yaml", "--once")
    feed.bring(BEGIN + timedelta(minutes=30))
    for place in made.values():
        place.plumbline("stream", "run", "first.yaml", "--once")
        place.plumbline("batch", "run", "first.yaml")
    return made


@pytest.fixture(params=WAREHOUSES)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def there(places: dict[str, Place], kind: str) -> Place:
    return places[kind]


def block(kind: str, catalog: Relay, store: Relay) -> str:
    opened = {
        "postgres": f"""
  type: sql
  uri: postgresql+psycopg2://ann:${{LAKE_PASSWORD}}@{catalog.address}/lake
  warehouse: s3://lake/{WAREHOUSES["postgres"]}""",
        "rest": f"""
  type: rest
  uri: http://{catalog.address}
  token: "${{LAKE_TOKEN}}\"""",
    }
    return f"""
catalog:{opened[kind]}
  s3.endpoint: http://{store.address}
  s3.region: us-east-1
  s3.access-key-id: a
  s3.secret-access-key: "${{LAKE_SECRET}}"
  s3.path-style-access: "true"
"""


def test_the_story_gives_the_same_books(places: dict[str, Place], there: Place) -> None:
    books, local = (
        {name: found[name] for name in ("counts", "causes", "ledger", "predicted", "agrees")}
        for found in (place.document("reconcile", "first.yaml", code=1) for place in (there, places["local"]))
    )
    assert books == local
    assert (books["counts"]["missing"], books["causes"], books["agrees"]) == (1, {"late_left": 1}, True)
    before = books["counts"]
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


def test_a_lost_checkpoint_is_recovered(there: Place, feed: Feed) -> None:
    before = there.caught_up()
    [checkpoint] = (there.folder / "home" / "checkpoints").glob("*/join")
    shutil.rmtree(checkpoint)
    there.plumbline("stream", "recover", "first.yaml", "--execute")
    feed.bring()
    assert there.caught_up() == grown(before, 1)


def test_maintain_removes_the_orphans_of_its_tables_alone(there: Place, kind: str, store: Relay) -> None:
    joined = f"{WAREHOUSES[kind]}/joined"
    orphan = f"{joined}/plays_stream/data/00000-1-aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee-00001.parquet"
    others = [f"{joined}/plays_stream/notes.txt", f"{joined}/plays_stream_2/data/00000-1.parquet"]
    for key in (orphan, *others):
        lake_servers.put(store, key)
    before = there.counts()
    told = there.document("maintain", "first.yaml", "--execute")["tables"]
    assert {each["table"]: each["orphans"] for each in told}["joined.plays_stream"] == 1
    assert orphan not in lake_servers.keys(store)
    assert set(others) <= set(lake_servers.keys(store))
    assert there.counts() == before


COMMANDS = {
    ("stream", "run", "first.yaml", "--once", "--retry-for", "2 min"): 0,
    ("batch", "run", "first.yaml"): 0,
    ("reconcile", "first.yaml", "--full"): 1,
    ("maintain", "first.yaml", "--execute"): 0,
}
"""Command to its exit code: the late event is a drift."""


def test_a_catalog_that_goes_away_for_20_seconds_in_a_command_is_waited_for(
    there: Place, kind: str, feed: Feed, catalogs: dict[str, Relay]
) -> None:
    """In the middle of what each command asks it: nothing is lost, and nothing is there twice."""
    goes_away_in_each_command(there, feed, catalogs[kind])


def test_a_store_that_goes_away_for_20_seconds_in_a_command_is_waited_for(
    places: dict[str, Place], feed: Feed, store: Relay
) -> None:
    goes_away_in_each_command(places["rest"], feed, store)


def goes_away_in_each_command(there: Place, feed: Feed, server: Relay) -> None:
    questions, before, rounds = {}, there.caught_up(), feed.rounds
    feed.bring()
    for command, code in COMMANDS.items():
        asked = server.questions
        there.plumbline(*command, code=code)
        questions[command] = server.questions - asked
    feed.bring()
    for command, code in COMMANDS.items():
        with server.cut(OUTAGE_SECONDS, at=questions[command] // 2):
            there.plumbline(*command, code=code)
    assert there.counts() == grown(before, feed.rounds - rounds)


@pytest.mark.parametrize(
    ("kind", "right", "wrong", "message"),
    [
        ("postgres", "${LAKE_PASSWORD}", "wrong", "the catalog refuses the credentials: .*authentication failed"),
        ("postgres", "http://127.0.0.1:", "http://127.0.0.2:", "the object store does not answer: NETWORK_CONNECTION"),
        ("rest", "${LAKE_TOKEN}", "wrong", "the catalog refuses the credentials: .*Not authorized"),
    ],
    ids=["a wrong password", "an endpoint where nobody is", "a wrong token"],
)
def test_what_the_servers_refuse_is_one_true_line(
    right: str, wrong: str, message: str, there: Place, tmp_path: Path
) -> None:
    text = (there.folder / "first.yaml").read_text()
    assert text.count(right) == 1
    (tmp_path / "first.yaml").write_text(text.replace(right, wrong))
    done = Place(tmp_path).ended("reconcile", "first.yaml")
    assert done.returncode == 3
    [line] = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert re.search(message, line)
    assert "defect" not in line


def test_no_file_holds_a_secret(there: Place) -> None:
    files = [path for path in there.folder.rglob("*") if path.is_file()]
    assert len(files) > 50
    assert [path for path in files for secret in all_secrets() if secret.encode() in path.read_bytes()] == []
