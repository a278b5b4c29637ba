"""The events and commands of the story that the tests of `make test-lake` tell on each kind of server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from plumbline.connect.kafka import Record, produce
from tests.support import lake_servers
from tests.support.tcp_relay import Relay

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
HOURS = 4
"""Of events that a round brings, one a minute."""
SECRETS = {
    "LAKE_PASSWORD": quote(lake_servers.PASSWORD, safe=""),
    "LAKE_SECRET": "S3cretLakeKey",
    "LAKE_TOKEN": lake_servers.TOKEN,
    "KAFKA_PASSWORD": 'S3cret "of\\ the", story;=1',
}
WAREHOUSES = {"postgres": "story", "rest": "rest"}
"""Kind of catalog to the prefix under which its tables lie in the bucket."""


@dataclass(frozen=True)
class Place:
    """A contract's folder with a home of its own, and what its commands find in their environment."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def plumbline(self, *words: str, code: int = 0) -> str:
        done = self.ended(*words)
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def ended(self, *words: str) -> subprocess.CompletedProcess[str]:
        with self.started(*words) as running:
            out, err = running.communicate()
        assert [secret for secret in all_secrets() if secret in out + err] == []
        return subprocess.CompletedProcess(words, running.returncode, out, err)

    def started(self, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "plumbline", *words]
        place = {**os.environ, "PLUMBLINE_HOME": str(self.folder / "home"), **SECRETS, **self.environment}
        pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, cwd=self.folder, env=place, **pipes)

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

    kafka: Mapping[str, str]
    rounds: int = 0

    def bring(self, *late: datetime) -> None:
        """Bring the events of the next round, and before them late ones."""
        number, self.rounds = self.rounds, self.rounds + 1
        begin = BEGIN + timedelta(hours=HOURS) * number
        minutes = range(60 * HOURS)
        events = [event for at in late for event in pair("late", at)]
        events += [event for i in minutes for event in pair(f"{number}-{i}", begin + timedelta(minutes=i), i % 5 != 0)]
        produce(self.kafka, events)


def all_secrets() -> list[str]:
    return [lake_servers.PASSWORD, *SECRETS.values()]


def pair(key: str, at: datetime, played: bool = True) -> list[Record]:
    shown = {"impression_id": key, "user_id": 7, "shown_at": at.isoformat(), "place": "top"}
    play = {"impression_id": key, "played_at": (at + timedelta(minutes=5)).isoformat(), "seconds": 1.5}
    events = [("impressions", shown), ("plays", play)][: 2 if played else 1]
    stamp = int(at.timestamp()) * 1000
    return [Record(topic, key.encode(), json.dumps(event).encode(), stamp) for topic, event in events]


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
