#!/usr/bin/env bash
# DuckDB 2.0.1 reads through a file system of fsspec's (`register_filesystem`) in several threads: it moves one file
# object, then reads from it (duckdb-python, `PythonFilesystem::Read`). Where the file's methods let go of Python's lock,
# as those of real files and of Arrow do, a thread reads where another one has moved the file to. Sums of one Parquet
# file are then wrong, mostly without an error; with `threads = 1` too, as eight more threads read ahead (the setting
# `async_threads`). They are right where every thread has a position of its own: a file object whose `seek` notes it per
# thread and whose `read` reads from there.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.1 fsspec==2026.9.0 pyarrow==26.0.1 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - 2>"$work/log" <<'PY' | tee "$work/seen" || { cat "$work/log" >&2; exit 1; }
import os
import threading

import duckdb, numpy as np, pyarrow as pa, pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

ROWS, ROUNDS = 2_000_000, 60
pq.write_table(
    pa.table({f"c{n}": np.arange(ROWS) for n in range(8)}), "rows.parquet",
    row_group_size=50_000, compression="none", use_dictionary=False,
)
SUMS = ", ".join(f"sum(c{n})" for n in range(8))
RIGHT = [(ROWS * (ROWS - 1) // 2,) * 8]


class Here(LocalFileSystem):
    """fsspec's own local files, under a name that DuckDB does not take for itself."""

    protocol = "here"

    @classmethod
    def _strip_protocol(cls, path):
        return path.removeprefix("here://")


class Apart:
    """A file with a position for each thread."""

    def __init__(self, name):
        self.file, self.own = os.open(name, os.O_RDONLY), threading.local()

    def seek(self, offset):
        self.own.at = offset

    def read(self, size):
        return os.pread(self.file, size, self.own.at)

    def close(self):
        os.close(self.file)


class PerThread(Here):
    def open(self, path, mode="rb", **_):
        return Apart(self._strip_protocol(path))


def wrong(files, threads):
    con = duckdb.connect(config={"threads": threads})
    con.register_filesystem(files)
    for _ in range(ROUNDS):
        try:
            if con.execute(f"select {SUMS} from read_parquet('here://{os.getcwd()}/rows.parquet')").fetchall() != RIGHT:
                return True
        except duckdb.Error:
            continue
    return False


for name, files, threads in (("fsspec", Here(), 4), ("fsspec", Here(), 1), ("a position per thread", PerThread(), 4)):
    print(f"{name}, threads = {threads}: {'a wrong sum, without an error' if wrong(files, threads) else 'right sums'}")
PY
diff "$work/seen" - <<'SEEN' && echo "as described"
fsspec, threads = 4: a wrong sum, without an error
fsspec, threads = 1: a wrong sum, without an error
a position per thread, threads = 4: right sums
SEEN
