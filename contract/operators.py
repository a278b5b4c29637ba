"""What the other stateful operators of a team's own Spark query do to the contract's join: whether it drops by the
watermark that Spark logs, and whether what it writes is held back behind it.

Source: `PropagateWatermarkSimulator` of Spark 4.1 gives each stateful operator the least watermark that those before it
hand on. A join hands on an earlier one than its own (`StreamingSymmetricHashJoinExec.produceOutputWatermark`), so a
join behind another one drops less. Operators are numbered from the sink towards the sources (`IncrementalExecution`):
whatever comes before an operator has a greater number, and what comes after it a smaller one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from plumbline.contract.durations import milliseconds
from plumbline.contract.lateness import not_proven, output_watermark_ms

if TYPE_CHECKING:
    from plumbline.contract.model import Contract

JOIN = "symmetricHashJoin"
"""Spark's name of a stream-stream join."""
HAND_ON = frozenset({"dedupe", "dedupeWithinWatermark"})
"""Operators that hand on the watermark that they have, and each row in the epoch in which it comes."""
WITH, UNSEEN = " with the stateful operators ", " with stateful operators that were not observed"
UNNAMED = "of an unknown version"
SAY_HOW_LONG = "say in job how long they hold a row at most: `held_back: 2 hours`; `held_back: 0 minutes`: not at all"
UNKNOWN = "stateful operators that were not observed"


def is_first(operators: Sequence[str]) -> bool:
    """Whether the only join of a query has the logged watermark; `operators` are all of its stateful ones by number."""
    return operators.count(JOIN) == 1 and HAND_ON.issuperset(operators[operators.index(JOIN) + 1 :])


def unproven_plan(contract: Contract, operators: str | None) -> str:
    """What to add to the version of Spark where nothing proves that the contract's join has the logged watermark: then
    it is none of `lateness.PROVEN`. Empty where it is proven, or said by the contract (`job.join_first`).

    `operators` as the ledger has them: names by number, with `, ` between them; None where they were not observed.
    """
    job = contract.job
    if job is None or job.kind != "spark" or job.progress is not None:
        return ""
    if operators is None:
        return "" if job.join_first else UNSEEN
    names = operators.split(", ")
    return "" if is_first(names) or (job.join_first and JOIN in names) else WITH + operators


def held_by(contract: Contract, operators: str | None) -> str | None:
    """What comes after the contract's join in its query and may hold a row back: names as the ledger has them, sink
    first, or UNKNOWN. None where nothing does, or where the contract says that none is held (`job.held_back`)."""
    job = contract.job
    if job is None or job.kind != "spark" or job.progress is not None or job.held_back == timedelta():
        return None
    if operators is None:
        return UNKNOWN
    names = operators.split(", ")
    after = names[: len(names) - 1 - names[::-1].index(JOIN)] if JOIN in names else names
    return ", ".join(name for name in after if name not in HAND_ON) or None


def let_go_until_us(contract: Contract, evict_watermark_ms: int) -> int | None:
    """The newest event time (us) of a row that what comes after the join cannot hold any more, where the contract says
    for how long it holds one; None where it does not.

    Such an operator closes by the watermark that the join hands on, as a join does by its own.
    """
    held = None if contract.job is None else contract.job.held_back
    low, high = map(milliseconds, contract.join.within)
    watermark_ms = output_watermark_ms(evict_watermark_ms, low, high)
    return None if held is None else (watermark_ms - milliseconds(held) - 1) * 1_000


def planned_by(contract: Contract, spark_version: str | None, operators: str | None) -> str | None:
    """The Spark that planned an epoch, as `lateness.unproven` takes it: with its plan where that is not proven."""
    plan = unproven_plan(contract, operators)
    return f"{spark_version or UNNAMED}{plan}" if plan else spark_version


def why_unproven(versions: Sequence[str]) -> str:
    """The reason why nothing is said of what was dropped and closed by what `planned_by` names."""
    plans = sorted({version.partition(WITH)[2] for version in versions if WITH in version})
    others = [version for version in versions if WITH not in version and not version.endswith(UNSEEN)]
    found = [not_proven(others)] if others else []
    if any(version.endswith(UNSEEN) for version in versions):
        found.append("which stateful operators the query has was not observed")
    found += [
        f"the query has the stateful operators {plan}, and a join behind another one drops by an earlier watermark "
        "than Spark logs"
        for plan in plans
    ]
    return ", and ".join(found)


def next_step(versions: Sequence[str], otherwise: str) -> str:
    """What to do about `why_unproven`; `otherwise` about a Spark whose rule is not proven."""
    if any(version.endswith(UNSEEN) for version in versions):
        return (
            "let `plumbline observe` read the query's whole checkpoint, with its folder state; or, if the contract's "
            "join is the first of them, add `join_first: true` to job"
        )
    if any(WITH in version for version in versions):
        return "if the contract's join is the first of them in the query, add `join_first: true` to job"
    return otherwise
