"""Where the embedded default keeps its files: one folder for jars, broker, lake, checkpoints and tapes."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path


def on_this_disk(path: str | Path) -> str:
    """A local path as Spark needs it: with its scheme, since without one it is in Hadoop's default file system, which
    HADOOP_CONF_DIR may set to another. Plain text: Hadoop's Path decodes nothing."""
    return f"file://{path}"


def read_from_this_disk(path: str | Path) -> str:
    """A local path as Spark's readers need it: they take the path for a pattern. A stream of files finds nothing by
    `[1]`, and says nothing; its option `__globPaths__` is only for batch reads (Spark 4.1)."""
    return on_this_disk(re.sub(r"([\[\]{}*?\\])", r"\\\1", str(path)))


@dataclass(frozen=True)
class Home:
    """The folders of one installation. `root` and `jars` are absolute; nothing is created by asking for a path."""

    root: Path
    jars: Path

    @classmethod
    def resolve(cls, path: str | Path | None = None) -> Home:
        """`path`, else $PLUMBLINE_HOME, else `.plumbline`; jars in $PLUMBLINE_JARS, else in `<root>/jars`."""
        root = Path(path or os.environ.get("PLUMBLINE_HOME") or ".plumbline").expanduser().absolute()
        jars = os.environ.get("PLUMBLINE_JARS")
        return cls(root, Path(jars).expanduser().absolute() if jars else root / "jars")

    @property
    def option(self) -> str:
        """` --home DIR` for a command that is shown to the user; empty when the command would take this home anyway."""
        if self.root == Home.resolve().root:
            return ""
        here = Path.cwd()
        shown = self.root.relative_to(here) if self.root.is_relative_to(here) else self.root
        return f" --home {shlex.quote(str(shown))}"

    @property
    def lake(self) -> Path:
        return self.root / "lake"

    @property
    def broker(self) -> Path:
        return self.root / "broker"

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints"

    @property
    def replays(self) -> Path:
        return self.root / "replays"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    def checkpoint(self, contract_name: str) -> Path:
        """The checkpoint folder of one contract's stream job."""
        return self.checkpoints / contract_name
