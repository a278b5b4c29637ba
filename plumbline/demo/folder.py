"""The demo's folder: made afresh each time, and never a folder that is not the demo's."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path

from plumbline.connect.home import Home
from plumbline.connect.locks import locked
from plumbline.contract.errors import UsageError

MARK = ".plumbline-demo"


def alone(folder: Path) -> AbstractContextManager[None]:
    """Hold `folder` for one demo; raises UnreachableError while another works in it. The lock lies beside no folder
    of the user's, and not in the demo's own, which goes away."""
    name = hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:16]
    return locked(
        Path(tempfile.gettempdir()) / f"plumbline-demo-{name}.lock", f"a demo already works in {str(folder)!r}"
    )


def prepare(folder: Path, jars: Path) -> tuple[Home, Path, Path]:
    """An empty demo home at `folder` with both contracts in it; returns the home and the paths of rows and numbers.

    An earlier demo there is removed (its broker is stopped first); raises UsageError for any other folder with files.
    The jars are linked, so that later commands find them through `--home` alone.
    """
    folder = folder.absolute()
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).is_file():
        raise UsageError(
            f"{str(folder)!r} has files in it and is not an earlier demo",
            next_step="name an empty or new folder: `plumbline demo --home FOLDER`",
        )
    home = Home(folder, jars)
    if folder.exists():
        _remove(home)
    folder.mkdir(parents=True)
    (folder / MARK).write_text("made by `plumbline demo`, which removes this whole folder before it starts again\n")
    (folder / "jars").symlink_to(jars)
    rows, numbers = (folder / example.name for example in (example_contract(), numbers_contract()))
    rows.write_text(example_contract().read_text())
    numbers.write_text(numbers_contract().read_text())
    return home, rows, numbers


def example_contract() -> Path:
    """The contract of the flights example: departures with their arrivals."""
    return Path(__file__).with_name("flights") / "flights.yaml"


def numbers_contract() -> Path:
    """The contract of its aggregate: the same per carrier and day."""
    return Path(__file__).with_name("flights") / "carriers.yaml"


def _remove(home: Home) -> None:
    from plumbline.connect import broker

    broker.stop(home)
    shutil.rmtree(home.root)
