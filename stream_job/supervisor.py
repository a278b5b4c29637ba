"""Keeping a job's queries alive: what failed for a passing reason is started again, after a growing wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from plumbline.contract.errors import PlumblineError, UnreachableError
from plumbline.stream_job import spark_internals
from plumbline.stream_job.backoff import BRIEF, Backoff
from plumbline.stream_job.failures import Failure, judge, judge_error

if TYPE_CHECKING:
    from pyspark.sql.streaming import StreamingQuery

Say = Callable[[str], None]
Start = Callable[[], "StreamingQuery"]

EPOCH_SECONDS = 60.0
"""How long the end of a job waits for the running epoch; a longer one is broken off: the next start does it again."""


@dataclass
class _Kept:
    """One query with its way to start; `query` is None while it waits for `due` (seconds of the steady clock)."""

    start: Start
    backoff: Backoff = field(default_factory=Backoff)
    query: StreamingQuery | None = None
    due: float = 0.0
    trouble: str | None = None
    proven: bool = False


class Supervisor:
    """Some queries of one job. Nothing is started before the first `look`.

    `retry_for` is how long a query may fail before the job gives up: None for ever, zero not at all (but a minute for
    a lock or a lost race of the catalog). `on_failure` is told of each failure before the query is started again.
    """

    def __init__(
        self,
        starts: Mapping[str, Start],
        retry_for: timedelta | None,
        say: Say,
        on_failure: Callable[[Failure], None] = lambda failure: None,
    ) -> None:
        self._kept = {name: _Kept(start) for name, start in starts.items()}
        self._retry_for, self._say, self._on_failure = retry_for, say, on_failure
        self.retries = 0

    def look(self) -> None:
        """Start what is due, and see what failed. Raises SetupError when a failure will not pass, or took too long."""
        for name, kept in self._kept.items():
            if kept.query is None:
                if time.monotonic() >= kept.due:
                    self._start(name, kept)
                continue
            causes = spark_internals.causes_of(kept.query)
            if causes is not None:
                self._failed(name, kept, judge(causes))
            elif not kept.proven and kept.query._jsq.lastProgress() is not None:
                self._works(name, kept)

    def query(self, name: str) -> StreamingQuery | None:
        """The query while it is started; None for one that the job does not run."""
        return self._kept[name].query if name in self._kept else None

    @property
    def ended(self) -> bool:
        """Whether every query has come to its end without a failure, also one that the last look did not see yet."""
        return all(_came_to_its_end(kept.query) for kept in self._kept.values())

    @property
    def trouble(self) -> str | None:
        """What the first waiting query waits for, in words."""
        return next((f"{name}: {kept.trouble}" for name, kept in self._kept.items() if kept.trouble), None)

    def finish(self) -> bool:
        """End every query after its running epoch; whether all epochs were finished."""
        running = [kept.query for kept in self._kept.values() if kept.query is not None]
        finished = [spark_internals.finish(query, EPOCH_SECONDS) for query in running]
        return all(finished)

    def stop(self) -> None:
        """End every query at once."""
        for kept in self._kept.values():
            if kept.query is not None:
                kept.query.stop()

    def _start(self, name: str, kept: _Kept) -> None:
        try:
            kept.query, kept.proven = kept.start(), False
        except UnreachableError as error:
            self._failed(name, kept, judge_error(error, passing=True, service="job"))
        except PlumblineError:
            raise
        except Exception as error:
            failure = judge(spark_internals.causes_behind(error))
            if not failure.passing and not _from_outside(error):
                raise
            self._failed(name, kept, failure)

    def _failed(self, name: str, kept: _Kept, failure: Failure) -> None:
        self._on_failure(failure)
        now = time.monotonic()
        wait = kept.backoff.wait(now)
        limit = self._retry_for
        if limit is not None and failure.brief:
            limit = max(limit, BRIEF)
        if not failure.passing or kept.backoff.spent(now, limit):
            raise failure.error(f"the query {name!r}")
        self.retries += 1
        kept.query, kept.due, kept.trouble = None, now + wait, failure.what
        self._say(f"stream: {name} failed, trying again in {wait:.0f} s: {failure.what}")

    def _works(self, name: str, kept: _Kept) -> None:
        if kept.trouble:
            self._say(f"stream: {name} continues after {kept.backoff.attempts} attempts")
        kept.proven, kept.trouble = True, None
        kept.backoff.reset()


def _came_to_its_end(query: StreamingQuery | None) -> bool:
    return query is not None and not query.isActive and spark_internals.causes_of(query) is None


def _from_outside(error: Exception) -> bool:
    """Whether Spark, a client or the system raised the error; any other one is a defect of ours and keeps its trace."""
    origin = type(error).__module__.partition(".")[0]
    return origin in {"py4j", "pyspark", "pyiceberg", "sqlalchemy"} or isinstance(error, OSError)
