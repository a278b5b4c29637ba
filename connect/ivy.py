"""Apache Ivy, which pyspark ships: resolves `ivy.xml` into a folder. Options: Ivy reference, "Standalone"."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from plumbline.connect.java import find_java
from plumbline.connect.processes import die_with_parent
from plumbline.contract.errors import SetupError

MODULE = Path(__file__).parent / "ivy.xml"
SETTINGS = "PLUMBLINE_IVY_SETTINGS"
SIGNS = ("UnknownHostException", "Host ", "refused", "timed out", "SSL", "Server access", "UNRESOLVED", "FAILED")

Say = Callable[[str], None]


def pyspark_jars() -> Path:
    """The folder of the jars inside the installed pyspark, found without importing it."""
    spec = importlib.util.find_spec("pyspark")
    if spec is None or not spec.submodule_search_locations:
        raise SetupError("pyspark is not installed", next_step="run make install")
    return Path(next(iter(spec.submodule_search_locations))) / "jars"


def resolve(into: Path, configurations: Iterable[str], expected: int, say: Say, module: Path = MODULE) -> None:
    """Bring the jars of these configurations of an ivy.xml to `into/<configuration>/`, `expected` in all.

    `say` gets progress lines. Raises SetupError when Ivy fails.
    """
    say(f"jars: looking up {expected} files (once)")
    with subprocess.Popen(
        _command(into, configurations, module),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        preexec_fn=die_with_parent,
    ) as run:
        assert run.stdout is not None
        try:
            lines = _follow(run.stdout, expected, say)
        except BaseException:
            run.kill()
            raise
    if run.returncode != 0:
        raise SetupError(
            f"downloading the jars failed: {telling_line(lines)}",
            where=os.environ.get(SETTINGS, "Ivy's default repository"),
            next_step=f"check the network, run again; behind a mirror {SETTINGS} names an ivysettings file",
        )


def _follow(output: Iterable[str], expected: int, say: Say) -> list[str]:
    lines: list[str] = []
    looked_up = fetched = 0
    for line in output:
        lines.append(line.strip())
        if lines[-1].startswith("found "):
            looked_up += 1
            if looked_up % 10 == 0:
                say(f"jars: looked up {looked_up}/{expected}")
        elif "[SUCCESSFUL ]" in line and ".jar" in line:
            fetched += 1
            say(f"jars: {fetched}/{expected} {_artifact(line)}")
    return lines


def _artifact(line: str) -> str:
    """`kafka-clients 3.9.1` of Ivy's `[SUCCESSFUL ] org.apache.kafka#kafka-clients;3.9.1!kafka-clients.jar (261ms)`."""
    return line.partition("#")[2].partition("!")[0].replace(";", " ")


def _command(into: Path, configurations: Iterable[str], module: Path) -> list[str]:
    ivy = next(iter(sorted(pyspark_jars().glob("ivy-*.jar"))), None)
    if ivy is None:
        raise SetupError("pyspark has no ivy jar", where=str(pyspark_jars()), next_step="reinstall pyspark")
    pattern = f"{into}/[conf]/[artifact]-[revision](-[classifier]).[ext]"
    # `bundle`: some artifacts are published under that type, scala-logging among them; the broker dies without it.
    wanted = ["-ivy", str(module), "-confs", *configurations, "-retrieve", pattern, "-types", "jar", "bundle"]
    return [str(find_java()), "-jar", str(ivy), *wanted, *_settings()]


def _settings() -> list[str]:
    path = os.environ.get(SETTINGS)
    if path and not Path(path).is_file():
        raise SetupError(f"the file that {SETTINGS} names does not exist", where=path, next_step="correct the path")
    return ["-settings", path] if path else []


def telling_line(lines: list[str]) -> str:
    """The one line of Ivy's report that says why: an unreachable host, else an unresolved name, else its last line."""
    for sign in SIGNS:
        for line in lines:
            if sign in line and line.strip(": ") != sign:
                return line.strip(": ")
    return next((line for line in reversed(lines) if line), "no output")
