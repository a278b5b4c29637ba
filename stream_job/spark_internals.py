"""What PySpark does not show of a streaming query: why it failed, each source's watermark, and how to end it gently.

Works on `StreamExecution` and `WatermarkTracker` of Spark 4.1 through Py4J.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from plumbline.stream_job.failures import Cause

if TYPE_CHECKING:
    from pyspark.sql.streaming import StreamingQuery

POLL_SECONDS = 0.02
QUIET_SECONDS = 5.0


def causes_of(query: StreamingQuery) -> tuple[Cause, ...] | None:
    """Why the query failed, outermost error first; None when it did not."""
    failure = query._jsq.exception()
    return tuple(_chain(failure.get())) if failure.isDefined() else None


def causes_behind(error: BaseException) -> tuple[Cause, ...]:
    """The chain of causes of an error that Python caught; through Py4J into the JVM where it came from there."""
    chain = [Cause(type(error).__name__, str(error))]
    thrown = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    if thrown is not None:
        chain += _chain(thrown)
    if error.__cause__ is not None:
        chain += causes_behind(error.__cause__)
    return tuple(chain)


def finish(query: StreamingQuery, within_seconds: float) -> bool:
    """End the query after its running epoch; at once when that takes longer. Returns whether the epoch was finished.

    `StreamExecution.stop` interrupts the running batch, wherever it is. The logs of planned and of committed batches
    are both written under `awaitProgressLock`: who holds it while they are level stops the query between two.
    """
    execution = query._jsq.streamingQuery()
    deadline, quiet_since = time.monotonic() + within_seconds, time.monotonic()
    while query.isActive and time.monotonic() < deadline and not _stopped_between(execution):
        if _in_flight(execution):
            quiet_since = time.monotonic()
        elif time.monotonic() - quiet_since > QUIET_SECONDS:
            # It holds the lock and waits for a broker that does not answer: there is no epoch to finish.
            break
        time.sleep(POLL_SECONDS)
    finished = not _in_flight(execution)
    query.stop()
    return finished


class SourceWatermarks:
    """The watermark of each source of a join, where Spark itself tells only the smallest."""

    def __init__(self) -> None:
        self._run = ""
        self._sides: tuple[tuple[Any, ...], tuple[Any, ...]] = ((), ())

    def of(self, query: StreamingQuery) -> tuple[int | None, int | None] | None:
        """(left, right) in ms: newest event time since the query's start, less the delay; None before the first event.

        None altogether when it is not known. The plan is searched once for each start of the query.
        """
        from py4j.protocol import Py4JError

        try:
            execution = query._jsq.streamingQuery()
            if self._run != str(query.runId):
                join = next(node for node in _nodes(execution.logicalPlan()) if node.nodeName() == "Join")
                left, right = (tuple(_watermarked(join.children().apply(side))) for side in (0, 1))
                self._run, self._sides = str(query.runId), (left, right)
            known = execution.watermarkTracker().watermarkMap()
            left_ms, right_ms = (_slowest(known, nodes) for nodes in self._sides)
        except (Py4JError, StopIteration, AttributeError, TypeError):
            return None
        return left_ms, right_ms


def _slowest(known: Any, nodes: tuple[Any, ...]) -> int | None:
    found = [known.apply(node) for node in nodes]
    if not found or not all(watermark.isDefined() for watermark in found):
        return None
    return min(int(watermark.get()) for watermark in found)


def _watermarked(plan: Any) -> Iterator[Any]:
    """The ids of the watermark operators of one side of the join."""
    for node in _nodes(plan):
        if node.nodeName() == "EventTimeWatermark":
            yield node.nodeId()


def _nodes(plan: Any) -> Iterator[Any]:
    """The plan's nodes, parents first, left before right."""
    yield plan
    children = plan.children()
    for position in range(children.size()):
        yield from _nodes(children.apply(position))


def _stopped_between(execution: Any) -> bool:
    """Stop the query if no epoch is planned or running now; whether that was so.

    Py4J keeps one JVM thread for each thread of Python, so that the lock is given back by the thread that took it.
    """
    from pyspark import SparkContext

    lock = execution.awaitProgressLock()
    if os.environ.get("PYSPARK_PIN_THREAD", "true").lower() == "false" or not lock.tryLock():
        return False
    try:
        if _in_flight(execution):
            return False
        jvm: Any = SparkContext._active_spark_context and SparkContext._active_spark_context._jvm
        states = jvm.org.apache.spark.sql.execution.streaming.runtime
        execution.state().set(getattr(getattr(states, "TERMINATED$"), "MODULE$"))
        # The interrupt must be there when the lock is free: a query that waits for it would plan one more epoch.
        execution.queryExecutionThread().interrupt()
    finally:
        lock.unlock()
    return True


def _in_flight(execution: Any) -> bool:
    """Whether an epoch is planned and not yet committed."""
    planned, committed = (log.getLatestBatchId() for log in (execution.offsetLog(), execution.commitLog()))
    if not planned.isDefined():
        return False
    return not committed.isDefined() or int(committed.get()) < int(planned.get())


def _chain(thrown: Any) -> Iterator[Cause]:
    seen = 0
    while thrown is not None and seen < 20:
        yield Cause(str(thrown.getClass().getName()), str(thrown.getMessage() or ""))
        thrown, seen = thrown.getCause(), seen + 1
