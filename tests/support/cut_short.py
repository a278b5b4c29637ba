"""Killing `plumbline reconcile` at a random moment, and what it keeps."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plumbline.connect.lake import Lake
from tests.support.edits import world_of_days
from tests.support.world import CONTRACT, World

KEPT = ("plumbline.findings", "plumbline.runs", "plumbline.verdicts")
TOO_LATE = "too late"
_NEVER_THE_SAME = ("recorded_at", "reused")
Kept = dict[str, list[str]]


def killed(command: list[str], moment: float, **options: Any) -> bool:
    """Start the command and kill it after `moment` seconds; whether it still ran."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    deadline = time.monotonic() + moment
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    ran = process.poll() is None
    process.kill()
    process.wait()
    return ran


@dataclass(frozen=True)
class Reconciled:
    """A contract whose reconcile is killed: what an undisturbed one kept and told, and how long it took."""

    world: World
    command: list[str]
    kept: Kept
    document: dict[str, Any]
    seconds: float

    @classmethod
    def undisturbed(cls, folder: Path, seed: int) -> Reconciled:
        world = world_of_days(lambda: World.at(folder / "home"), random.Random(seed))
        contract = folder / "plays.yaml"
        contract.write_text(CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer"))
        command = [sys.executable, "-m", "plumbline", "reconcile", str(contract), "--json"]
        command += ["--home", str(world.home.root)]
        begun = time.monotonic()
        document = told(command)
        return cls(world, command, kept(world.lake), document, time.monotonic() - begun)

    def forget(self) -> None:
        """Drop what has been kept, so that a reconcile has all of it to do."""
        lake = self.world.lake
        for table in KEPT:
            if lake.exists(table):
                lake.catalog().drop_table(table)

    def after_a_kill(self, moment: float) -> list[str]:
        """Kill one after `moment` seconds and let another end; what was wrong, and TOO_LATE where it had ended."""
        wrong = [] if killed(self.command, moment) else [TOO_LATE]
        between = kept(self.world.lake)
        wrong += [f"half of {name}" for name in KEPT if between[name] not in ([], self.kept[name])]
        if between["plumbline.runs"] and not between["plumbline.findings"]:
            wrong.append("a run without its findings")
        if told(self.command) != self.document:
            wrong.append("another document afterwards")
        wrong += [f"other {name} afterwards" for name, rows in kept(self.world.lake).items() if rows != self.kept[name]]
        return wrong + [f"left {name}" for name in os.listdir(self.world.home.runs)]


def told(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    del document["reused"]
    return document


def kept(lake: Lake) -> Kept:
    """All rows of the tables that a reconcile writes, as text, but what no two runs have in common."""
    return {name: sorted(map(_plainly, _rows(lake, name))) for name in KEPT}


def _rows(lake: Lake, table: str) -> list[dict[str, Any]]:
    return lake.load(table).scan().to_arrow().to_pylist() if lake.exists(table) else []


def _plainly(row: dict[str, Any]) -> str:
    row = {name: value for name, value in row.items() if name not in _NEVER_THE_SAME}
    if "document" in row:
        row["document"] = {**json.loads(row["document"]), "reused": None}
    if isinstance(row.get("findings"), bytes):  # its rows in no order
        row["findings"] = True
    return str(row)
