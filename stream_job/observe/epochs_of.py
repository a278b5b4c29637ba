"""Batches of a query's checkpoint as epochs of the ledger: by topic, and nothing where the one before is unknown. Pure.

An epoch is its offsets from the end of the one before, and the late watermark that that one left: of a batch whose
predecessor Spark has purged neither is known, so it is no epoch of the ledger, and what it read stays unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from plumbline.contract.errors import SetupError, UsageError
from plumbline.contract.generations import Ids
from plumbline.contract.model import Contract
from plumbline.stream_job.ledger import Epoch, Offsets
from plumbline.stream_job.observe.checkpoint import Batch, Ends, Run

UNKNOWN_RUN = "unknown"
UNNAMED = "of a version that its commits do not name"
"""Not null, which the ledger's readers take for one of the proven versions that earlier jobs of ours ran on."""


@dataclass(frozen=True)
class Query:
    """What is known of the query apart from its batches.

    `begins` are its first offsets, `ids` those of the topics behind the contract's sources, left first, `runs` and
    `versions` the run and the Spark of each epoch where they are known, `operators` its stateful operators as the
    ledger has them.
    """

    query_id: str
    begins: Ends
    ids: tuple[Ids, Ids] = ((), ())
    runs: Mapping[int, str] = field(default_factory=dict)
    versions: Mapping[int, str] = field(default_factory=dict)
    operators: str | None = None

    def version(self, epoch: int) -> str:
        """The Spark that planned an epoch: that of its commit, else that of both its neighbours' commits."""
        earlier = max((n for n in self.versions if n <= epoch), default=None)
        later = min((n for n in self.versions if n >= epoch), default=earlier)
        if earlier is None or later is None or self.versions[earlier] != self.versions[later]:
            return UNNAMED
        return self.versions[earlier]


def by_runs(noted: Sequence[Run], committed: Iterable[int]) -> tuple[dict[int, str], dict[int, str]]:
    """Batch to run, and to version of Spark, as far as runs that were noted tell them."""
    runs: dict[int, str] = {}
    versions: dict[int, str] = {}
    for run, following in zip_longest(noted, noted[1:]):
        last = following.after if following else None
        runs |= {n: run.run_id for n in committed if run.first <= n and (last is None or n <= last)}
        versions |= {n: run.spark_version for n in (run.first, last) if n is not None and n >= run.first}
    return runs, versions


def epoch_of(contract: Contract, query: Query, batch: Batch, before: Batch | Epoch | None) -> Epoch | None:
    """The epoch that a batch is; None while that cannot be known. `before` is its predecessor, if it is known."""
    start = _start(contract, query, batch, before)
    if start is None:
        return None
    left, right = (dict(batch.ends.get(topic, {})) for topic in topics_of(contract))
    end = (left or start[0], right or start[1])
    late_ms = 0
    if before is not None:
        late_ms = before.watermark_ms if isinstance(before, Batch) else before.evict_watermark_ms
    return Epoch(
        epoch=batch.number,
        query_id=query.query_id,
        run_id=query.runs.get(batch.number, UNKNOWN_RUN),
        planned_at_ms=batch.planned_at_ms,
        late_watermark_ms=late_ms,
        evict_watermark_ms=batch.watermark_ms,
        start=start,
        end=end,
        topic_ids=query.ids,
        spark_version=query.version(batch.number) if end != start else query.versions.get(batch.number),
        operators=query.operators,
    )


def topics_of(contract: Contract) -> tuple[str, str]:
    """The topics of both sources, left first."""
    return contract.left.topic, contract.right.topic


def refuse_other_sources(contract: Contract, batch: Batch, where: str) -> None:
    """Raise UsageError where a topic of the contract is not what one source of the query reads."""
    known = ", ".join(sorted(batch.ends)) or "no topic of Kafka"
    for name, source in contract.sources.items():
        if source.topic in batch.twice:
            raise UsageError(
                f"the query reads topic {source.topic} by several sources: which of them the join uses is not known",
                where=where,
                next_step="read the topic once in the job, and join what was read",
            )
        if source.topic not in batch.ends and not batch.waiting:
            raise UsageError(
                f"the query does not read topic {source.topic} of source {name!r}; it reads {known}",
                where=where,
                next_step=f"correct sources.{name}.topic, or name this job's own checkpoint as job.checkpoint",
            )
    if len(set(topics_of(contract))) == 1:
        raise SetupError(
            f"both sources read topic {contract.left.topic}: a checkpoint does not tell the two apart",
            where=where,
            next_step="nothing can be observed of such a join yet",
        )


def ignored(contract: Contract, batch: Batch) -> list[str]:
    """The other topics that the query reads: no matter of the contract."""
    return sorted(set(batch.ends) - set(topics_of(contract)))


def gaps(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """First and last number of each stretch that the ledger lacks from 0 to its newest epoch."""
    found, expected = [], 0
    for number in sorted(numbers):
        if number > expected:
            found.append((expected, number - 1))
        expected = number + 1
    return found


def _start(
    contract: Contract, query: Query, batch: Batch, before: Batch | Epoch | None
) -> tuple[Offsets, Offsets] | None:
    """Where the epoch began on both sides; None where nobody knows."""
    if batch.number and before is None:
        return None
    found = []
    for side, topic in enumerate(topics_of(contract)):
        ends = {} if before is None else before.ends if isinstance(before, Batch) else {topic: before.end[side]}
        read = ends.get(topic) or None
        begin = query.begins.get(topic)
        if read is None and topic in batch.ends and begin is None:
            return None
        found.append(dict(read if read is not None else begin or {}))
    return found[0], found[1]
