"""The jars that Spark and the broker need, brought once by the Apache Ivy that pyspark ships.

`jars.lock` lists every file with its SHA-256; a folder counts only when all of them are there. Ivy resolves into a
temporary folder, the sums are checked there, then the folders are renamed in place and the marker is written last.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from plumbline.connect import ivy
from plumbline.connect.home import Home
from plumbline.connect.locks import locked
from plumbline.contract.errors import SetupError

HERE = Path(__file__).parent
LOCK = HERE / "jars.lock"
MARKER = "complete.json"
GROUPS = ("spark", "broker")


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def ensure_jars(home: Home, say: ivy.Say = _to_stderr) -> None:
    """Make `home.jars` complete: nothing when it is, else download, check and put in place. `say` gets progress lines.

    $PLUMBLINE_IVY_SETTINGS names an ivysettings file for machines behind a mirror.
    Raises SetupError when the download fails or a file's sum is not the one in the lock.
    """
    if _is_complete(home.jars):
        return
    with locked(home.jars / ".lock"):
        if _is_complete(home.jars):
            return
        if not _adopt(home.jars):
            _download(home.jars, say)


def spark_jars(home: Home) -> list[Path]:
    """The jars of Spark's driver class path, sorted. Raises SetupError when one is missing."""
    return _present(home, "spark")


def broker_jars(home: Home) -> list[Path]:
    """The jars of the local broker's class path, sorted. Raises SetupError when one is missing."""
    return _present(home, "broker")


def read_lock() -> dict[str, str]:
    """`{"spark/name.jar": sha256, ...}` of the packaged lock file."""
    lines = (line.split(maxsplit=1) for line in LOCK.read_text().splitlines() if line)
    return {name: digest for digest, name in lines}


def _present(home: Home, group: str) -> list[Path]:
    paths = sorted(home.jars / name for name in read_lock() if name.startswith(group + "/"))
    for path in paths:
        if not path.is_file():
            raise SetupError(
                f"the {group} jars are not complete: {path.name} is missing",
                where=str(home.jars),
                next_step=f"plumbline jars{home.option}",
            )
    return paths


def _lock_digest() -> str:
    return hashlib.sha256(LOCK.read_bytes()).hexdigest()


def _is_complete(folder: Path) -> bool:
    """Whether the marker was written for this lock and every file still has its size: no hashing of 112 MB."""
    try:
        marker = json.loads((folder / MARKER).read_text())
        if marker["lock"] != _lock_digest():
            return False
        return all((folder / name).stat().st_size == size for name, size in marker["sizes"].items())
    except (OSError, ValueError, KeyError):
        return False


def _wrong_files(folder: Path, lock: Mapping[str, str]) -> list[str]:
    return [n for n, digest in lock.items() if not (folder / n).is_file() or _sha256(folder / n) != digest]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _adopt(folder: Path) -> bool:
    """Take a folder without a marker that holds exactly the locked files (a copy, or a lost marker)."""
    lock = read_lock()
    if not all((folder / name).is_file() for name in lock) or _wrong_files(folder, lock):
        return False
    _mark(folder)
    return True


def _mark(folder: Path) -> None:
    sizes = {name: (folder / name).stat().st_size for name in read_lock()}
    draft = folder / f"{MARKER}.{os.getpid()}"
    draft.write_text(json.dumps({"lock": _lock_digest(), "sizes": sizes}))
    draft.replace(folder / MARKER)


def _refuse_others(folder: Path) -> None:
    """Raise SetupError where a folder that a download replaces holds what no download put there."""
    try:
        known = {*read_lock(), *json.loads((folder / MARKER).read_text())["sizes"]}
    except (OSError, ValueError, KeyError, TypeError):
        known = set(read_lock())
    there = (path for group in GROUPS for path in (folder / group).rglob("*") if not path.is_dir())
    for path in there:
        if str(path.relative_to(folder)) not in known:
            raise SetupError(
                f"{path.parent} holds {path.name}, which is not one of Plumbline's jars; that folder would be replaced",
                where=str(folder),
                next_step="name a folder of its own with PLUMBLINE_JARS, or move what is there away",
            )


def _download(folder: Path, say: ivy.Say) -> None:
    _refuse_others(folder)
    for left_over in folder.glob(".resolve-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    draft = Path(tempfile.mkdtemp(prefix=".resolve-", dir=folder))
    try:
        lock = read_lock()
        ivy.resolve(draft, len(lock), say)
        wrong = _wrong_files(draft, lock)
        if wrong:
            raise SetupError(
                f"{len(wrong)} downloaded jars are missing or not the ones in the lock, first {wrong[0]}",
                where=str(LOCK),
                next_step="check the repository you download from, clear Ivy's cache (~/.ivy2/cache), try again",
            )
        for group in GROUPS:
            shutil.rmtree(folder / group, ignore_errors=True)
            (draft / group).rename(folder / group)
        _mark(folder)
        say(f"jars: complete in {folder}")
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def make_lock(folder: Path) -> str:
    """The text of a lock file for the jars in `folder`, 'sha256  group/name.jar' lines sorted by name."""
    jars = sorted(path for group in GROUPS for path in (folder / group).glob("*.jar"))
    return "".join(f"{_sha256(jar)}  {jar.relative_to(folder)}\n" for jar in jars)


if __name__ == "__main__":
    if sys.argv[1:] != ["--lock"]:
        sys.exit(
            "usage: python -m plumbline.connect.jars --lock   (resolves connect/ivy.xml, writes connect/jars.lock)"
        )
    with tempfile.TemporaryDirectory() as fresh:
        ivy.resolve(Path(fresh), len(read_lock()), _to_stderr)
        LOCK.write_text(make_lock(Path(fresh)))
