"""Precision and recall per cause in real pipelines: Kafka, the streaming job, the batch reference, then the fault.

    .venv/bin/python -m benchmarks.attribution.pipelines [--each 1] [--mixed 2] [--clean 3] [--seed 1] [--write PAGE]

As attribution.py, but no model fills the tables: a world is a contract with topics of its own on one real broker. The
real streaming job reads and archives them in one run or more, and the real batch reference joins the archive. Faults
come from outside, as they would: events behind their time or ahead of it, delivered twice, or not to be read; a column
that the contract gets between two epochs; archived records that are deleted, events that come after the batch run; rows
of the outputs deleted, altered, or committed again. Each kind is planted alone in `--each` worlds, all together in
`--mixed` ones. In every world the stream's watermarks and rows are held to the plain model first.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count, pairwise
from pathlib import Path

from benchmarks.attribution.attribution import Score, report
from benchmarks.attribution.outside_kinds import COLUMN_COMES_AT, OUTSIDE
from benchmarks.attribution.pipeline import Pipeline
from benchmarks.attribution.planting import Label, Planted, all_labels, base, fates, records_of
from plumbline.connect.broker import start, stop
from plumbline.connect.home import Home

SHOWS = 60


@dataclass
class Pipelines:
    """Worlds on one broker, each with a name of its own."""

    brokers: dict[str, str]
    numbers: count[int] = field(default_factory=count)

    def build(self, seed: int, kinds: Sequence[str], folder: Path) -> tuple[Pipeline, Counter[Label]]:
        """A world as planting.build makes one, by the real jobs."""
        dice = random.Random(seed)
        made = planted(dice, kinds, each=2 if len(kinds) > 1 else 6)
        # Where epochs are small, one partition is read ahead of the other, and some events are late by that alone.
        epoch = dice.choice([20, 40, 1000]) if kinds else 1000
        world = Pipeline.begin(folder, self.brokers, f"w{next(self.numbers)}", epoch)
        world.refused = made.refused
        stream(world, made)
        for step in made.before_the_batch:
            step(world)
        world.run_batch(made.missing)
        if made.cut:
            world.deliver([record for record in made.ordered() if record.name in made.cut], made.delivered)
        honest = replace(world, late=world.late_by(world.late_marks({sign.name for sign in made.signs})))
        for step in made.in_the_batch:
            step(world)
        natural = fates(world, honest)
        for step in made.after_the_batch:
            step(world)
        return world.write(), all_labels(made, natural)


def planted(dice: random.Random, kinds: Sequence[str], each: int) -> Planted:
    """The records of a world with `each` shows of every kind."""
    made = base(dice, SHOWS)
    late_enough = [name for name, show in made.shows.items() if show.minute > COLUMN_COMES_AT]
    made.chosen = dice.sample(late_enough, each * len(kinds))
    for place, name in enumerate(made.chosen):
        OUTSIDE[kinds[place % len(kinds)]](made, name)
    if not made.breaks and dice.random() < 0.5:
        made.breaks.append(dice.uniform(-100, 100))
    return made


def stream(world: Pipeline, made: Planted) -> None:
    """Let the stream read everything but what is cut, in as many runs as the kinds need."""
    records = [record for record in made.ordered() if record.name not in made.cut]
    change, early = made.column_comes_at, set[str]()
    moments = sorted({*made.breaks, *([] if change is None else [change])})
    for begin, end in pairwise((-math.inf, *moments, math.inf)):
        if change is not None:
            world.know_seconds(known=begin >= change)
        world.deliver([record for record in records if begin < made.delivered[record.name] <= end], made.delivered)
        if end == change:
            early = set(world.read_in)
    for row in world.stream:
        if row.right and row.right.name in early:
            made.old_form.add(row.left.name)
            made.labels.append((records_of(row), "schema_change"))


def measure(asked: argparse.Namespace, worlds: Pipelines) -> Score:
    """Each kind alone, all together, and worlds without any; says how far it is on stderr."""
    score, seeds = Score(worlds.build), range(asked.seed, asked.seed + max(asked.each, asked.mixed, asked.clean))
    todo = [(name, [name], seed) for name in OUTSIDE for seed in seeds[: asked.each]]
    todo += [("all", list(OUTSIDE), seed) for seed in seeds[: asked.mixed]]
    todo += [("clean", [], seed) for seed in seeds[: asked.clean]]
    for name, kinds, seed in todo:
        begun = time.monotonic()
        score.judge(name, kinds, seed)
        print(f"{name}, seed {seed}: {time.monotonic() - begun:.1f} s", *score.faults[-3:], file=sys.stderr, flush=True)
    return score


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("each", 1), ("mixed", 2), ("clean", 3), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pipelines-", ignore_cleanup_errors=True) as scratch:
        broker = Home.resolve(Path(scratch) / "broker")
        try:
            score = measure(asked, Pipelines({"bootstrap.servers": start(broker).bootstrap_servers}))
        finally:
            stop(broker)
    return report(score, len(OUTSIDE), asked.seed, "pipelines", asked.write)


if __name__ == "__main__":
    sys.exit(main())
