"""What a catalog's refusal becomes: one true line, tried again where it may pass, with none of the block's secrets."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from plumbline.cli import run
from plumbline.connect import catalog_answers
from plumbline.connect.catalog_answers import may_pass
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.contract.errors import PlumblineError, SetupError, UnreachableError, UsageError
from plumbline.demo.folder import example_contract

TOKEN = "S3cretCanaryToken"
WITH_PSYCOPG2 = pytest.mark.skipif(find_spec("psycopg2") is None, reason="psycopg2 is not installed: make install")


class Catalog(ThreadingHTTPServer):
    """Answers `/v1/config`, then each question with the next of `answers`: a status, `drop` or `hang`, or a page."""

    daemon_threads = True

    def __init__(self, *answers: Any, config: Any = 200, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.answers, self.config, self.asked = list(answers), config, 0
        self.over = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    server: Catalog

    def do_GET(self) -> None:
        if self.path.startswith("/v1/config"):
            self._give(self.server.config, {"defaults": {}, "overrides": {}})
        else:
            self.server.asked += 1
            answers = self.server.answers
            self._give(answers[0] if len(answers) == 1 else answers.pop(0), {"namespaces": []})

    def do_POST(self) -> None:
        self.do_GET()

    def _give(self, answer: Any, good: Any) -> None:
        if answer == "hang":
            self.server.over.wait(30)
        if answer in ("drop", "hang"):
            return
        token = self.headers.get("Authorization", "")
        told = {"error": {"message": f"not with {token}", "type": "SomeException", "code": answer}}
        text = answer if isinstance(answer, str) else json.dumps(good if answer == 200 else told)
        self.send_response(answer if isinstance(answer, int) else 502)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture(autouse=True)
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plumbline.connect.lake.WAITS", (0.0, 0.0))
    monkeypatch.setattr("plumbline.connect.lake._ANSWERED", set())  # of another test's server at the same port


def _started(server: Catalog) -> Catalog:
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server


@contextmanager
def catalog(*answers: Any, config: Any = 200) -> Iterator[tuple[Catalog, Lake]]:
    server = _started(Catalog(*answers, config=config))
    block = {"type": "rest", "uri": f"http://127.0.0.1:{server.server_port}", "token": TOKEN}
    try:
        yield server, Lake.open(Home.resolve("."), block)
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("answer", "kind", "message", "asked"),
    [
        (401, SetupError, "the catalog refuses the credentials: SomeException: not with", 2),
        (403, SetupError, "the catalog does not permit this: SomeException", 1),
        (400, SetupError, "the catalog's answer is not one that a catalog gives: SomeException", 1),
        (429, UnreachableError, "the catalog does not answer: SomeException", 3),
        (500, UnreachableError, "the catalog does not answer: SomeException", 3),
        (503, UnreachableError, "the catalog does not answer: SomeException", 3),
        ("<html>a proxy's own page</html>" * 50, UnreachableError, "the catalog does not answer: RESTError 502", 3),
        ("<html>\n<title>Bad\n Gateway</title>", UnreachableError, "does not answer: RESTError 502: Bad Gateway", 3),
        ("drop", UnreachableError, "the catalog does not answer: .*(closed|aborted)", 3),
    ],
)
@pytest.mark.parametrize("opening", [False, True])
def test_a_refusal_is_one_true_line(
    answer: Any, kind: type[PlumblineError], message: str, asked: int, opening: bool
) -> None:
    with catalog(answer, config=answer if opening else 200) as (server, lake):
        with pytest.raises(kind, match=message) as told:
            lake.tables()
        assert type(told.value) is kind
        assert server.asked == (0 if opening else asked)
        assert f"127.0.0.1:{server.server_port}" in str(told.value)
    assert TOKEN not in str(told.value)
    assert len(str(told.value)) < 500


@pytest.mark.parametrize("first", [429, 503, 500, "drop"])
def test_what_passes_is_asked_again(first: Any) -> None:
    with catalog(first, first, 200) as (server, lake):
        assert lake.tables() == []
        assert server.asked == 3


def test_a_catalog_that_has_answered_is_waited_for_when_it_is_restarted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plumbline.connect.lake.WAITS", (0.1,) * 100)
    with catalog(200) as (server, lake):
        assert lake.tables() == []
        server.shutdown()
        server.server_close()
        again: list[Catalog] = []
        restart = threading.Timer(0.5, lambda: again.append(_started(Catalog(200, port=server.server_port))))
        restart.start()
        assert lake.tables() == []
        assert again[0].asked == 1
        again[0].shutdown()
        again[0].server_close()


def test_a_catalog_that_has_never_answered_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its address may be mistyped."""
    monkeypatch.setattr("plumbline.connect.lake.WAITS", (60.0,))
    with catalog(200) as (server, lake):
        server.shutdown()
        server.server_close()
        with pytest.raises(UnreachableError, match="the catalog does not answer: HTTPConnectionPool"):
            lake.tables()


@pytest.mark.parametrize(
    ("said", "passes", "passes_once_it_has_answered"),
    [
        ("FATAL:  the database system is starting up", True, True),
        ("server closed the connection unexpectedly", True, True),
        ("terminating connection due to administrator command", True, True),
        ("FATAL:  sorry, too many clients already", True, True),
        ('connection to server at "db", port 5432 failed: Connection refused', False, True),
        ('permission denied for table "iceberg_tables"', False, False),
    ],
)
def test_what_a_database_says_decides_whether_it_is_asked_again(
    said: str, passes: bool, passes_once_it_has_answered: bool
) -> None:
    """What the driver says, and not the statement, which SQLAlchemy shows with it: a table may be called anything."""
    from sqlalchemy.exc import OperationalError

    error = OperationalError("SELECT 'starting up: refused, no route' FROM refused", {}, Exception(said))
    assert may_pass(error) is passes
    assert may_pass(error, answered=True) is passes_once_it_has_answered


def test_a_catalog_that_never_answers_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_answers, "ANSWER_SECONDS", 0.2)
    with catalog("hang") as (server, lake), pytest.raises(UnreachableError, match=r"does not answer: .*timed out"):
        lake.tables()
    assert server.asked == 1


@pytest.mark.parametrize("config", ["hang", 401])
def test_so_is_one_that_cannot_even_be_opened(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_answers, "ANSWER_SECONDS", 0.2)
    with catalog(200, config=config) as (_, lake), pytest.raises(SetupError, match=r"the catalog (does not|refuses)"):
        lake.exists("a.b")


@pytest.mark.parametrize(
    ("block", "kind", "message"),
    [
        ({"type": "sql", "uri": "postgresql+psycopg://u:S3cret@127.0.0.1:1/i"}, SetupError,
         r"psycopg is not installed.*pip install psycopg\[binary\]"),
        ({"type": "sql", "uri": "mysql://127.0.0.1:1/i?password=S3cret"}, SetupError,
         "driver MySQLdb is not installed.*pip install mysqlclient"),
        pytest.param({"type": "sql", "uri": "postgresql+psycopg2://u:S3cret@127.0.0.1:1/i"}, UnreachableError,
         "the catalog does not answer: .*refused", marks=WITH_PSYCOPG2),
        ({"type": "sql", "uri": "mysql+pymysql://u:S3cret@127.0.0.1:1/i"}, SetupError,
         "pymysql is not installed.*pip install pymysql"),
        ({"type": "sql", "uri": "nosuch://u:S3cret@127.0.0.1:1/i"}, UsageError, "not known here: nosuch"),
        ({"type": "hive", "uri": "thrift://127.0.0.1:1"}, SetupError, "the catalog's driver .* is not installed"),
        ({"type": "glue"}, SetupError, "the catalog's driver boto3 is not installed"),
        ({"type": "rest", "uri": "http://127.0.0.1:1", "auth": "S3cret"}, SetupError, "the catalog cannot be opened"),
        ({"type": "rest", "uri": "S3cret"}, SetupError, "the catalog does not answer: Invalid URL"),
        ({"type": "rest", "uri": "http://u:S3cret@no-such-host.invalid"}, SetupError, "the catalog does not answer"),
    ],
)  # fmt: skip
def test_what_is_missing_here_is_named(
    block: dict[str, str], kind: type[PlumblineError], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = {"warehouse": f"file://{tmp_path}", **block}
    with pytest.raises(kind, match=message) as told:
        Lake.open(Home.resolve(tmp_path), whole).tables()
    assert "S3cret" not in str(told.value).replace("[S3cret]", "").replace("Invalid URL 'S3cret'", "")
    contract = tmp_path / "flights.yaml"
    contract.write_text(example_contract().read_text() + f"catalog: {json.dumps(whole)}\n")
    assert run(["lake", str(contract), "--home", str(tmp_path)]) == told.value.exit_code
    assert "defect" not in capsys.readouterr().err
