"""The jars that Spark and the broker need, brought once by the Apache Ivy that pyspark ships.

`jars.lock` lists every file with its SHA-256; a folder counts only when all of them are there. Ivy resolves into a
temporary folder, the sums are checked there, then the folders are renamed in place and the marker is written last.
What only some installations need (`OPTIONAL`) is brought when it is asked for. A team's own jars, for example another
database's driver, are in the folders that $PLUMBLINE_EXTRA_JARS names.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from plumbline.connect import ivy
from plumbline.connect.home import Home
from plumbline.connect.locks import locked
from plumbline.contract.errors import SetupError

HERE = Path(__file__).parent
LOCK = HERE / "jars.lock"
MARKER = "complete.json"
GROUPS = ("spark", "broker")
OPTIONAL = {"s3": "Iceberg tables on S3", "postgres": "an Iceberg catalog in PostgreSQL"}
"""Group of jars to what Spark needs it for."""
EXTRA = "PLUMBLINE_EXTRA_JARS"


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def ensure_jars(home: Home, say: ivy.Say = _to_stderr, *, groups: Sequence[str] = GROUPS) -> None:
    """Make these groups of `home.jars` complete: nothing when they are, else download, check and put in place.

    `groups` are GROUPS together, or one of OPTIONAL. `say` gets progress lines. $PLUMBLINE_IVY_SETTINGS names an
    ivysettings file for machines behind a mirror.
    Raises SetupError when the download fails or a file's sum is not the one in the lock.
    """
    part = _Part(home.jars, tuple(groups))
    if part.is_complete():
        return
    with locked(home.jars / ".lock"):
        if part.is_complete():
            return
        if not part.adopt():
            _download(part, say)


def spark_jars(home: Home) -> list[Path]:
    """The jars of Spark's class path: Plumbline's, sorted, then those that were added, then $PLUMBLINE_EXTRA_JARS.

    Raises SetupError when one of Plumbline's is missing, or what the variable names is not a folder with jars.
    """
    added = [group for group in OPTIONAL if (home.jars / group).is_dir()]
    return [*_present(home, "spark"), *(jar for group in added for jar in _present(home, group)), *_extra_jars()]


def broker_jars(home: Home) -> list[Path]:
    """The jars of the local broker's class path, sorted. Raises SetupError when one is missing."""
    return _present(home, "broker")


def read_lock(groups: Sequence[str] = GROUPS) -> dict[str, str]:
    """`{"spark/name.jar": sha256, ...}` of the packaged lock file, for these groups."""
    lines = (line.split(maxsplit=1) for line in LOCK.read_text().splitlines() if line)
    return {name: digest for digest, name in lines if name.partition("/")[0] in groups}


def _present(home: Home, group: str) -> list[Path]:
    paths = sorted(home.jars / name for name in read_lock([group]))
    for path in paths:
        if not path.is_file():
            added = f" --add {group}" if group in OPTIONAL else ""
            raise SetupError(
                f"the {group} jars are not complete: {path.name} is missing",
                where=str(home.jars),
                next_step=f"plumbline jars{added}{home.option}",
            )
    return paths


def _extra_jars() -> list[Path]:
    found: list[Path] = []
    for folder in filter(None, os.environ.get(EXTRA, "").split(os.pathsep)):
        jars = sorted(Path(folder).expanduser().absolute().glob("*.jar"))
        if not jars:
            raise SetupError(
                f"{EXTRA} names {folder}, where no jar is",
                where=EXTRA,
                next_step=f"name folders that hold jars, separated by {os.pathsep!r}, or unset it",
            )
        found += jars
    return found


def _wrong_files(folder: Path, lock: Mapping[str, str]) -> list[str]:
    return [n for n, digest in lock.items() if not (folder / n).is_file() or _sha256(folder / n) != digest]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class _Part:
    """The groups of jars that are downloaded together, with the marker that is written when all of them are there."""

    folder: Path
    groups: tuple[str, ...]

    @property
    def marker(self) -> Path:
        return self.folder / (MARKER if self.groups == GROUPS else f"{self.groups[0]}.{MARKER}")

    def lock(self) -> dict[str, str]:
        return read_lock(self.groups)

    def lock_digest(self) -> str:
        return hashlib.sha256(json.dumps(self.lock(), sort_keys=True).encode()).hexdigest()

    def is_complete(self) -> bool:
        """Whether the marker was written for this lock and every file still has its size: no hashing of 112 MB."""
        try:
            marker = json.loads(self.marker.read_text())
            if marker["lock"] != self.lock_digest():
                return False
            return all((self.folder / name).stat().st_size == size for name, size in marker["sizes"].items())
        except (OSError, ValueError, KeyError):
            return False

    def adopt(self) -> bool:
        """Take a folder without a marker that holds exactly the locked files (a copy, or a lost marker)."""
        lock = self.lock()
        if not all((self.folder / name).is_file() for name in lock) or _wrong_files(self.folder, lock):
            return False
        self.mark()
        return True

    def mark(self) -> None:
        sizes = {name: (self.folder / name).stat().st_size for name in self.lock()}
        draft = self.folder / f"{self.marker.name}.{os.getpid()}"
        draft.write_text(json.dumps({"lock": self.lock_digest(), "sizes": sizes}))
        draft.replace(self.marker)

    def refuse_others(self) -> None:
        """Raise SetupError where a folder that a download replaces holds what no download put there."""
        known = set(self.lock())
        with suppress(OSError, ValueError, KeyError, TypeError):
            known |= set(json.loads(self.marker.read_text())["sizes"])
        there = (path for group in self.groups for path in (self.folder / group).rglob("*") if not path.is_dir())
        for path in there:
            if str(path.relative_to(self.folder)) not in known:
                raise SetupError(
                    f"{path.parent} holds {path.name}, which is not one of Plumbline's jars; that folder would be "
                    "replaced",
                    where=str(self.folder),
                    next_step="name a folder of its own with PLUMBLINE_JARS, or move what is there away",
                )


def _download(part: _Part, say: ivy.Say) -> None:
    part.refuse_others()
    for left_over in part.folder.glob(".resolve-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    draft = Path(tempfile.mkdtemp(prefix=".resolve-", dir=part.folder))
    try:
        lock = part.lock()
        ivy.resolve(draft, part.groups, len(lock), say)
        wrong = _wrong_files(draft, lock)
        if wrong:
            raise SetupError(
                f"{len(wrong)} downloaded jars are missing or not the ones in the lock, first {wrong[0]}",
                where=str(LOCK),
                next_step="check the repository you download from, clear Ivy's cache (~/.ivy2/cache), try again",
            )
        for group in part.groups:
            shutil.rmtree(part.folder / group, ignore_errors=True)
            (draft / group).rename(part.folder / group)
        part.mark()
        say(f"jars: complete in {part.folder}")
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def make_lock(folder: Path) -> str:
    """The text of a lock file for the jars in `folder`, 'sha256  group/name.jar' lines sorted by name."""
    jars = sorted(path for group in (*GROUPS, *OPTIONAL) for path in (folder / group).glob("*.jar"))
    return "".join(f"{_sha256(jar)}  {jar.relative_to(folder)}\n" for jar in jars)


if __name__ == "__main__":
    if sys.argv[1:] != ["--lock"]:
        sys.exit(
            "usage: python -m plumbline.connect.jars --lock   (resolves connect/ivy.xml, writes connect/jars.lock)"
        )
    with tempfile.TemporaryDirectory() as fresh:
        every = (*GROUPS, *OPTIONAL)
        ivy.resolve(Path(fresh), every, len(read_lock(every)), _to_stderr)
        LOCK.write_text(make_lock(Path(fresh)))
