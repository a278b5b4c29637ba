"""What a clean clone is installed from: the lock, the Makefile, the package's files, the CI script."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import requires
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOCKS = {"requirements.lock": tuple(EXTRAS), "requirements-demo.lock": ("flights", "checkout")}
"""Each lock file and the extras that it holds besides what all need."""


def pins(lock: str) -> dict[str, str]:
    """Package to version."""
    found = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", (ROOT / lock).read_text(), re.M)
    return {name.lower(): pin for name, pin in found}


def wanted(lock: str) -> list[Requirement]:
    lines = [*PROJECT["dependencies"], *(line for extra in LOCKS[lock] for line in EXTRAS[extra])]
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_every_dependency_in_its_range(lock: str) -> None:
    for requirement in wanted(lock):
        pin = pins(lock)[requirement.name.lower().replace("_", "-")]
        assert requirement.specifier.contains(pin), f"{requirement}: {pin}; run make lock"


def test_the_demo_installs_the_versions_that_the_tests_prove_and_none_of_their_tools() -> None:
    all_pins, of_demo = pins("requirements.lock"), pins("requirements-demo.lock")
    assert of_demo.items() <= all_pins.items()
    tools = {Requirement(line).name.lower() for extra in ("dev", "docs") for line in EXTRAS[extra]}
    assert tools - set(of_demo) == tools
    assert len(of_demo) < 0.6 * len(all_pins)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_hashes(lock: str) -> None:
    entries = re.split(r"^(?=[A-Za-z0-9])", (ROOT / lock).read_text(), flags=re.M)[1:]
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_a_lock_is_complete_for(python: str, lock: str) -> None:
    """No locked package asks, on that Python, for one that the lock (made on 3.11) lacks."""
    held = set(pins(lock))
    environment = {**default_environment(), "python_version": python, "python_full_version": f"{python}.0", "extra": ""}
    missing = set()
    for name in held:
        for line in requires(name) or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate(environment):
                missing |= {requirement.name.lower().replace("_", "-").replace(".", "-")} - held
    assert missing == set()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of what git knows, built from the source archive as an index's users would get it."""
    clone, built = tmp_path_factory.mktemp("clone"), tmp_path_factory.mktemp("built")
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).exists():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone / name, follow_symlinks=False)
    build = f"from setuptools import build_meta as b; print(b.build_sdist({str(built)!r}))"
    archive = subprocess.run([sys.executable, "-c", build], cwd=clone, capture_output=True, text=True, check=True)
    shutil.unpack_archive(built / archive.stdout.splitlines()[-1], built, filter="data")
    [unpacked] = (path for path in built.iterdir() if path.is_dir())
    build = build.replace("sdist", "wheel")
    made = subprocess.run([sys.executable, "-c", build], cwd=unpacked, capture_output=True, text=True, check=True)
    return built / made.stdout.splitlines()[-1]


def test_a_wheel_holds_one_package_with_its_data_files(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert {name.partition("/")[0] for name in held} == {"plumbline"}
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    floors = [path.name for path in (ROOT / "plumbline").iterdir() if path.is_symlink()]
    wanted = {
        name if name.startswith("plumbline/") else f"plumbline/{name}"
        for name in listed.stdout.splitlines()
        if name.split("/")[0] in ("plumbline", *floors) and not (ROOT / name).is_symlink()
    }
    assert {name for name in wanted if not name.endswith((".md", ".pyi"))} - held == set()
    assert len(wanted) > 300


def test_a_wheel_needs_no_checkout(wheel: Path, tmp_path: Path) -> None:
    """From its wheel alone, beside another package that is called `replay`, as one on the index is."""
    with ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    (tmp_path / "replay").mkdir()
    (tmp_path / "replay" / "__init__.py").write_text("OTHER = True")
    code = "import replay, plumbline.replay.plan, plumbline.cli; print(replay.OTHER, plumbline.__file__)"
    run = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=True,
    )
    assert run.stdout == f"True {tmp_path / 'plumbline' / '__init__.py'}\n"


def test_make_help_lists_the_targets() -> None:
    shown = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    listed = [line.split()[0] for line in shown.splitlines()]
    assert {"help", "install", "demo", "test", "test-quick", "lint", "lock", "clean"} <= set(listed)


def preflight(**environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "plumbline.preflight"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, **environment})


@pytest.mark.java
def test_a_fit_machine_passes() -> None:
    assert preflight().returncode == 0


def test_a_machine_without_java_is_told_so_in_one_line(tmp_path: Path) -> None:
    run = preflight(PATH=str(tmp_path), JAVA_HOME="")
    assert run.returncode == 3
    assert run.stderr.startswith("error: Java is missing")
    assert "Next: install a Java 17" in run.stderr
    assert run.stderr.count("\n") == 1


def test_make_without_a_fit_python_is_one_clear_line(tmp_path: Path) -> None:
    """In a copy without .venv, with a PATH that holds only what make itself needs."""
    for name in ("Makefile", *LOCKS, "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "bin").mkdir()
    for tool in ("sh", "test", "env"):
        (tmp_path / "bin" / tool).symlink_to(str(shutil.which(tool)))
    make = str(shutil.which("make"))
    environment = {"PATH": str(tmp_path / "bin")}
    for target in ("install", "demo"):
        run = subprocess.run([make, target], cwd=tmp_path, capture_output=True, text=True, env=environment)
        assert run.returncode != 0
        assert run.stderr.startswith("error: no Python 3.11 or newer on PATH. Next: install one")
        assert not (tmp_path / ".venv").exists()


def test_ci_runs_the_test_command_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    awk = re.search(r"awk '([^']+)' README.md", script)
    assert awk
    found = subprocess.run(["awk", awk[1], "README.md"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout == "make test\n"
