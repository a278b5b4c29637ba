"""How often reconcile names the cause that was planted: precision and recall per cause.

    .venv/bin/python -m benchmarks.attribution.attribution [--seeds 40] [--clean 100] [--seed 1] [--write PAGE]

Plants each kind of drift of drift_kinds.py alone (`--seeds` / 8 worlds each) and all of them together (`--seeds`
worlds), in real Iceberg tables filled by a plain model of both jobs, and reconciles `--clean` worlds without any.
Prints a table and exits 1 when a cause's precision or recall is below 99 %, books do not balance, or a clean world
raises an alarm. A world is repeated by its seed. `--write` puts the table between the marks of a page.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.attribution.drift_kinds import KINDS
from benchmarks.attribution.planting import Label, build
from plumbline.reconcile.causes import registry
from tests.support.world import World

ENOUGH = 0.99
Build = Callable[[int, Sequence[str], Path], tuple[World, Counter[Label]]]


@dataclass
class Score:
    """What was planted and what was found, of all worlds so far: findings per cause. `build` makes a world."""

    build: Build = build
    worlds: int = 0
    clean_worlds: int = 0
    planted: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def judge(self, name: str, kinds: Sequence[str], seed: int) -> None:
        """Build a world, reconcile it, and count."""
        with tempfile.TemporaryDirectory(prefix="attribution-") as folder:
            world, expected = self.build(seed, kinds, Path(folder))
            document = world.reconcile().document
            told: Counter[Label] = Counter((records, said.split()[1]) for records, said in world.told())
        self.worlds += 1
        self._count(self.planted, expected)
        self._count(self.found, told)
        self._count(self.right, told & expected)
        if not document["balanced"]:
            self.faults.append(f"{name}, seed {seed}: the books do not balance")
        for records, cause in (told - expected).elements():
            labels = [label for label in expected - told if label[0] == records]
            self.faults.append(f"{name}, seed {seed}: {records} told {cause}, planted {labels or 'nothing'}")
        if not kinds:
            self.clean_worlds += 1
            alarm = document["verdict"] != "clean" or document["alerts"] or document["agrees"] is not True
            self.faults += [f"clean, seed {seed}: {document['verdict']}"] * bool(alarm)

    @staticmethod
    def _count(into: Counter[str], labels: Counter[Label]) -> None:
        for (_, cause), number in labels.items():
            into[cause] += number

    def rates(self, cause: str) -> tuple[float, float]:
        """Precision and recall."""
        right = self.right[cause]
        return right / (self.found[cause] or 1), right / (self.planted[cause] or 1)

    @property
    def passed(self) -> bool:
        """Whether every cause reaches ENOUGH, all books balance, and no clean world raises an alarm."""
        low = [cause for cause in {**self.planted, **self.found} if min(self.rates(cause)) < ENOUGH]
        return not low and not any("balance" in fault or fault.startswith("clean") for fault in self.faults)

    def table(self) -> Iterator[str]:
        """The table of the docs, in order of precedence."""
        yield "| cause | planted | found | precision | recall |"
        yield "|---|---|---|---|---|"
        for cause in registry():
            if self.planted[cause.name] or self.found[cause.name]:
                precision, recall = (f"{100 * rate:.1f} %" for rate in self.rates(cause.name))
                counts = f"{self.planted[cause.name]:,} | {self.found[cause.name]:,}"
                yield f"| `{cause.name}` | {counts} | {precision} | {recall} |"


def measure(seeds: int, clean: int, first: int) -> Score:
    """Each kind alone, all together, and worlds without any."""
    score = Score()
    for number in range(max(1, seeds // 8)):
        for name in KINDS:
            score.judge(name, [name], first + number)
    for number in range(seeds):
        score.judge("all", list(KINDS), first + number)
    for number in range(clean):
        score.judge("clean", [], first + number)
    return score


def report(score: Score, kinds: int, seed: int, mark: str, page: Path | None) -> int:
    """Print what was wrong and the table, put the table between the marks of a page, and give the exit code."""
    lines = [
        f"{kinds} kinds of drift, {score.worlds} worlds from seed {seed}, {score.clean_worlds} of them without drift: "
        f"{len(score.faults)} wrong.",
        "",
        *score.table(),
    ]
    print("\n".join([*score.faults, *lines]))
    if page:
        put = "\n".join([f"<!-- {mark} -->", *lines, "<!-- end -->"])
        page.write_text(re.sub(rf"<!-- {mark} -->.*?<!-- end -->", lambda _: put, page.read_text(), flags=re.DOTALL))
    return 0 if score.passed else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("seeds", 40), ("clean", 100), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    score = measure(options.seeds, options.clean, options.seed)
    return report(score, len(KINDS), options.seed, "attribution", options.write)


if __name__ == "__main__":
    sys.exit(main())
