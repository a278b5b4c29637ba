"""The jars: recognised when complete, checked by their sums, never half in place."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from plumbline import cli
from plumbline.connect import jars
from plumbline.connect.home import Home
from plumbline.contract.errors import SetupError

REPO_JARS = Path(os.environ["PLUMBLINE_JARS"])


@pytest.fixture(scope="module")
def all_jars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the jars beside the temporary folders of the tests, to link to."""
    folder = tmp_path_factory.mktemp("all-jars")
    for name in jars.read_lock():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPO_JARS / name, folder / name)
    return folder


@pytest.fixture
def copied(all_jars: Path, tmp_path: Path) -> Home:
    """A home with all jars (hard links) but no marker."""
    home = Home(tmp_path / "home", tmp_path / "jars")
    for name in jars.read_lock():
        target = home.jars / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.hardlink_to(all_jars / name)
    return home


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ivy settings with an empty cache and a repository on a port where nothing listens."""
    settings = tmp_path / "ivysettings.xml"
    settings.write_text(
        f'<ivysettings><settings defaultResolver="r"/><caches defaultCacheDir="{tmp_path}/cache"/>'
        '<resolvers><ibiblio name="r" m2compatible="true" root="http://127.0.0.1:9/"/></resolvers></ivysettings>'
    )
    monkeypatch.setenv("PLUMBLINE_IVY_SETTINGS", str(settings))
    return settings


def test_the_lock_is_that_of_the_resolved_jars() -> None:
    optional = set(jars.read_lock(list(jars.OPTIONAL)))
    listed = [line for line in jars.LOCK.read_text().splitlines(keepends=True) if line.split()[1] not in optional]
    assert [
        line for line in jars.make_lock(REPO_JARS).splitlines(keepends=True) if line.split()[1] not in optional
    ] == (listed)


def test_a_copied_folder_is_checked_once_and_then_known_at_once(copied: Home) -> None:
    said: list[str] = []
    jars.ensure_jars(copied, said.append)
    assert said == []
    before = time.perf_counter()
    jars.ensure_jars(copied, said.append)
    assert time.perf_counter() - before < 0.1
    assert len(jars.spark_jars(copied)) == 8
    assert len(jars.broker_jars(copied)) == 44


def test_a_changed_jar_is_never_taken(copied: Home, offline: Path) -> None:
    victim = copied.jars / "spark" / "kafka-clients-3.9.1.jar"
    content = victim.read_bytes()
    victim.unlink()
    victim.write_bytes(b"X" + content[1:])
    with pytest.raises(SetupError, match="downloading the jars failed"):
        jars.ensure_jars(copied, lambda line: None)


def test_a_jar_that_vanished_or_shrank_is_noticed(copied: Home, offline: Path) -> None:
    jars.ensure_jars(copied)
    (copied.jars / "broker" / "re2j-1.8.jar").unlink()
    with pytest.raises(SetupError, match=r"re2j-1\.8\.jar is missing.*Next: plumbline jars"):
        jars.broker_jars(copied)
    with pytest.raises(SetupError, match="downloading the jars failed"):
        jars.ensure_jars(copied, lambda line: None)


@pytest.mark.parametrize("name", ["spark/bin/spark-submit", "spark/mine.jar", "broker/notes.txt"])
def test_a_folder_with_other_files_is_never_replaced(tmp_path: Path, offline: Path, name: str) -> None:
    """`PLUMBLINE_JARS` names a folder in which a Spark of one's own is."""
    home = Home(tmp_path / "home", tmp_path / "opt")
    (home.jars / name).parent.mkdir(parents=True)
    (home.jars / name).write_text("mine")
    with pytest.raises(SetupError, match=r"not one of Plumbline's jars.*PLUMBLINE_JARS"):
        jars.ensure_jars(home, lambda line: None)
    assert (home.jars / name).read_text() == "mine"


def test_jars_of_an_earlier_version_are_replaced(copied: Home, offline: Path) -> None:
    jars.ensure_jars(copied)
    marker = json.loads((copied.jars / jars.MARKER).read_text())
    marker["sizes"]["spark/older-1.0.jar"] = 1
    (copied.jars / jars.MARKER).write_text(json.dumps(marker))
    (copied.jars / "spark" / "older-1.0.jar").write_text("x")
    (copied.jars / "broker" / "re2j-1.8.jar").unlink()
    with pytest.raises(SetupError, match="downloading the jars failed"):
        jars.ensure_jars(copied, lambda line: None)


def test_offline_is_one_line_and_leaves_nothing(tmp_path: Path, offline: Path) -> None:
    home = Home(tmp_path / "home", tmp_path / "jars")
    with pytest.raises(SetupError, match=r"downloading the jars failed: .+PLUMBLINE_IVY_SETTINGS") as failure:
        jars.ensure_jars(home, lambda line: None)
    assert "\n" not in str(failure.value)
    assert [path.name for path in home.jars.iterdir()] == [".lock"]


@pytest.mark.java
def test_a_missing_settings_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLUMBLINE_IVY_SETTINGS", "/nowhere/ivysettings.xml")
    with pytest.raises(SetupError, match=r"PLUMBLINE_IVY_SETTINGS names does not exist \[/nowhere"):
        jars.ensure_jars(Home(tmp_path, tmp_path / "jars"), lambda line: None)


def test_two_processes_at_once(copied: Home) -> None:
    code = "import sys; from pathlib import Path; from plumbline.connect.home import Home;"
    code += "from plumbline.connect.jars import ensure_jars;"
    code += "ensure_jars(Home(Path('.'), Path(sys.argv[1])))"
    both = [subprocess.Popen([sys.executable, "-c", code, str(copied.jars)]) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert (copied.jars / jars.MARKER).exists()


def test_missing_jars_say_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="spark jars are not complete"):
        jars.spark_jars(Home(tmp_path, tmp_path / "none"))


@pytest.fixture
def driver(copied: Home, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of PostgreSQL's jar in the home, whose place in the lock has the sum of a small file."""
    [name] = jars.read_lock(["postgres"])
    (copied.jars / "postgres").mkdir()
    (copied.jars / name).write_text("a driver")
    lock = copied.jars.parent / "jars.lock"
    other = [line for line in jars.LOCK.read_text().splitlines() if "postgres/" not in line]
    lock.write_text("\n".join([*other, f"{hashlib.sha256(b'a driver').hexdigest()}  {name}", ""]))
    monkeypatch.setattr(jars, "LOCK", lock)
    return name


def test_jars_that_were_added_are_on_the_class_path_of_spark(copied: Home, driver: str, offline: Path) -> None:
    jars.ensure_jars(copied, groups=["postgres"])
    assert jars.spark_jars(copied)[-1] == copied.jars / driver
    (copied.jars / driver).write_text("b driver")
    (copied.jars / f"postgres.{jars.MARKER}").unlink()
    with pytest.raises(SetupError, match="downloading the jars failed"):
        jars.ensure_jars(copied, groups=["postgres"])
    (copied.jars / driver).unlink()
    with pytest.raises(SetupError, match=r"the postgres jars are not complete.*Next: plumbline jars --add postgres"):
        jars.spark_jars(copied)
    assert len(jars.broker_jars(copied)) == 44


def test_jars_that_were_not_added_are_not_asked_for(copied: Home) -> None:
    assert {path.parent.name for path in jars.spark_jars(copied)} == {"spark"}


def test_jars_of_ones_own_come_last(copied: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [tmp_path / "a b", tmp_path / "more"]
    for folder in folders:
        folder.mkdir()
        (folder / f"{folder.name}.jar").touch()
        (folder / "notes.txt").touch()
    monkeypatch.setenv("PLUMBLINE_EXTRA_JARS", os.pathsep.join(map(str, folders)))
    assert jars.spark_jars(copied)[-2:] == [tmp_path / "a b" / "a b.jar", tmp_path / "more" / "more.jar"]
    monkeypatch.setenv("PLUMBLINE_EXTRA_JARS", str(tmp_path / "none"))
    with pytest.raises(SetupError, match=r"PLUMBLINE_EXTRA_JARS names .*none, where no jar is"):
        jars.spark_jars(copied)


def test_an_unknown_name_of_jars_is_refused() -> None:
    result = CliRunner().invoke(cli.cli, ["jars", "--add", "oracle"])
    assert str(result.exception).startswith("--add oracle: there are no such jars. Next: use s3, postgres;")
