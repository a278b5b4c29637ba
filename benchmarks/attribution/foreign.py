"""Which causes of a job that is not ours are told, by what there is to tell them from: recall per cause.

    .venv/bin/python -m benchmarks.attribution.foreign [--alone 2] [--seeds 10] [--seed 1] [--write PAGE]

Plants the kinds of drift of drift_kinds.py, each alone (`--alone` worlds of each) and all together (`--seeds` worlds).
The stream table is then written as a team's own job writes it: with the coordinates of its records, without them beside
archive and ledger, beside the archive alone, and with nothing beside both tables. Prints how many of the planted
findings are told, and exits 1 when one is told wrongly, or when the books do not balance: precision is 100 %, or the
run has failed. What cannot be told must be `unexplained`.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.attribution.drift_kinds import KINDS
from benchmarks.attribution.planting import Label, build
from benchmarks.attribution.their_tables import EVIDENCE, as_theirs
from plumbline.reconcile.causes import registry

ALONE, TOGETHER = "alone", "together"


@dataclass
class Told:
    """Findings per cause that were planted in the worlds of one way, and those told with each kind of evidence.

    `wrong` are findings with a cause that was not planted, and books that do not balance.
    """

    worlds: int = 0
    planted: Counter[str] = field(default_factory=Counter)
    told: dict[str, Counter[str]] = field(default_factory=lambda: {name: Counter() for name in EVIDENCE})
    wrong: list[str] = field(default_factory=list)

    def judge(self, seed: int, kinds: Sequence[str]) -> None:
        """Build a world once for each kind of evidence, leave only that, reconcile, and count."""
        for evidence in EVIDENCE:
            with tempfile.TemporaryDirectory(prefix="foreign-") as folder:
                world, expected = build(seed, kinds, Path(folder))
                as_theirs(world, evidence)
                document = world.reconcile().document
                findings = world.findings()
            where = f"{', '.join(kinds) if len(kinds) < 3 else 'all'}, seed {seed}, {EVIDENCE[evidence]}"
            self._count(evidence, findings, expected, where)
            if not document["balanced"]:
                self.wrong.append(f"{where}: the books do not balance")
        self.worlds += 1
        self.planted.update(cause for _, cause in expected.elements())

    def _count(self, evidence: str, findings: Sequence[dict[str, Any]], expected: Counter[Label], where: str) -> None:
        left = expected.copy()
        for finding in sorted(findings, key=lambda one: _records(one)[1] is None):
            label = _planted(finding, left)
            if label is not None:
                left[label] -= 1
                self.told[evidence][label[1]] += 1
            elif finding["cause"] != "unexplained":
                planted = [one for one in expected if one[0].split()[0] == _records(finding)[0]]
                self.wrong.append(f"{where}: {finding['class']} {_records(finding)} told {finding['cause']}, {planted}")

    def table(self) -> Iterator[str]:
        """The table of the docs, in order of precedence."""
        yield f"| cause | planted | {' | '.join(EVIDENCE.values())} |"
        yield f"|---|---|{'---|' * len(EVIDENCE)}"
        for cause in registry():
            planted = self.planted[cause.name]
            if planted:
                recall = (f"{100 * told[cause.name] / planted:.0f} %" for told in self.told.values())
                yield f"| `{cause.name}` | {planted:,} | {' | '.join(recall)} |"


def _records(finding: dict[str, Any]) -> tuple[str, str | None]:
    """The left event and the right one that a finding is about, by the values of its rows."""
    rows = [row for row in (finding["left_row"], finding["right_row"]) if row]
    return finding["key"]["show_id"], next((row["play_id"] for row in rows if row.get("play_id")), None)


def _planted(finding: dict[str, Any], left: Counter[Label]) -> Label | None:
    """The label that a finding has: of its records; an unmatched row may stand for any match of its left event."""
    show, play = _records(finding)
    exact = f"{show} {play}" if play else show
    of_show = [records for records, cause in left if cause == finding["cause"] and records.split()[0] == show]
    fits = [exact] if play else sorted(of_show, key=lambda records: records != exact)
    return next(((one, finding["cause"]) for one in fits if left[one, finding["cause"]] > 0), None)


def measure(alone: int, seeds: int, first: int) -> dict[str, Told]:
    """Each kind alone, and all together."""
    found = {ALONE: Told(), TOGETHER: Told()}
    for seed in range(first, first + alone):
        for name in KINDS:
            found[ALONE].judge(seed, [name])
    for seed in range(first, first + seeds):
        found[TOGETHER].judge(seed, list(KINDS))
    return found


def report(found: dict[str, Told], seed: int) -> list[str]:
    """What the docs say of the measurement: both tables."""
    alone, together = found[ALONE], found[TOGETHER]
    wrong = sum(len(told.wrong) for told in found.values())
    return [
        f"{len(KINDS)} kinds of drift, {alone.worlds + together.worlds} worlds from seed {seed}, each beside "
        f"{len(EVIDENCE)} kinds of evidence: {wrong} wrong.",
        "",
        "Share of the planted findings whose cause is told, where each kind is planted alone:",
        "",
        *alone.table(),
        "",
        "And where all kinds are planted together, so that they spoil each other's evidence:",
        "",
        *together.table(),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("alone", 2), ("seeds", 10), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    found = measure(options.alone, options.seeds, options.seed)
    lines, wrong = report(found, options.seed), [fault for told in found.values() for fault in told.wrong]
    print("\n".join([*wrong, *lines]))
    if options.write:
        put = "\n".join(["<!-- foreign -->", *lines, "<!-- end -->"])
        page = options.write.read_text()
        options.write.write_text(re.sub(r"<!-- foreign -->.*?<!-- end -->", lambda _: put, page, flags=re.DOTALL))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
