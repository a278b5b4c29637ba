"""Iceberg tables that another engine wrote, kept in the repository as an archive and put into a test's lake.

Files of position deletes name data files by absolute paths. So the tables were written below a root of LENGTH
characters, uncompressed, and are put below one of that length: no data file or delete file is written anew.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

from plumbline.connect.avro_paths import exchange_paths
from plumbline.connect.lake import Lake

LENGTH = 160
"""Characters of the root; record.sh of the recorded tables has it too."""
SHORTEST = 30
"""Bounds in Parquet's footer may hold a beginning of a path only: one of the root's counts from that length on."""


def unpacked(archive: Path, folder: Path) -> Path:
    """The archive's content below `folder`, as if it had been written there: `made/NAME` and what lies beside it."""
    root = folder / ("r" * (LENGTH - len(str(folder)) - 1))
    with tarfile.open(archive) as held:
        held.extractall(root, filter="data")
    old = (root / "root").read_text().strip()
    assert len(old) == len(str(root)) == LENGTH
    lengths: dict[str, int] = {}
    for path in sorted(root.rglob("*.avro"), key=lambda path: path.name.startswith("snap-")):
        made = exchange_paths(path.read_bytes(), lambda text: text.replace(old, str(root)), (), lengths).content
        path.write_bytes(made)
        lengths |= {f"{scheme}{path}": len(made) for scheme in ("", "file:", "file://")}
    for path in root.rglob("*"):
        if path.suffix in (".json", ".parquet", ".puffin"):
            content = path.read_bytes()
            for length in range(LENGTH, SHORTEST, -1):
                content = content.replace(old[:length].encode(), str(root)[:length].encode())
            path.write_bytes(content)
    return root


def register(lake: Lake, root: Path, *names: str) -> None:
    """Put tables of a Hadoop catalog into the lake's, at their newest version."""
    lake.catalog().create_namespace_if_not_exists("made")
    for name in names:
        found = (root / "made" / name / "metadata").glob("v*.metadata.json")
        newest = max(found, key=lambda path: int(path.name.removeprefix("v").partition(".")[0]))
        lake.catalog().register_table(f"made.{name}", f"file://{newest}")
