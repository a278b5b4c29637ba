"""The whole story with the catalog in PostgreSQL or behind REST and the tables on S3: the same books as on the local
lake."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from plumbline.connect.broker import BrokerInfo
from plumbline.connect.home import Home
from plumbline.connect.kafka import create_topics
from tests.support import lake_servers
from tests.support.lake_story import BEGIN, WAREHOUSES, Feed, Place, all_secrets, block, grown
from tests.support.tcp_relay import Relay

pytestmark = [pytest.mark.spark, pytest.mark.kafka, pytest.mark.slow]

OUTAGE_SECONDS = 20.0


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
    kafka = {"bootstrap.servers": broker.bootstrap_servers}
    create_topics(kafka, {"impressions": 2, "plays": 2})
    return Feed(kafka)


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
        brokers = feed.kafka["bootstrap.servers"]
        kafka = f"kafka: {{bootstrap.servers: '{brokers}'}}\n"
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
