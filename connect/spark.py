"""The Spark session: local by default, with the lake's catalog, the Kafka connector, and its log in a file."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plumbline.connect.home import Home, on_this_disk
from plumbline.connect.ivy import pyspark_jars
from plumbline.connect.jars import EXTRA, spark_jars
from plumbline.connect.java import find_java, utf8
from plumbline.connect.lake import Lake
from plumbline.contract.errors import SetupError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOG4J = Path(__file__).parent / "spark_log4j2.xml"
LOG_BYTES = 20_000_000
QUICK_COMPILER = " -XX:TieredStopAtLevel=1"
"""For a JVM that ends within minutes. Measured on 2 loaded cores, a join of 0.3 M events (single runs): 57-63 s CPU,
1.2-1.5 GB resident with the JVM's defaults, 50 s and 0.8 GB with the serial collector, 34 s and 0.7 GB with the quick
compiler too. What it compiles runs slower, for ever."""
PATIENT_COMPILER = "".join(
    f" -XX:Tier4{name}={calls}"
    for name, calls in {
        "InvocationThreshold": 50_000,
        "MinInvocationThreshold": 6_000,
        "CompileThreshold": 150_000,
        "BackEdgeThreshold": 400_000,
    }.items()
)
"""For a JVM that runs for hours: both compilers, but the expensive one only for code called ten times as often as is
its default. What an event needs is called so often within seconds, what an epoch needs hardly ever."""
CATALOGS = "spark.sql.catalog."
SECRET_NAMES = (
    "(?i)secret|password|passphrase|token|access[.]?key|credential|jaas|sasl[.]|ssl[.]"
    rf"|^{re.escape(CATALOGS)}lake[.](?!type$|warehouse$|cache-enabled$)"
)
"""Spark's own pattern of what it hides in event logs and plans, and the rest of what the connection blocks hold."""
LOCAL_DISK = {
    # Hadoop starts a chmod for each file and folder that it makes on a local disk; this one sets the mode by itself.
    "spark.hadoop.fs.file.impl": "com.globalmentor.apache.hadoop.fs.BareLocalFileSystem",
    # Two files less for each small file of a checkpoint, and no look-ups of links.
    "spark.sql.streaming.checkpoint.fileChecksum.enabled": "false",
    "spark.sql.streaming.checkpointFileManagerClass": (
        "org.apache.spark.sql.execution.streaming.checkpointing.FileSystemBasedCheckpointFileManager"
    ),
}


def session(
    home: Home,
    lake: Lake,
    *,
    app: str,
    shuffle_partitions: int = 2,
    memory: str = "2g",
    long_lived: bool = False,
    extra: Mapping[str, str] | None = None,
) -> SparkSession:
    """A Spark session with the catalog `lake`, in UTC; its log is `<home>/spark.log`. It ends with this process.

    `local[2]`, or $PLUMBLINE_SPARK_MASTER; a cluster gets the jars shipped, and Spark's own spark-defaults.conf in
    $SPARK_CONF_DIR says the rest, for example what an executor gets. A second call in one process shares the JVM and
    gets its own session and catalog; `memory`, `app` and the master then stay those of the first. `extra` settings win.
    `long_lived`: the JVM takes the time to compile well what will run for hours.
    No value of the catalog's block is on a command line: they are set on the session once the JVM runs.
    Raises SetupError: Java or jars missing, Spark does not start, or does not open the catalog.
    """
    find_java()
    settings = settings_of(
        home, lake, app=app, shuffle_partitions=shuffle_partitions, memory=memory, long_lived=long_lived
    ) | dict(extra or {})
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    running = SparkSession.getActiveSession() or SparkSession._instantiatedSession
    if running is not None and SparkContext._active_spark_context is not None:
        return _beside(running, settings, lake)
    return _with_catalog(SparkSession(_context(home, _fit_for_a_command_line(settings))), settings, lake)


def settings_of(
    home: Home, lake: Lake, *, app: str, shuffle_partitions: int, memory: str, long_lived: bool = False
) -> dict[str, str]:
    """Every Spark setting that `session` makes."""
    master = os.environ.get("PLUMBLINE_SPARK_MASTER", "local[2]")
    jars = [str(path) for path in spark_jars(home)]
    settings = {
        "spark.master": master,
        "spark.app.name": app,
        "spark.driver.memory": memory,
        "spark.driver.extraClassPath": os.pathsep.join(jars),
        "spark.driver.extraJavaOptions": f'-Dlog4j2.configurationFile="{LOG4J}" -Duser.timezone=UTC',
        "spark.redaction.regex": SECRET_NAMES,
        "spark.sql.redaction.options.regex": f"(?i)url|{SECRET_NAMES.removeprefix('(?i)')}",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        # A value that an expression of the contract cannot take becomes NULL; in ANSI mode it ends the query, again and
        # again.
        "spark.sql.ansi.enabled": "false",
        "spark.sql.shuffle.partitions": str(shuffle_partitions),
        "spark.sql.streaming.numRecentProgressUpdates": "200",
        # It takes a home "a%20b" for what an old Spark made of the home "a b", and refuses the latter.
        "spark.sql.streaming.checkpoint.escapedPathCheck.enabled": "false",
        # For errors that name the place in a program where a column was made: half of the messages between Python and
        # the JVM, and a stack trace for each expression. We make ours from the contract's lines.
        "spark.python.sql.dataFrameDebugging.enabled": "false",
        "spark.sql.dataFrameQueryContext.enabled": "false",
        "spark.sql.warehouse.dir": on_this_disk(home.root / "spark-warehouse"),
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        **lake.spark_conf(),
    }
    if _here(master):
        settings |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    if not master.startswith("local"):
        return settings | {"spark.jars": ",".join(jars), "spark.executor.extraJavaOptions": "-Duser.timezone=UTC"}
    compiler = PATIENT_COMPILER if long_lived else QUICK_COMPILER
    settings["spark.driver.extraJavaOptions"] += f" -XX:+UseSerialGC{compiler}"
    return settings | LOCAL_DISK


def _here(master: str) -> bool:
    """Whether all of Spark runs on this machine: then it listens on the loopback only."""
    return master.startswith(("local", "spark://127.0.0.1:", "spark://localhost:"))


def _fit_for_a_command_line(settings: Mapping[str, str]) -> dict[str, str]:
    """The settings without those of catalogs: what Spark starts with is on the JVM's command line, for all to read."""
    return {key: value for key, value in settings.items() if not key.startswith(CATALOGS)}


def _beside(running: SparkSession, settings: Mapping[str, str], lake: Lake) -> SparkSession:
    """A new session in the running JVM: its own catalogs and settings, except those fixed at the start of Spark."""
    session = running.newSession()
    for key, value in settings.items():
        if key.startswith("spark.sql.") and session.conf.isModifiable(key):
            session.conf.set(key, value)
    return _with_catalog(session, settings, lake)


def _with_catalog(session: SparkSession, settings: Mapping[str, str], lake: Lake) -> SparkSession:
    """The session with its catalog, opened. Raises SetupError when Spark cannot open it."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    _set_catalog(session, settings)
    for again in (True, False):
        try:
            # Spark loads a catalog with the settings of whichever session is active in the thread: this one's, now.
            session.sql("SHOW NAMESPACES IN lake").collect()
            break
        except (Py4JError, PySparkException) as error:
            lake.tables()  # a catalog that is away or refuses says so itself; one that came back is asked again
            if not again:
                raise SetupError(
                    f"Spark does not open the catalog: {_root_cause(error).rstrip('.')}",
                    where=lake.place,
                    next_step="see spark.log; `plumbline jars --add postgres` fetches PostgreSQL's driver, "
                    "`plumbline jars --add s3` what S3 needs; the jar of another JDBC driver belongs in a folder that "
                    f"{EXTRA} names",
                ) from None
    return session


def _set_catalog(session: SparkSession, settings: Mapping[str, str]) -> None:
    """Set the catalog's settings on the session, and no other's.

    Each job's properties hold all of them, and Spark's event log hides only those that the SparkConf has too
    (`EventLoggingListener.redactProperties`).
    """
    started_with = session.sparkContext._jsc.sc().conf()
    for key in [key for key in session.conf.getAll if key.startswith(CATALOGS) and key not in settings]:
        session.conf.unset(key)
    for key, value in settings.items():
        if key.startswith(CATALOGS):
            session.conf.set(key, value)
            started_with.setIfMissing(key, value)


def _root_cause(error: Any) -> str:
    """The innermost cause that the JVM names, in one line."""
    cause = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    if cause is None:
        return str(error).splitlines()[0]
    while cause.getCause() is not None:
        cause = cause.getCause()
    return f"{cause.getClass().getSimpleName()}: {str(cause.getMessage()).splitlines()[0]}"


def _context(home: Home, settings: Mapping[str, str]) -> Any:
    from pyspark import SparkConf, SparkContext
    from pyspark.errors import PySparkRuntimeError
    from pyspark.java_gateway import launch_gateway

    os.environ["SPARK_HOME"] = str(pyspark_jars().parent)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.update(utf8(os.environ))
    if _here(settings["spark.master"]):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    conf = SparkConf(loadDefaults=False).setAll(list(settings.items()))
    if SparkContext._gateway is not None:
        with _interrupts_kept():
            return _with_new_task_ids(SparkContext(conf=conf))
    log = _log_file(home)
    _divert_python_errors(log)
    try:
        with log.open("ab") as sink:
            # A session of its own: a signal to the process group (a closing terminal, timeout(1), a supervisor) reaches
            # us first, and the JVM, which ends with us, lives until the job has ended in good order.
            streams = {"stdout": sink, "stderr": sink, "start_new_session": True}
            with _interrupts_kept():
                return _with_new_task_ids(SparkContext(conf=conf, gateway=launch_gateway(conf, streams)))
    except (PySparkRuntimeError, OSError) as error:
        raise SetupError(
            f"Spark does not start: {error}", where=str(log), next_step="read the end of that log"
        ) from None


def _with_new_task_ids(context: Any) -> Any:
    """The context, whose tasks get ids that no earlier application had: microseconds since 1970 and up, not 0 and up.

    Iceberg's streaming sink names a data file by partition, task id, query id and epoch (`SparkWrite`). After a kill
    the epoch is done again; with the same task ids it would write over files that the table holds already, and a kill
    in the midst of that would leave the table with half a file.
    """
    jvm, scheduler = context._jvm, context._jsc.sc().taskScheduler()
    handles, long = jvm.java.lang.invoke.MethodHandles, jvm.java.lang.Long.TYPE
    counter = jvm.java.lang.Class.forName("java.util.concurrent.atomic.AtomicLong")

    def method(owner: Any, name: str, *takes: Any) -> Any:
        classes = context._gateway.new_array(jvm.java.lang.Class, len(takes))
        for number, kind in enumerate(takes):
            classes[number] = kind
        return handles.publicLookup().unreflect(owner.getMethod(name, classes))

    # Py4J hands out the counter as a number, so it is set without coming here: `scheduler.nextTaskId().set(...)`.
    first = handles.collectArguments(method(counter, "set", long), 0, method(scheduler.getClass(), "nextTaskId"))
    first.invokeWithArguments(jvm.java.util.List.of(scheduler, time.time_ns() // 1000))
    return context


@contextmanager
def _interrupts_kept() -> Iterator[None]:
    """SparkContext takes SIGINT for itself, to cancel its jobs: a job that ends in good order on Ctrl-C keeps it."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)


def _divert_python_errors(log: Path) -> None:
    """PySpark writes each SQL error to stderr as JSON and also raises it: send that to the log."""
    import logging

    from pyspark.logger import PySparkLogger

    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        logger = PySparkLogger.getLogger(name)
        logger.handlers.clear()
        logger.addHandler(logging.FileHandler(log, delay=True))


def _log_file(home: Home) -> Path:
    home.root.mkdir(parents=True, exist_ok=True)
    log = home.root / "spark.log"
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    return log
