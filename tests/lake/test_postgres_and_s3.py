"""The whole story with the catalog in PostgreSQL and the tables on S3: the same books as on the local lake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from plumbline.connect.broker import BrokerInfo
from tests.support import lake_servers
from tests.support.lake_servers import Server

pytestmark = [pytest.mark.spark, pytest.mark.kafka, pytest.mark.slow]


@dataclass(frozen=True)
class Place:
    """A contract's folder with a home of its own."""

    folder: Path

    def plumbline(self, *words: str, code: int = 0) -> str:
        command, place = [sys.executable, "-m", "plumbline", *words], {"PLUMBLINE_HOME": str(self.folder / "home")}
        done = subprocess.run(command, cwd=self.folder, env=os.environ | place, capture_output=True, text=True)
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def reconciled(self, *words: str, code: int = 0) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.plumbline("reconcile", "first.yaml", "--json", *words, code=code))
        return document


@pytest.fixture(scope="module")
def database() -> Iterator[Server]:
    with lake_servers.postgres() as server:
        yield server


@pytest.fixture(scope="module")
def store() -> Iterator[Server]:
    with lake_servers.s3(days_slow=5) as server:
        yield server


def catalog(database: Server, store: Server, warehouse: str) -> str:
    return f"""
catalog:
  type: sql
  uri: postgresql+psycopg2://ann:{quote(lake_servers.PASSWORD, safe="")}@{database.address}/lake
  warehouse: s3://lake/{warehouse}
  s3.endpoint: http://{store.address}
  s3.region: us-east-1
  s3.access-key-id: a
  s3.secret-access-key: b
  s3.path-style-access: "true"
"""


@pytest.fixture(scope="module")
def places(
    database: Server, store: Server, broker: BrokerInfo, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Place]:
    """The same contract over the same topics, on the local lake and on the servers."""
    blocks = {"local": "", "servers": catalog(database, store, "story")}
    made = {name: Place(tmp_path_factory.mktemp(name)) for name in blocks}
    for name, place in made.items():
        place.plumbline("init", "first.yaml")
        text = (place.folder / "first.yaml").read_text()
        kafka = f"kafka: {{bootstrap.servers: '{broker.bootstrap_servers}'}}\n"
        (place.folder / "first.yaml").write_text(f"{text}{kafka}{blocks[name]}")
    made["local"].plumbline("kafka", "topics", "first.yaml", "--create")
    made["local"].plumbline("kafka", "produce", "first.yaml", "--sample", "200")
    return made


def test_the_story_gives_the_same_books(places: dict[str, Place], store: Server) -> None:
    books = {}
    for name, place in places.items():
        place.plumbline("stream", "run", "first.yaml", "--once")
        place.plumbline("batch", "run", "first.yaml")
        found = place.reconciled()
        books[name] = {key: found[key] for key in ("counts", "causes", "books", "prediction") if key in found}
    assert books["servers"] == books["local"]
    assert books["servers"]["counts"]["match"] > 150
    there = places["servers"]
    planned = there.plumbline("replay", "plan", "first.yaml", "--last", "2d")
    plan_id = planned.split("replay ", 1)[1].split(":", 1)[0]
    for step in (["run", plan_id, "--execute"], ["audit", plan_id], ["publish", plan_id, "--execute"]):
        there.plumbline("replay", *step)
    assert there.reconciled("--full")["counts"]["missing"] == 0
    there.plumbline("replay", "rollback", plan_id, "--execute")
    assert there.reconciled("--full")["counts"] == books["servers"]["counts"]
    there.plumbline("expect", "first.yaml")


def test_maintain_removes_the_orphans_of_its_tables_alone(places: dict[str, Place], store: Server) -> None:
    table = "story/joined/plays_stream"
    orphan = f"{table}/data/00000-1-aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee-00001.parquet"
    others = [f"{table}/notes.txt", "story/joined/plays_stream_2/data/00000-1.parquet"]
    for key in (orphan, *others):
        lake_servers.put(store, key)
    told = places["servers"].plumbline("maintain", "first.yaml", "--execute")
    assert "joined.plays_stream: 0 small files joined" in told
    assert not lake_servers.holds(store, orphan)
    assert [key for key in others if not lake_servers.holds(store, key)] == []
    assert places["servers"].reconciled("--full")["counts"]["missing"] == 0


@pytest.mark.parametrize("which", ["database", "store"])
def test_a_server_that_is_away_for_20_seconds_is_waited_for(
    which: str, places: dict[str, Place], request: pytest.FixtureRequest
) -> None:
    """Away once the command has begun to read; a catalog that a command never reached is said at once instead."""
    server, there = request.getfixturevalue(which), places["servers"]
    before = there.reconciled("--full")["counts"]
    places["local"].plumbline("kafka", "produce", "first.yaml", "--sample", "50")
    with server.away(20, after=12):
        there.plumbline("stream", "run", "first.yaml", "--once")
    with server.away(20, after=8):
        there.plumbline("batch", "run", "first.yaml")
    with server.away(20, after=2.5):
        found = there.reconciled("--full", code=1)["counts"]
    assert found["match"] > before["match"]
    assert found["missing"] == found["mismatch"] == 0


def test_what_the_servers_refuse_is_one_true_line(
    places: dict[str, Place], database: Server, store: Server, tmp_path: Path
) -> None:
    text = (places["servers"].folder / "first.yaml").read_text()
    wrong = {
        quote(lake_servers.PASSWORD, safe=""): (
            "wrong",
            "the catalog refuses the credentials: .*authentication failed",
        ),
        f"http://{store.address}": ("http://127.0.0.1:1", "the object store does not answer: NETWORK_CONNECTION"),
    }
    for right, (other, message) in wrong.items():
        (tmp_path / "first.yaml").write_text(text.replace(right, other))
        command = [sys.executable, "-m", "plumbline", "reconcile", "first.yaml", "--home", str(tmp_path / "home")]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 3
        [line] = [line for line in done.stderr.splitlines() if line.startswith("error:")]
        with pytest.raises(AssertionError, match=message):
            raise AssertionError(line)
        assert "defect" not in line
        assert lake_servers.PASSWORD not in line
