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

from plumbline.stream_job.observe.checkpoint import OPERATORS, RUNS
from plumbline.stream_job.observe.operators_noted import operators_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOG = logging.getLogger("plumbline")


class Listener(StreamingQueryListener):
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
        self._started: dict[str, _Start] = {}
        self._said: set[str] = set()

    def onQueryStarted(self, event: Any) -> None:  # noqa: N802
        """Look where the query begins; the query waits for this call, so nothing is copied here."""
        if self.query is None or event.name == self.query:
            self._never_fail(lambda: self._note_start(str(event.id), str(event.runId)))

    def onQueryProgress(self, event: Any) -> None:  # noqa: N802
        """Copy what was committed."""
        if self.query is None or event.progress.name == self.query:
            progress = event.progress
            self._never_fail(lambda: self._take(str(progress.id), str(progress.runId), int(progress.batchId)))

    def onQueryIdle(self, event: Any) -> None:  # noqa: N802
        """Copy what a failure left behind."""
        self._never_fail(lambda: self._rest(str(event.id)))

    def onQueryTerminated(self, event: Any) -> None:  # noqa: N802
        """Copy what is left: a short query has ended before its progress is told."""
        self._never_fail(lambda: self._rest(str(event.id)))

    def _note_start(self, query_id: str, run_id: str) -> None:
        root, files = _root(self.session, query_id), _Files.of(self.session)
        self._started[query_id] = _Start(root, run_id, max(files.numbers(f"{root}/commits"), default=-1) + 1)

    def _take(self, query_id: str, run_id: str, batch: int) -> None:
        copy = self._copy_of(query_id)
        if copy is None:
            return
        start = self._started.get(query_id)
        known = start is not None and start.run_id == run_id  # else it was added to a query that ran already
        copy.note_run(run_id, start.first if known and start else batch, self.session.version)
        copy.all_committed()

    def _rest(self, query_id: str) -> None:
        start = self._started.get(query_id)
        if start is not None:
            self._take(query_id, start.run_id, start.first)
        elif self._copy is not None and self._copy.query_id == query_id:
            self._copy.all_committed()

    def _copy_of(self, query_id: str) -> _Copy | None:
        """The copy of this query; None where that of another one is made."""
        if self._copy is None or self._copy.query_id != query_id:
            if self.query is None and self._copy is not None and self._lives(self._copy.query_id):
                self._warn(f"there are several queries: {query_id} is not copied. Name one: Listener(..., query=NAME)")
                return None
            start = self._started.get(query_id)
            root = start.root if start else _root(self.session, query_id)
            self._copy = _Copy.begun(_Files.of(self.session), query_id, root, self.folder, self.keep)
        return self._copy

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


@dataclass(frozen=True)
class _Start:
    """Where the checkpoint of a query lies that was started, and the first batch of this run."""

    root: str
    run_id: str
    first: int


@dataclass
class _Copy:
    """The copy of one query's checkpoint. `last` is the newest batch that the folder has; -1: none."""

    files: _Files
    query_id: str
    source: str
    folder: str
    keep: int
    last: int = -1
    run_id: str | None = None
    operators_noted: bool = False

    @classmethod
    def begun(cls, files: _Files, query_id: str, source: str, folder: str, keep: int) -> _Copy:
        """The copy as the folder has it; one of another query is moved aside."""
        made = cls(files, query_id, source, folder.rstrip("/"), keep)
        there = files.text(f"{made.folder}/metadata")
        if there is not None and json.loads(there)["id"] != query_id:
            files.rename(made.folder, f"{made.folder}-{json.loads(there)['id']}")
        for number in files.numbers(f"{source}/sources"):
            made._take(f"sources/{number}/0")
        made._take("metadata")
        made.last = max(files.numbers(f"{made.folder}/commits"), default=-1)
        return made

    def note_run(self, run_id: str, first: int, version: str) -> None:
        """Note which run and Spark planned the batches from `first` on.

        Those that were copied by now are of the run before; what lies between may be of one that had no listener.
        """
        path = f"{self.folder}/{RUNS}/{first}"
        if run_id != self.run_id:
            self.files.write(path, json.dumps({"run_id": run_id, "spark_version": version, "after": self.last}))
            self.run_id = run_id

    def all_committed(self) -> None:
        """Copy each batch that was committed since, its plan first: a commit says that the plan is whole."""
        committed = self.files.numbers(f"{self.source}/commits")
        if committed:
            self._note_operators()
        for number in committed:
            if number > self.last and self._take(f"offsets/{number}") and self._take(f"commits/{number}"):
                self.last = number
                for log in ("commits", "offsets") if number >= self.keep else ():
                    self.files.delete(f"{self.folder}/{log}/{number - self.keep}")

    def _note_operators(self) -> None:
        """Note the query's stateful operators, once: they are known from its first batch on."""
        path = f"{self.folder}/{OPERATORS}"
        if self.operators_noted or self.files.exists(path):
            self.operators_noted = True
            return
        found = operators_of(
            lambda folder: self.files.numbers(f"{self.source}/{folder}"),
            lambda name: self.files.text(f"{self.source}/{name}"),
        )
        if found is not None:
            self.files.write(path, json.dumps(found))
            self.operators_noted = True

    def _take(self, name: str) -> bool:
        """Copy a file that the folder lacks, whole or not at all; False: the query has it no more."""
        source, target = f"{self.source}/{name}", f"{self.folder}/{name}"
        return self.files.exists(target) or (self.files.exists(source) and self.files.copy(source, target))


def _root(session: SparkSession, query_id: str) -> str:
    """The checkpoint of a running query, as `StreamExecution` of Spark 4.1 has it."""
    query: Any = session.streams.get(query_id)
    return str(query._jsq.streamingQuery().resolvedCheckpointRoot())


@dataclass(frozen=True)
class _Files:
    """Hadoop's file systems in the JVM of the job, with its credentials. A file is seen whole or not at all."""

    jvm: Any
    conf: Any

    @classmethod
    def of(cls, session: SparkSession) -> _Files:
        inside: Any = session
        return cls(inside._jvm, inside._jsparkSession.sessionState().newHadoopConf())

    def exists(self, path: str) -> bool:
        return bool(self._system(path).exists(self._path(path)))

    def numbers(self, folder: str) -> list[int]:
        """Numbers that name what a folder holds, ascending."""
        if not self.exists(folder):
            return []
        names = [str(status.getPath().getName()) for status in self._system(folder).listStatus(self._path(folder))]
        return sorted(int(name) for name in names if name.isdigit())

    def text(self, path: str) -> str | None:
        """What a file says; None when it is not there."""
        if not self.exists(path):
            return None
        stream = self._system(path).open(self._path(path))
        try:
            return bytes(stream.readAllBytes()).decode()
        finally:
            stream.close()

    def write(self, path: str, body: str) -> None:
        """Write a small file in the place of another: a run that committed nothing has planned none of the batches."""
        out = self._system(path).create(self._path(_draft(path)), True)
        try:
            out.write(bytearray(body.encode()))
        finally:
            out.close()
        self.delete(path)
        self.rename(_draft(path), path)

    def copy(self, source: str, target: str) -> bool:
        """Copy a file; whether it is there."""
        copied = self.jvm.org.apache.hadoop.fs.FileUtil.copy(
            self._system(source), self._path(source), self._system(target), self._path(_draft(target)),
            False, True, self.conf,
        )  # fmt: skip
        return bool(copied) and self.rename(_draft(target), target)

    def rename(self, path: str, other: str) -> bool:
        return bool(self._system(path).rename(self._path(path), self._path(other)))

    def delete(self, path: str) -> None:
        self._system(path).delete(self._path(path), False)

    def _system(self, path: str) -> Any:
        return self._path(path).getFileSystem(self.conf)

    def _path(self, path: str) -> Any:
        return self.jvm.org.apache.hadoop.fs.Path(path)


def _draft(path: str) -> str:
    folder, _, name = path.rpartition("/")
    return f"{folder}/.{name}.tmp"
