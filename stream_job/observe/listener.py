"""A listener that a team adds to its Spark job where nobody else can read the job's checkpoint.

It copies what `plumbline observe` reads of a checkpoint, a few hundred bytes for each batch, into a folder that can be
read. Progress events only tell that something was committed: one that a kill has lost costs nothing, as Spark
keeps about a hundred batches, and the next event copies all that the folder lacks.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.sql.streaming import StreamingQueryListener

from plumbline.stream_job.observe.checkpoint import RUNS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOG = logging.getLogger("plumbline")


class Listener(StreamingQueryListener):  # type: ignore[misc]  # PySpark is not typed here
    """Copies the epochs of a query of yours into `folder`, for `plumbline observe`: name that as `job.checkpoint`.

    Add it before the query starts: `spark.streams.addListener(plumbline.Listener(spark, "s3a://shared/take"))`. The
    folder is a path or URI that Spark can write and `observe` can read. `query` is the query's name (`queryName`); None
    stands for the only one of the session. The newest `keep` batches stay in the folder.

    It never fails the job: what hinders it is logged (logger `plumbline`) and tried again after the next batch. Works
    where the driver is Python on the JVM, not through Spark Connect.
    """

    def __init__(self, spark: SparkSession, folder: str, query: str | None = None, keep: int = 2_000) -> None:
        self.session, self.folder, self.query, self.keep = spark, folder, query, keep
        self._copy: _Copy | None = None
        self._said: set[str] = set()

    def onQueryStarted(self, event: Any) -> None:  # noqa: N802
        """Nothing: the query waits for this call."""

    def onQueryProgress(self, event: Any) -> None:  # noqa: N802
        """Copy what was committed."""
        self._never_fail(lambda: self._take(event.progress))

    def onQueryIdle(self, event: Any) -> None:  # noqa: N802
        """Copy what a failure left behind."""
        self._never_fail(lambda: self._rest(str(event.id)))

    def onQueryTerminated(self, event: Any) -> None:  # noqa: N802
        """Copy what is left."""
        self._never_fail(lambda: self._rest(str(event.id)))

    def _take(self, progress: Any) -> None:
        query_id = str(progress.id)
        if self.query is not None and progress.name != self.query:
            return
        if self._copy is None or self._copy.query_id != query_id:
            if self.query is None and self._copy is not None and self._lives(self._copy.query_id):
                self._warn(f"there are several queries: {query_id} is not copied. Name one: Listener(..., query=NAME)")
                return
            self._copy = _Copy.begun(self.session, query_id, self.folder, self.keep)
        self._copy.note_run(str(progress.runId), int(progress.batchId), self.session.version)
        self._copy.all_committed()

    def _rest(self, query_id: str) -> None:
        if self._copy is not None and self._copy.query_id == query_id:
            self._copy.all_committed()

    def _lives(self, query_id: str) -> bool:
        return any(str(query.id) == query_id for query in self.session.streams.active)

    def _never_fail(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:
            self._warn(f"the epochs of the query could not be copied: {(str(error) or repr(error)).splitlines()[0]}")

    def _warn(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            LOG.warning("%s: %s", self.folder, line)


@dataclass
class _Copy:
    """The copy of one query's checkpoint. `last` is the newest batch that the folder has; -1: none."""

    jvm: Any
    conf: Any
    query_id: str
    source: str
    folder: str
    keep: int
    last: int = -1
    run_id: str | None = None

    @classmethod
    def begun(cls, spark: SparkSession, query_id: str, folder: str, keep: int) -> _Copy:
        """The copy as the folder has it; one of another query is moved aside."""
        query = spark.streams.get(query_id)
        if query is None:
            raise ValueError(f"query {query_id} is not of this session")
        conf = spark._jsparkSession.sessionState().newHadoopConf()
        root = str(query._jsq.streamingQuery().resolvedCheckpointRoot())
        made = cls(spark._jvm, conf, query_id, root, folder.rstrip("/"), keep)
        there = made._text(f"{made.folder}/metadata")
        if there is not None and json.loads(there)["id"] != query_id:
            made._files(made.folder).rename(
                made._path(made.folder), made._path(f"{made.folder}-{json.loads(there)['id']}")
            )
        for number in made._numbers(f"{root}/sources"):
            made._take(f"sources/{number}/0")
        made._take("metadata")
        made.last = max(made._numbers(f"{made.folder}/commits"), default=-1)
        return made

    def note_run(self, run_id: str, first: int, version: str) -> None:
        """Note which run and which Spark planned the batches from this one on."""
        if run_id != self.run_id:
            body = json.dumps({"run_id": run_id, "spark_version": version, "after": self.last})
            path = self._path(f"{self.folder}/{RUNS}/{first}")
            if not self._files(self.folder).exists(path):
                out = self._files(self.folder).create(self._path(f"{self.folder}/{RUNS}/.{first}.tmp"), True)
                out.write(body.encode())
                out.close()
                self._files(self.folder).rename(self._path(f"{self.folder}/{RUNS}/.{first}.tmp"), path)
            self.run_id = run_id

    def all_committed(self) -> None:
        """Copy each batch that was committed since, its plan first: a commit says that the plan is whole."""
        for number in self._numbers(f"{self.source}/commits"):
            if number <= self.last:
                continue
            if self._take(f"offsets/{number}") and self._take(f"commits/{number}"):
                self.last = number
                self._forget(number - self.keep)

    def _forget(self, number: int) -> None:
        for log in ("commits", "offsets") if number >= 0 else ():
            self._files(self.folder).delete(self._path(f"{self.folder}/{log}/{number}"), False)

    def _take(self, name: str) -> bool:
        """Copy a file that the folder lacks, whole or not at all; False: the query has it no more."""
        source, target = self._path(f"{self.source}/{name}"), self._path(f"{self.folder}/{name}")
        mine = self._files(self.folder)
        if mine.exists(target):
            return True
        if not self._files(self.source).exists(source):
            return False
        draft = self._path(f"{target.getParent()}/.{target.getName()}.tmp")
        copied = self.jvm.org.apache.hadoop.fs.FileUtil.copy(
            self._files(self.source), source, mine, draft, False, True, self.conf
        )
        return bool(copied) and bool(mine.rename(draft, target))

    def _numbers(self, folder: str) -> list[int]:
        """Numbers that name what a folder holds, ascending."""
        if not self._files(folder).exists(self._path(folder)):
            return []
        names = [str(status.getPath().getName()) for status in self._files(folder).listStatus(self._path(folder))]
        return sorted(int(name) for name in names if name.isdigit())

    def _text(self, path: str) -> str | None:
        if not self._files(path).exists(self._path(path)):
            return None
        stream = self._files(path).open(self._path(path))
        try:
            return bytes(stream.readAllBytes()).decode()
        finally:
            stream.close()

    def _files(self, path: str) -> Any:
        return self._path(path).getFileSystem(self.conf)

    def _path(self, path: str) -> Any:
        return self.jvm.org.apache.hadoop.fs.Path(path)
