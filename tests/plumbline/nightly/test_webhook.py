"""The webhook against a real server on this machine."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from plumbline.cli import run
from plumbline.contract.errors import PlumblineError, UnreachableError, UsageError
from plumbline.demo.folder import example_contract
from plumbline.nightly.message import message
from plumbline.nightly.webhook import checked, post
from tests.support.nights import night

NO_WAIT = (0.0, 0.0)


class Hook(HTTPServer):
    """Answers with the given status codes, one after the other, the last again and again; keeps what it was sent."""

    def __init__(self, *codes: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.codes = list(codes)
        self.got: list[tuple[str, str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/services/SECRET"


class _Handler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, self.headers["Content-Type"], json.loads(body)))
        code = self.server.codes[0] if len(self.server.codes) == 1 else self.server.codes.pop(0)
        self.send_response(code)
        if code in (302, 307):
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.server.got.append((self.path, "GET", None))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def hook() -> Iterator[Hook]:
    server = Hook(200)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def test_the_message_arrives_as_it_was_made(hook: Hook) -> None:
    body = message("shop", [night(report="<!channel> & café")])
    post(hook.url, body)
    assert hook.got == [("/services/SECRET", "application/json", body)]


@pytest.mark.parametrize("code", [429, 500, 503])
def test_what_may_pass_is_tried_again(hook: Hook, code: int) -> None:
    hook.codes = [code, code, 200]
    post(hook.url, {"text": "hello"}, NO_WAIT)
    assert len(hook.got) == 3


@pytest.mark.parametrize(("code", "attempts"), [(404, 1), (403, 1), (302, 1), (307, 1), (500, 3)])
def test_what_does_not_pass_is_one_line_that_keeps_the_secret(hook: Hook, code: int, attempts: int) -> None:
    hook.codes = [code]
    with pytest.raises(UnreachableError) as told:
        post(hook.url, {"text": "hello"}, NO_WAIT)
    assert f"it answered {code} [127.0.0.1]" in str(told.value)
    assert "SECRET" not in str(told.value)
    assert [kind for _, kind, _ in hook.got] == ["application/json"] * attempts


def test_a_server_that_is_not_there(hook: Hook) -> None:
    url = hook.url
    hook.server_close()
    hook.shutdown()
    with pytest.raises(PlumblineError) as told:
        post(url, {"text": "hello"}, NO_WAIT)
    assert told.value.exit_code == 3
    assert "SECRET" not in str(told.value)


@pytest.mark.parametrize(
    "url",
    ["hooks.example.com/SECRET", "file:///etc/SECRET", "ftp://host/SECRET", "http://", "http://a b/SECRET",
     "https://[SECRET", "http://host:99999/SECRET", "https://host/\nSECRET", "https://u:SECRET@host/x",
     "https://SECRET@host/x", "https://a..b/SECRET", "https://" + "a" * 64 + ".example/SECRET", "https://host/SECRET-é",
     "https://host/?SECRET=é", "https://./SECRET"],
)  # fmt: skip
def test_what_is_no_web_address_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(UsageError) as told:
        checked(url)
    assert "SECRET" not in str(told.value)
    assert "PLUMBLINE_WEBHOOK" in str(told.value)


@pytest.mark.parametrize(
    "url", ["http://no-such-host.invalid/SECRET", "http://127.0.0.1:1/SECRET", "http://a..b/SECRET"]
)
def test_a_host_that_cannot_be_reached_is_one_line(url: str) -> None:
    with pytest.raises(UnreachableError, match=r"the webhook did not accept the message: .") as told:
        post(url, {"text": "hello"}, NO_WAIT)
    assert "SECRET" not in str(told.value)


def test_an_answer_that_comes_byte_by_byte_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte is within a socket's time-out; all of them together would hold the night's lock."""
    monkeypatch.setattr("plumbline.nightly.webhook.MOST_SECONDS", 0.5)
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def trickle() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                while not over.wait(0.05):
                    connection.sendall(b"H")

        threading.Thread(target=trickle, daemon=True).start()
        begun = time.monotonic()
        with pytest.raises(UnreachableError, match="the webhook did not accept the message: no answer within"):
            post(f"http://127.0.0.1:{server.getsockname()[1]}/SECRET", {"text": "hello"})
        over.set()
    assert time.monotonic() - begun < 5


def test_a_nightly_that_could_not_be_is_told(
    hook: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    contract = tmp_path / "flights.yaml"
    away = tmp_path / "away" / "catalog.db"
    block = f"catalog: {{type: sql, uri: 'sqlite:///{away}', warehouse: 'file://{tmp_path}'}}\n"
    contract.write_text(example_contract().read_text() + block)
    monkeypatch.setenv("PLUMBLINE_WEBHOOK", hook.url)
    assert run(["nightly", str(contract), "--home", str(tmp_path / "home")]) == 3
    out, err = capsys.readouterr()
    assert (out, err.count("error: the catalog does not answer")) == ("", 1)
    assert "SECRET" not in err
    [(_, _, body)] = hook.got
    assert body["text"] == "plumbline nightly flights: no day, failed"
    assert body["blocks"][1]["text"]["text"].startswith("ended early: the catalog does not answer")
