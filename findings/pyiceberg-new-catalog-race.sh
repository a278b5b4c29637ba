#!/usr/bin/env bash
# PyIceberg 0.12.0: processes that open a new SQL catalog at the same moment are not all served. Each looks for the
# catalog's two tables, then creates what it did not see; who comes second ends with "table iceberg_tables already
# exists", although the catalog is then as it wanted it. Opening it once more works. SQLite's own locks do not help.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'pyiceberg[sql-sqlite,pyarrow]==0.12.0' pyarrow==26.0.1
cd "$work"
cat >open.py <<'PY'
from multiprocessing import Barrier, Process, Queue
from pathlib import Path

from pyiceberg.catalog.sql import SqlCatalog


def opened(folder, barrier, seen):
    where = {"uri": f"sqlite:///{folder}/catalog.db", "warehouse": folder.as_uri()}
    barrier.wait()
    try:
        SqlCatalog("lake", **where)
        seen.put("opened")
    except Exception as error:
        SqlCatalog("lake", **where)
        seen.put("already exists" if "already exists" in str(error) else str(error))


if __name__ == "__main__":
    for number in range(100):
        folder = Path.cwd() / str(number)
        folder.mkdir()
        barrier, seen = Barrier(4), Queue()
        processes = [Process(target=opened, args=(folder, barrier, seen)) for _ in range(4)]
        for process in processes:
            process.start()
        found = {seen.get() for _ in processes}
        for process in processes:
            process.join()
        if found != {"opened"}:
            print("of four processes that open a new catalog some end with:", *sorted(found - {"opened"}))
            break
PY
"$work/venv/bin/python" open.py 2>"$work/log" | tee "$work/seen" || { cat "$work/log" >&2; exit 1; }
diff "$work/seen" - <<'SEEN' && echo "as described"
of four processes that open a new catalog some end with: already exists
SEEN
