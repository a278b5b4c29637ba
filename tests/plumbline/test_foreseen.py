"""What servers refuse ends a command with one true line; what is a defect shows no secret, its traceback neither."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest
from pyiceberg.exceptions import ForbiddenError, ServiceUnavailableError, UnauthorizedError
from requests import ConnectionError as Dropped

from plumbline.cli import cli, run
from plumbline.contract import secrets
from plumbline.foreseen import foreseen, let_no_library_tell_secrets


class Thrown:
    """An exception of the JVM as Py4J shows it."""

    def __init__(self, kind: str, message: str, cause: Thrown | None = None) -> None:
        self.kind, self.message, self.cause = kind, message, cause

    def getClass(self) -> Thrown:  # noqa: N802
        return self

    def getName(self) -> str:  # noqa: N802
        return self.kind

    def getMessage(self) -> str:  # noqa: N802
        return self.message

    def getCause(self) -> Thrown | None:  # noqa: N802
        return self.cause


def spark_error(*chain: tuple[str, str]) -> Exception:
    thrown: Thrown | None = None
    for kind, message in reversed(chain):
        thrown = Thrown(kind, message, thrown)
    error = type("Py4JJavaError", (Exception,), {"__module__": "py4j.protocol"})("An error occurred")
    error.java_exception = thrown
    return error


def kafka_error() -> Exception:
    from confluent_kafka import KafkaError, KafkaException

    return KafkaException(KafkaError(KafkaError._ALL_BROKERS_DOWN, "all down"))


REST = "org.apache.iceberg.exceptions."


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (UnauthorizedError("who are you"), "the catalog refuses the credentials: who are you"),
        (ForbiddenError("not you"), "the catalog does not permit this: not you"),
        (ServiceUnavailableError("busy"), "the catalog does not answer: busy"),
        (Dropped("Connection aborted."), "the catalog does not answer: Connection aborted."),
        (kafka_error(), "Kafka refuses: all down"),
        (
            spark_error(("java.lang.RuntimeException", "x"), (f"{REST}NotAuthorizedException", "who are you")),
            "the catalog refuses Spark: NotAuthorizedException: who are you",
        ),
        (
            spark_error((f"{REST}ServiceUnavailableException", "busy")),
            "Spark got no answer of the catalog: ServiceUnavailableException: busy",
        ),
        (
            spark_error(("java.lang.RuntimeException", "x"), ("java.net.ConnectException", "Connection refused")),
            "Spark got no answer of the catalog: ConnectException: Connection refused",
        ),
    ],
)
def test_a_server_that_refuses_is_no_defect(
    error: Exception, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(cli, "main", fails)
    assert run(["check", "x"]) == 3
    told = capsys.readouterr().err
    assert told.startswith(f"error: {line}")
    assert "Next: " in told
    assert "defect" not in told


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError("x"),
        ModuleNotFoundError("no module named x", name="x"),
        spark_error(("java.lang.NullPointerException", "x")),
        spark_error(("org.apache.spark.sql.AnalysisException", "TABLE_OR_VIEW_NOT_FOUND")),
    ],
)
def test_what_is_a_defect_stays_one(error: Exception) -> None:
    assert foreseen(error) is None


def test_no_traceback_shows_a_secret(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(secrets, "_kept", secrets._Kept())
    monkeypatch.setenv("PLUMBLINE_DEBUG", "1")
    secrets.keep({"sasl.password": "S3cretWord"})

    def fails(*_: Any, **__: Any) -> None:
        try:
            raise KeyError("S3cretWord inside")
        except KeyError as error:
            raise ZeroDivisionError("S3cretWord outside") from error

    monkeypatch.setattr(cli, "main", fails)
    assert run(["check", "x"]) == 3
    told = capsys.readouterr().err
    assert "Traceback (most recent call last)" in told
    assert "KeyError: '*** inside'" in told
    assert "this is a defect" in told
    assert "S3cret" not in told


def test_what_libraries_tell_by_themselves_shows_no_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(secrets, "_kept", secrets._Kept())
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    assert logging.lastResort is not None
    monkeypatch.setattr(logging.lastResort, "formatter", None)
    secrets.keep({"sasl.password": "S3cretWord"})
    let_no_library_tell_secrets()

    def fails() -> None:
        raise ZeroDivisionError("S3cretWord in a thread")

    thread = threading.Thread(target=fails)
    thread.start()
    thread.join()
    record = logging.LogRecord("urllib3", logging.WARNING, "", 1, "retry of %s", ("/?t=S3cretWord",), None)
    logging.lastResort.handle(record)
    told = capsys.readouterr().err
    assert "ZeroDivisionError: *** in a thread" in told
    assert "retry of /?t=***" in told
    assert "S3cret" not in told
