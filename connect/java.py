"""The Java that Spark and the local broker run on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from plumbline.contract.errors import SetupError

OLDEST = 17
INSTALL = "install a Java 17 or 21 runtime (Debian: apt install openjdk-17-jre-headless) and point JAVA_HOME at it"


def find_java() -> Path:
    """The `java` that Spark's launcher would take too: $JAVA_HOME/bin/java, else the one on PATH.

    Raises SetupError when there is none, when it does not run, or when it is older than Java 17.
    """
    return _checked(_located(), os.environ.get("JAVA_HOME", ""))


def _located() -> Path:
    home = os.environ.get("JAVA_HOME")
    if home:
        java = Path(home) / "bin" / "java"
        if not java.is_file():
            raise SetupError(f"JAVA_HOME is {home}, but there is no bin/java in it", next_step=INSTALL)
        return java
    found = shutil.which("java")
    if not found:
        raise SetupError("Java is missing: no JAVA_HOME and no java on PATH", next_step=INSTALL)
    return Path(found)


@lru_cache(maxsize=4)
def _checked(java: Path, _java_home: str) -> Path:
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(f"Java does not run: {error}", where=str(java), next_step=INSTALL) from None
    version = major_version(answer.stderr + answer.stdout)
    if version is None:
        raise SetupError("java -version gave no version", where=str(java), next_step=INSTALL)
    if version < OLDEST:
        raise SetupError(
            f"Java {version} is too old, Java 17 is the oldest that works", where=str(java), next_step=INSTALL
        )
    return java


def major_version(banner: str) -> int | None:
    """The major number in `java -version`'s banner: 17 for `"17.0.15"`, 8 for `"1.8.0_392"`, None if there is none."""
    found = re.search(r'version "(?:1\.)?(\d+)', banner)
    return int(found[1]) if found else None


def utf8(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for a JVM, which reads paths in its locale: where that is none of UTF-8's, C.UTF-8."""
    told = environment.get("LC_ALL") or environment.get("LC_CTYPE") or environment.get("LANG") or ""
    return dict(environment) if "UTF" in told.upper() else {**environment, "LC_ALL": "C.UTF-8"}
