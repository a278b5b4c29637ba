"""Where a replay keeps its plan, tape and progress: one folder per replay below the home."""

from __future__ import annotations

import difflib
import json
import re
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plumbline.connect.home import Home
from plumbline.connect.locks import locked
from plumbline.connect.whole_file import write_whole
from plumbline.contract.errors import UsageError

LATEST = "latest"
PLANNED, SERIES = "planned", "series"
OWN_FILES = re.compile(
    r"(plan|run|audit|feed[^/]*)\.json|\.(plan|run|audit|feed[^/]*)\.json\.\d+\.tmp|tape|playing|checkpoint|scratch|\.lock"
)
"""What replays write into their folders, by name."""


@dataclass(frozen=True)
class ReplayFolder:
    """The files of one replay. Each step ends by writing its document, so that a killed step is simply repeated."""

    root: Path

    @classmethod
    def of(cls, home: Home, replay_id: str) -> ReplayFolder:
        """The folder that belongs to `replay_id`, whether it exists or not."""
        return cls(home.replays / replay_id)

    @classmethod
    def find(cls, home: Home, name: str) -> ReplayFolder:
        """The folder of a replay id, of the plan file at a path, or of `latest`, the plan made last.

        Raises UsageError naming the nearest id.
        """
        path = Path(name)
        if name == LATEST:
            planned = sorted(cls.all(home), key=lambda folder: folder.made)
            name = planned[-1].id if planned else name
        if path.suffix == ".json" and path.is_file():
            return cls(path.resolve().parent)
        folder = cls.of(home, name)
        if not folder.plan.is_file():
            near = difflib.get_close_matches(name, [other.id for other in cls.all(home)], 1, 0.4)
            step = f"did you mean {near[0]}?" if near else "`plumbline replay plan` makes one"
            raise UsageError(f"there is no replay {name!r}", where=str(home.replays), next_step=step)
        return folder

    @classmethod
    def all(cls, home: Home) -> list[ReplayFolder]:
        """Every planned replay of the home, by id."""
        return [cls(plan.parent) for plan in sorted(home.replays.glob("*/plan.json"))]

    @classmethod
    def planned(cls, home: Home) -> set[str]:
        """The ids of all replays that were ever planned in the home, also of those whose folder is gone."""
        return {folder.id for folder in cls.all(home)} | {path.name for path in (home.replays / PLANNED).glob("[!.]*")}

    def owned(self) -> AbstractContextManager[None]:
        """Keep other processes from running this replay meanwhile. Raises UnreachableError while another one does."""
        return locked(self.root / ".lock", f"replay {self.id} is being run by another process")

    def forget(self, *names: str) -> None:
        """Remove parts of the folder: documents of steps, or the folders of the tape and of the playing job."""
        for name in names:
            path = self.root / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.with_name(f"{name}.json").unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove what replays write here; the plan goes last, so that a killed removal is found and repeated.

        What somebody else put into the folder stays, and the folder with it.
        """
        own = [path for path in self.root.iterdir() if OWN_FILES.fullmatch(path.name) and path != self.plan]
        for path in own:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.plan.unlink(missing_ok=True)
        with suppress(OSError):
            self.root.rmdir()

    @property
    def id(self) -> str:
        """The replay id."""
        return self.root.name

    @property
    def plan(self) -> Path:
        """The plan, written once."""
        return self.root / "plan.json"

    @property
    def made(self) -> tuple[int, int]:
        """When its plan was made, to be compared with that of another plan or series of the home.

        By the number that it was noted with: a copied or touched file has another time. Plans of earlier versions have
        no number, are older than any with one, and go by their file's time.
        """
        with suppress(OSError, ValueError):
            return int((self.root.parent / PLANNED / self.id).read_text()), 0
        return 0, self.plan.stat().st_mtime_ns

    def note_planned(self) -> None:
        """Note that this plan is the one made last, also where it was made before."""
        write_whole(self.root.parent / PLANNED / self.id, str(next_number(self.root.parent)))

    @property
    def tape(self) -> Path:
        """The tape: `manifest.json` and a folder of Parquet files per source."""
        return self.root / "tape"

    @property
    def playing(self) -> Path:
        """The part of the tape that the playing job sees, as links."""
        return self.root / "playing"

    @property
    def bulky(self) -> tuple[str, ...]:
        """What only a replay that is still to be published needs."""
        return tuple(path.name for path in (self.tape, self.playing, self.checkpoint, self.scratch) if path.exists())

    @property
    def scratch(self) -> Path:
        """Where engines spill."""
        return self.root / "scratch"

    @property
    def checkpoint(self) -> Path:
        """The checkpoint of the job that plays the tape."""
        return self.root / "checkpoint"

    def read(self, step: str) -> Any:
        """The document that `step` (plan, run, audit) ended with, or None when it has not ended.

        Raises UsageError for a file that was edited until it is no longer such a document.
        """
        path = self.root / f"{step}.json"
        if not path.is_file():
            return None
        with suppress(ValueError):
            document = json.loads(path.read_text())
            if isinstance(document, dict):
                return document
        raise UsageError(f"{path.name} is no longer a JSON document", where=str(path), next_step="plan the range again")

    def write(self, step: str, document: Mapping[str, Any]) -> None:
        """Keep the document of a finished step, whole or not at all."""
        if step == "plan":
            self.note_planned()
        write_json(self.root / f"{step}.json", document)


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON file so that a reader sees the old one or the new one, never a part."""
    write_whole(path, json.dumps(document, indent=1))


def next_number(replays: Path) -> int:
    """One more than any plan or series in this folder of replays was noted with."""
    found = [0]
    for path in (*(replays / PLANNED).glob("*"), *(replays / SERIES).glob("*.json")):
        with suppress(OSError, ValueError, TypeError, KeyError):
            text = path.read_text()
            found.append(int(json.loads(text)["number"] if path.suffix == ".json" else text))
    return max(found) + 1
