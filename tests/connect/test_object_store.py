"""What Arrow's S3 client says of a server, and that its transient failures are waited out: a small server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pyarrow.fs import AwsStandardS3RetryStrategy, FileSelector, S3FileSystem

from plumbline.connect import object_store
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.connect.object_store import patient_retries, store_error
from plumbline.contract.errors import PlumblineError, SetupError, UnreachableError

ERRORS = {
    403: "<Error><Code>AccessDenied</Code><Message>no</Message></Error>",
    404: "<Error><Code>NoSuchBucket</Code><Message>none</Message></Error>",
    503: "<Error><Code>SlowDown</Code><Message>slower</Message></Error>",
    500: "<Error><Code>InternalError</Code><Message>sorry</Message></Error>",
}


class Store(ThreadingHTTPServer):
    """Gives each question the next of `answers`, a status; the last for ever. Its one object holds `hello`."""

    daemon_threads = True

    def __init__(self, *answers: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers, self.asked = list(answers), 0


class _Handler(BaseHTTPRequestHandler):
    server: Store

    def do_GET(self) -> None:
        self.server.asked += 1
        answers = self.server.answers
        status = answers[0] if len(answers) == 1 else answers.pop(0)
        body = b"hello" if status == 200 else ERRORS[status].encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None: ...


@contextmanager
def store(*answers: int) -> Iterator[Store]:
    server = Store(*answers)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def client(address: str, retries: AwsStandardS3RetryStrategy) -> S3FileSystem:
    return S3FileSystem(
        endpoint_override=address, access_key="a", secret_key="b", region="us-east-1", retry_strategy=retries
    )


def read(address: str, retries: AwsStandardS3RetryStrategy) -> bytes:
    with client(address, retries).open_input_file("lake/some.parquet") as file:
        return bytes(file.read())


def test_pyiceberg_gets_the_retries_by_their_name_and_a_team_may_name_others(tmp_path: Path) -> None:
    from pyiceberg.io.pyarrow import _import_retry_strategy

    block = {"type": "sql", "uri": f"sqlite:///{tmp_path}/catalog.db", "warehouse": "s3://lake/w"}
    name = Lake.open(Home.resolve(tmp_path), block).catalog().properties["s3.retry-strategy-impl"]
    assert isinstance(_import_retry_strategy(name), AwsStandardS3RetryStrategy)
    own = Lake.open(Home.resolve(tmp_path), block | {"s3.retry-strategy-impl": "a.b"})
    assert own.catalog().properties["s3.retry-strategy-impl"] == "a.b"


@pytest.mark.parametrize("status", [500, 503])
def test_what_passes_is_asked_again(status: int) -> None:
    with store(status, status, 200) as server:
        assert read(f"http://127.0.0.1:{server.server_port}", patient_retries()) == b"hello"
        assert server.asked == 4


@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        (403, SetupError, r"the object store does not permit this: ACCESS_DENIED during HeadObject.*\[lake\]"),
        (503, UnreachableError, r"the object store does not answer: .*during HeadObject.*\[lake\].*s3\.endpoint"),
        (None, UnreachableError, "the object store does not answer: NETWORK_CONNECTION during HeadObject"),
    ],
)
def test_what_stays_is_one_true_line(
    status: int | None, kind: type[PlumblineError], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_store, "ATTEMPTS", 2)
    with store(status or 200) as server:
        address = f"http://127.0.0.1:{server.server_port}" if status else "http://127.0.0.1:1"
        with pytest.raises(OSError, match="AWS Error") as told:
            read(address, patient_retries())
        known = store_error(told.value)
        assert known is not None
        with pytest.raises(kind, match=message):
            raise known


def test_a_bucket_that_is_not_there_is_named() -> None:
    with store(404) as server:
        fs = client(f"http://127.0.0.1:{server.server_port}", patient_retries())
        with pytest.raises(OSError, match="AWS Error") as told:
            fs.get_file_info(FileSelector("lake/folder"))
    known = store_error(told.value)
    assert known is not None
    with pytest.raises(SetupError, match="the bucket does not exist: NO_SUCH_BUCKET"):
        raise known


def test_other_errors_are_not_a_stores() -> None:
    assert store_error(OSError("No space left on device")) is None
    assert store_error(ValueError("AWS Error in a value")) is None
