"""Where a night keeps what it has done so far: one folder per contract and day below the home."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plumbline.connect.home import Home
from plumbline.contract.identity import identity
from plumbline.replay.store import write_json

if TYPE_CHECKING:
    from plumbline.contract.model import Contract

Document = dict[str, Any]
NIGHT, ANNOUNCED, OWNER = "night", "announced", "contract.json"
SCRATCH = timedelta(days=1)
"""No reconcile that still runs leaves its scratch untouched for so long."""


def nights_of(home: Home, contract: Contract) -> Path:
    """The folder of all nights of one contract: by its name, and where another contract of that name has it (see
    `claim`), by its identity too."""
    folder, mine = home.root / "nightly" / contract.contract, identity(contract)
    return folder if _owner(folder) in (None, mine) else folder.with_name(f"{folder.name}-{mine[:8]}")


def claim(home: Home, contract: Contract, runs: Mapping[str, str | None]) -> None:
    """Note whose nights the folder holds. `runs`: the contracts of recorded runs, which tell whose the nights of an
    earlier version are."""
    mine, folder = identity(contract), home.root / "nightly" / contract.contract
    if _owner(folder) is None:
        told = (json.loads(path.read_text())["run_id"] for path in sorted(folder.glob(f"*/{NIGHT}.json")))
        owner = next((found for found in map(runs.get, told) if found is not None), mine)
        write_json(folder / OWNER, {"contract": contract.contract, "identity": owner})
    folder = nights_of(home, contract)
    if _owner(folder) is None:
        write_json(folder / OWNER, {"contract": contract.contract, "identity": mine})


def _owner(folder: Path) -> str | None:
    """The identity of the contract whose nights a folder holds; None when nobody has noted it."""
    try:
        return str(json.loads((folder / OWNER).read_text())["identity"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


@dataclass(frozen=True)
class NightFolder:
    """The files of one night. Each step ends by writing its document, so that a killed night goes on after it."""

    root: Path

    @classmethod
    def all(cls, home: Home, contract: Contract) -> list[NightFolder]:
        """Every finished night, by day."""
        return [cls(path.parent) for path in sorted(nights_of(home, contract).glob(f"*/{NIGHT}.json"))]

    @property
    def report(self) -> Path:
        """The page."""
        return self.root / "report.html"

    def step(self, name: str, work: Callable[[], Document]) -> Document:
        """The document of a step: what an earlier start has left, else what `work` gives now."""
        path = self.root / f"{name}.json"
        if path.is_file():
            return self.read(name)
        # Through JSON both times, so that a night that was killed and one that was not see the same values.
        write_json(path, json.loads(json.dumps(work(), default=str)))
        return self.read(name)

    def read(self, name: str) -> Document:
        """The document of a step that is done."""
        document: Document = json.loads((self.root / f"{name}.json").read_text())
        return document

    @property
    def announced(self) -> bool:
        """Whether the night has been reported to those who wait for it."""
        return (self.root / ANNOUNCED).exists()

    def announce(self) -> None:
        """Note that it has."""
        (self.root / ANNOUNCED).touch()

    def remove(self) -> None:
        """Forget the night's files; its rows in the tables stay."""
        shutil.rmtree(self.root, ignore_errors=True)


def remove_old(home: Home, contract: Contract, now: datetime, keep: timedelta) -> int:
    """Remove the files of nights finished more than `keep` ago; how many. Scratch of killed reconciles goes with them.

    Their rows in the tables stay.
    """
    old = [n for n in NightFolder.all(home, contract) if _older(n.root / f"{NIGHT}.json", now - keep)]
    scratch = [path for path in home.runs.glob("reconcile-*") if _older(path, now - SCRATCH)]
    for folder in (*(night.root for night in old), *scratch):
        shutil.rmtree(folder, ignore_errors=True)
    return len(old)


def _older(path: Path, moment: datetime) -> bool:
    return path.stat().st_mtime < moment.timestamp()
