#!/usr/bin/env bash
# Pathway 0.33.0: interval_join_left with common_behavior(cutoff=...) takes back a row that it has taken back before. A
# left record matches, and its row without a match is withdrawn; the right record is forgotten behind the cutoff; a second
# match within the cutoff comes, and the same row is withdrawn again. A sink that adds up has -1 of it. Without a cutoff
# the changes are right.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pathway==0.33.0
cd "$work"
"$work/venv/bin/python" - 2>"$work/log" <<'PY' | tee "$work/seen" || { cat "$work/log" >&2; exit 1; }
import pathway as pw


class Event(pw.Schema):
    name: str
    at: int


class Changes(pw.io.python.ConnectorObserver):
    def __init__(self, title: str) -> None:
        self.title = title

    def on_change(self, key, row, time, is_addition) -> None:
        print(self.title, "+" if is_addition else "-", row["left"], row["right"])


def join(title: str, **options) -> None:
    """(name, event time, when it comes, 1 for an insert)"""
    left = pw.debug.table_from_rows(Event, [("L19", 19, 2, 1)], is_stream=True)
    rights = [("R14", 14, 4, 1), ("R30", 30, 6, 1), ("R32", 32, 8, 1), ("R29", 29, 10, 1)]
    right = pw.debug.table_from_rows(Event, rights, is_stream=True)
    joined = left.interval_join_left(right, left.at, right.at, pw.temporal.interval(-10, 10), **options)
    pw.io.python.write(joined.select(left=pw.left.name, right=pw.right.name), Changes(title))
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)
    pw.internals.parse_graph.G.clear()


join("cutoff 5:", behavior=pw.temporal.common_behavior(cutoff=5))
join("without:")
PY
LC_ALL=C sort "$work/seen" >"$work/sorted"
diff "$work/sorted" - <<'SEEN' && echo "as described"
cutoff 5: + L19 None
cutoff 5: + L19 R14
cutoff 5: + L19 R29
cutoff 5: - L19 None
cutoff 5: - L19 None
without: + L19 None
without: + L19 R14
without: + L19 R29
without: - L19 None
SEEN
