"""A command line of ours, in a process of its own or in this one: the latter costs no start and no imports."""

from __future__ import annotations

import io
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

from plumbline.cli import run

Done = subprocess.CompletedProcess[str]


def in_a_process(*words: object, folder: Path) -> Done:
    """Run `plumbline` in a folder, as a user does: all that any library prints is there too."""
    command = [sys.executable, "-m", "plumbline", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder)


def in_here(*words: object, folder: Path) -> Done:
    """The same in this process; it has what Python code printed."""
    said, wrong = io.StringIO(), io.StringIO()
    with chdir(folder), redirect_stdout(said), redirect_stderr(wrong):
        code = run([str(word) for word in words])
    return Done([str(word) for word in words], code, said.getvalue(), wrong.getvalue())
