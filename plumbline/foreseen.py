"""Refusals by servers that reach the command line as raised: reported as what they are, not as a defect."""

from __future__ import annotations

import logging
import re
import threading
import traceback

from plumbline.contract.errors import PlumblineError, SetupError, UnreachableError
from plumbline.contract.secrets import hidden

_MISFIT = re.compile(r"Unimplemented type for cast \((.+?) -> (.+?)\) when casting from source column (.+)")
CATALOG_CLIENTS = frozenset(("pyiceberg", "requests", "urllib3", "sqlalchemy", "botocore", "thrift"))


def foreseen(error: Exception) -> PlumblineError | None:
    """The failure that an exception of a client or of Spark stands for; None when it is a defect."""
    from plumbline.connect.object_store import store_error
    from plumbline.connect.unreadable import file_error

    package = type(error).__module__.partition(".")[0]
    if package in CATALOG_CLIENTS:
        from plumbline.connect.catalog_answers import catalog_error

        return catalog_error(error, {})
    if package in ("py4j", "pyspark"):
        return _of_spark(error)
    if package in ("duckdb", "_duckdb"):
        return _of_files(str(error)) or file_error(error)
    if package in ("cimpl", "confluent_kafka") and hasattr(error.args[0] if error.args else None, "str"):
        step = "check the kafka block and that the broker runs, then run the command again"
        return UnreachableError(f"Kafka refuses: {error.args[0].str()}", where="kafka", next_step=step)
    return file_error(error) if isinstance(error, OSError) else store_error(error)


def _of_files(told: str) -> PlumblineError | None:
    """Of a table whose files hold another type than its schema says, as a tool may leave it."""
    found = _MISFIT.search(told)
    if found is None:
        return None
    held, wanted, column = found.groups()
    return SetupError(
        f"column {column} holds {held}, which cannot be read as {wanted}",
        next_step="its type was changed to one that its files do not have; give it the old type, or write it anew",
    )


def _of_spark(error: Exception) -> PlumblineError | None:
    from plumbline.stream_job.failures import judge
    from plumbline.stream_job.spark_internals import causes_behind

    failure = judge(causes_behind(error))
    if failure.passing:
        step = f"check the {failure.service}, then run the command again"
        return UnreachableError(f"Spark got no answer of the {failure.service}: {failure.what}", next_step=step)
    if failure.next_step.endswith(("rights", "credentials", "kafka block")):
        return SetupError(f"the {failure.service} refuses Spark: {failure.what}", next_step=failure.next_step)
    return None


def told_in_full(error: BaseException) -> str:
    """The traceback, without the secrets that this process has read."""
    return hidden("".join(traceback.format_exception(error)))


def let_no_library_tell_secrets() -> None:
    """What libraries write to stderr by themselves, warnings and tracebacks of threads, shows no secret either."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_Hiding())
    threading.excepthook = _thread_failed


class _Hiding(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return hidden(super().format(record))


def _thread_failed(args: threading.ExceptHookArgs) -> None:
    import sys

    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
        name = args.thread.name if args.thread else "?"
        print(f"Exception in thread {name}:\n{told_in_full(args.exc_value)}", end="", file=sys.stderr)
