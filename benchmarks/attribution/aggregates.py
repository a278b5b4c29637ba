"""Drawn worlds of an aggregate on real Iceberg tables: do clean ones stay quiet, are faults of eight kinds told?

    .venv/bin/python -m benchmarks.attribution.aggregates --clean 50 --faulty 100 --older 100

A faulty world has late and quarantined records too. Counted are faults that are named rightly (`unexplained` for a
number that nothing makes), other lines whose cause is not the model's, and clean worlds with any alarm: a finding, an
exit code, a line that the ledger speaks against. Of worlds whose batch ran before some records came, every third one
with a second run over some windows, half the lines that differ by such records are spoiled: those are to be given no
cause, and all others that of the model.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.aggregate_faults import WRONG, clean, faulty, older
from tests.support.aggregate_world import AggregateWorld, Line, named

RECORDS = {"late_left", "late_right", "quarantined"}


def main() -> int:
    """Run it and print the counts. Returns 1 where something was told wrongly."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--clean", type=int, default=50, help="worlds without a difference")
    options.add_argument("--faulty", type=int, default=100, help="worlds with eight spoiled lines each")
    options.add_argument("--older", type=int, default=100, help="worlds whose batch is older than the stream")
    asked = options.parse_args()
    alarms = sum(_alarm(seed) for seed in range(asked.clean))
    print(f"clean worlds: {asked.clean}, with an alarm: {alarms}", flush=True)
    counts = [_told(seed) for seed in range(asked.faulty)]
    planted, rightly, others, wrongly = (sum(column) for column in zip(*counts, strict=True)) if counts else (0,) * 4
    print(f"faulty worlds: {asked.faulty}; faults {planted}, named rightly {rightly}; others {others}, wrong {wrongly}")
    counts = [_of_older(seed) for seed in range(asked.older)]
    differ, caused, right, spoiled, given = (
        (sum(column) for column in zip(*counts, strict=True)) if counts else (0,) * 5
    )
    print(f"older batches: {asked.older}; lines {differ}, given a cause {caused}, the right one {right}", end="; ")
    print(f"spoiled {spoiled}, given a cause {given}")
    return int(bool(alarms or rightly < planted or wrongly or right < differ or caused > right or given))


def _alarm(seed: int) -> bool:
    """Whether a clean world raises one."""
    with _folder() as folder:
        run = clean(folder, seed).write().compared(record=False)
        document = run.document
        quiet = run.exit_code == 0 and not run.findings and document["agrees"] is True and not document["alerts"]
        return not (quiet and document["counts"]["match"] > 10)


def _told(seed: int) -> tuple[int, int, int, int]:
    """Planted faults, how many are named rightly, other findings, and how many lines are told wrongly beside them."""
    with _folder() as folder:
        world, planted = faulty(folder, seed)
        run = world.write().compared(record=False)
        told = {named(dict(one.key)): str(one.said.cause) for one in run.findings}
        rightly = sum(told.pop(name, None) == cause for name, cause in planted.items())
        wrongly = sum(cause not in RECORDS for cause in told.values()) + len(_missed(world, told, planted))
        return len(planted), rightly, len(told), wrongly


def _of_older(seed: int) -> tuple[int, int, int, int, int]:
    """Lines that differ and are not spoiled, how many are given a cause, and the right one; spoiled ones, and how many
    of these are given one."""
    with _folder() as folder:
        world, causes = older(folder, seed)
        spoiled = set(sorted(name for name, cause in causes.items() if cause == "arrived_after_batch")[::2])
        for number, line in enumerate(line for line in world.stream_lines if named(line) in spoiled):
            line |= WRONG[number % len(WRONG)](line)
        told = {named(one.key): str(one.said.cause) for one in world.write().compared(record=False).findings}
        found = {name: cause for name, cause in told.items() if cause not in ("pending", "unexplained")}
        given = [found.pop(name) for name in spoiled if name in found]
        right = sum(causes.get(name) == cause for name, cause in found.items())
        there = {named(line) for line in world.stream_lines}
        return len(causes) - len(spoiled), len(found), right, len(spoiled & there), len(given)


def _missed(world: AggregateWorld, told: dict[str, str], planted: dict[str, str]) -> set[str]:
    """Lines that should be told and are not, and the reverse: those that the model's two sides have otherwise."""
    batch, stream = (
        {named(line): _rounded(line) for line in lines} for lines in (world.batch_lines, world.stream_lines)
    )
    closed = {named(line) for line in world.batch_lines if world.has_closed(line)} - set(planted)
    return {name for name in closed if (batch[name] != stream.get(name)) != (name in told)}


def _rounded(line: Line) -> Line:
    return {name: f"{value:.10e}" if isinstance(value, float) else value for name, value in line.items()}


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="plumbline-aggregates-") as folder:
        yield Path(folder)


if __name__ == "__main__":
    raise SystemExit(main())
