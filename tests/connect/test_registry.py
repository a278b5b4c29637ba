"""The schema registry through its real client: what is fetched and kept, what it does not know, and when it is away."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from plumbline.connect import registry
from plumbline.contract.errors import SetupError, UnreachableError, UsageError
from plumbline.contract.loader import parse
from plumbline.contract.model import Contract
from tests.support.avro_events import record
from tests.support.scenario import contract_body

FIRST, SECOND = record(id="string"), record(id="string", more=["null", "int"])
ELSEWHERE = record(other="long")


class Handler(BaseHTTPRequestHandler):
    """The few answers of a registry's REST interface that the client asks for."""

    answers: dict[str, Any] = {}  # noqa: RUF012
    busy: list[int | None] = []  # noqa: RUF012
    """What the next questions get instead: a status, or a dropped connection."""

    def do_GET(self) -> None:
        if self.busy:
            answer = self.busy.pop(0)
            return None if answer is None else self._give(answer, b"{}")
        found = self.answers.get(self.path.partition("?")[0])
        if isinstance(found, tuple):
            return self._give(found[0], found[1].encode())
        status = 404 if found is None else 401 if found == "refused" else 200
        body = {"error_code": status * 100 + 1, "message": "not for you"} if status != 200 else found
        return self._give(status, json.dumps(body).encode())

    def _give(self, status: int, payload: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    subject = "/subjects/shop.orders-value/versions"
    Handler.answers = {
        subject: [1, 2],
        f"{subject}/1": {"subject": "s", "version": 1, "id": 7, "schema": FIRST},
        f"{subject}/2": {"subject": "s", "version": 2, "id": 8, "schema": SECOND, "schemaType": "AVRO"},
        "/schemas/ids/9": {"schema": ELSEWHERE},
        "/schemas/ids/10": {"schema": "{}", "schemaType": "JSON"},
        "/schemas/ids/11": {"schema": FIRST, "references": [{"name": "part", "subject": "p", "version": 1}]},
        "/schemas/ids/12": "refused",
    }
    Handler.busy = []
    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def contract(url: str, **more: str) -> Contract:
    body = contract_body("shop", {"bootstrap.servers": "127.0.0.1:1"})
    body["sources"]["orders"]["format"] = "avro"
    return parse(yaml.safe_dump({**body, "schema_registry": {"url": url, **more}}, sort_keys=False))


def address(server: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_port}"


def test_all_versions_and_the_wanted_ids_are_kept_for_the_avro_source(
    server: ThreadingHTTPServer, tmp_path: Path
) -> None:
    folder = tmp_path / "schemas"
    found = registry.equipped(contract(address(server)), folder, [9, 10, 404])
    writers = found.left.writers
    assert {id: json.loads(text) for id, text in writers.schemas.items()} == {
        7: json.loads(FIRST),
        8: json.loads(SECOND),
        9: json.loads(ELSEWHERE),
    }
    assert writers.unknown == {10, 404}
    assert not found.right.writers.ids
    assert sorted(file.name for file in folder.iterdir()) == ["10.unknown", "404.unknown", "7.avsc", "8.avsc", "9.avsc"]


@pytest.mark.parametrize(
    ("id", "message"),
    [(11, "schema 11 refers to part.*register it as one"), (12, "the schema registry refuses: not for you")],
)
def test_what_cannot_be_had_is_said(server: ThreadingHTTPServer, tmp_path: Path, id: int, message: str) -> None:
    with pytest.raises(SetupError, match=message):
        registry.equipped(contract(address(server)), tmp_path, [id])


def test_a_registry_that_is_away(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    shop = contract("http://127.0.0.1:1", timeout="1")
    with pytest.raises(UnreachableError, match="the schema registry does not answer"):
        registry.equipped(shop, tmp_path)
    registry.equipped(contract(address(server)), tmp_path)
    assert set(registry.equipped(shop, tmp_path).left.writers.schemas) == {7, 8}
    with pytest.raises(UnreachableError):
        registry.equipped(shop, tmp_path, [9])


def test_what_passes_is_asked_again_for_as_long_as_it_is_needed(
    server: ThreadingHTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "WAITS", (0.01,) * 8)
    Handler.busy = [503, 429, None, 500, 502, None]
    assert set(registry.equipped(contract(address(server)), tmp_path).left.writers.schemas) == {7, 8}
    assert Handler.busy == []
    Handler.busy = [503] * 20
    assert set(registry.equipped(contract(address(server)), tmp_path).left.writers.schemas) == {7, 8}
    assert len(Handler.busy) == 19, "all that is needed is kept already: nobody waits"
    with pytest.raises(UnreachableError, match=r"the schema registry is not able to answer: .*\(503\)"):
        registry.equipped(contract(address(server)), tmp_path, [9])
    assert len(Handler.busy) == 10


def test_versions_are_counted_and_nothing_is_kept(server: ThreadingHTTPServer) -> None:
    assert registry.versions(contract(address(server))) == {"shop.orders-value": 2}
    Handler.answers = {"/subjects/shop.orders-value/versions": (401, "{}")}
    with pytest.raises(SetupError, match=r"the schema registry refuses: .*\(401\)"):
        registry.versions(contract(address(server)))


@pytest.mark.parametrize(
    ("status", "page", "kind", "message"),
    [
        (404, "<html>not here</html>", SetupError, r"what answers is not a schema registry: .*\(404\).*its path too"),
        (
            404,
            '{"error_code": 404, "message": "HTTP 404 Not Found"}',
            SetupError,
            "what answers is not a schema registry",
        ),
        (302, "", SetupError, "what answers is not a schema registry"),
        (200, "<html>please log in</html>", SetupError, "what answers is not a schema registry"),
        (200, '{"a": 1}', SetupError, "what answers is not a schema registry"),
        (200, '"text"', SetupError, "what answers is not a schema registry"),
        (401, "<html>who are you</html>", SetupError, r"the schema registry refuses: .*\(401\)"),
        (403, '{"error_code": 40301, "message": "not u:S3cretWord"}', SetupError, r"refuses: not \*\*\* \(403\)"),
    ],
)
def test_a_wrong_path_or_another_server_makes_no_schema_unknown(
    server: ThreadingHTTPServer, tmp_path: Path, status: int, page: str, kind: type[Exception], message: str
) -> None:
    subject = "/wrong/subjects/shop.orders-value/versions"
    secret = {"basic.auth.user.info": "u:S3cretWord"}
    for path in (subject, "/wrong/schemas/ids/9"):
        Handler.answers = {subject: [], path: (status, page)}
        with pytest.raises(kind, match=message) as told:
            registry.equipped(contract(f"{address(server)}/wrong", **secret), tmp_path, [9])
        assert type(told.value) is kind
        assert "S3cret" not in str(told.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("url", ["http://a..b", "http://no-such-host.invalid", "http://"])
def test_a_strange_address_is_one_line(url: str, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"schema registry"):
        registry.equipped(contract(url, timeout="1"), tmp_path)


def test_properties_are_an_allow_list_and_are_not_shown() -> None:
    with pytest.raises(UsageError, match=r"property ssl.ca.locatio is not allowed.*did you mean ssl.ca.location"):
        registry.checked({"url": "http://x", "ssl.ca.locatio": "/ca"})
    with pytest.raises(UsageError, match=r"the schema registry's client refuses: .*soon"):
        registry.client({"url": "http://x", "timeout": "soon"})
    with pytest.raises(UsageError, match="url is missing"):
        registry.checked({"basic.auth.user.info": "a:b"})
    secret = contract("http://x", **{"basic.auth.user.info": "me:swordfish"})
    assert "swordfish" not in repr(secret) + str(secret.semantics())


GUID = "89791762-2336-4186-9674-299b90a802e2"
ID = GUID.replace("-", "")


def test_a_schema_is_had_by_its_guid(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    other = "0" * 31 + "9"
    subject = "/subjects/shop.orders-value/versions"
    Handler.answers[f"{subject}/1"] = {"subject": "s", "version": 1, "id": 7, "guid": GUID.upper(), "schema": FIRST}
    Handler.answers["/schemas/guids/00000000-0000-0000-0000-000000000009"] = {"schema": ELSEWHERE}
    Handler.answers[f"/schemas/guids/{GUID[:-1]}3"] = (404, '{"error_code": 40403, "message": "Schema not found"}')
    found = registry.equipped(contract(address(server)), tmp_path / "schemas", [other, f"{ID[:-1]}3"]).left.writers
    assert {id: json.loads(text) for id, text in found.schemas.items()} == {
        7: json.loads(FIRST),
        ID: json.loads(FIRST),
        8: json.loads(SECOND),
        other: json.loads(ELSEWHERE),
    }
    assert found.unknown == {f"{ID[:-1]}3"}
    assert registry.known(tmp_path / "schemas").ids == found.ids


def test_a_registry_that_gives_no_schema_by_guid_is_named(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    """An older one has no such path, and answers for it as for any other: that is no answer about the schema."""
    Handler.answers[f"/schemas/guids/{GUID}"] = (404, '{"error_code": 404, "message": "HTTP 404 Not Found"}')
    with pytest.raises(SetupError, match=r"does not give schemas by their GUIDs.*__value_schema_id.*newer registry"):
        registry.equipped(contract(address(server)), tmp_path, [ID])
    assert registry.known(tmp_path).unknown == frozenset()
