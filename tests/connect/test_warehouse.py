"""The probe of a warehouse: a small S3 server that refuses chosen questions, and folders of this disk."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest

from plumbline.connect import object_store, warehouse
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.contract.errors import SetupError, UnreachableError

LISTED = "<ListBucketResult><Name>lake</Name>{}<IsTruncated>false</IsTruncated></ListBucketResult>"
CONTENT = "<Contents><Key>{}</Key><LastModified>2026-01-05T00:00:00Z</LastModified><Size>{}</Size></Contents>"
STARTED = "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>"
DONE = "<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>"
DENIED = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
BUSY = "<Error><Code>SlowDown</Code><Message>slower</Message></Error>"


class Store(ThreadingHTTPServer):
    """Keeps what is put, as S3 does. `denied`: rights that are refused; `busy`: how many answers are 503 first."""

    daemon_threads = True

    def __init__(self, denied: tuple[str, ...], busy: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.denied, self.busy, self.objects, self.put = denied, busy, dict[str, bytes](), list[str]()


class _Handler(BaseHTTPRequestHandler):
    server: Store

    def do_PUT(self) -> None:
        body, path = self.rfile.read(int(self.headers.get("Content-Length", 0))), self._path()
        if self._may("write"):
            self.server.objects[path] = self.server.objects.get(path, b"") + body
            self.server.put.append(path)
            self._give(200, "", ETag='"e"')

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self._may("write"):
            self._give(200, STARTED if "uploads" in self.path else DONE)

    def do_GET(self) -> None:
        listing = "list-type" in self.path
        if self._may("list" if listing else "read"):
            found = self.server.objects.get(self._path())
            if listing:
                keys = {path.removeprefix("/lake/"): body for path, body in self.server.objects.items()}
                self._give(200, LISTED.format("".join(CONTENT.format(key, len(body)) for key, body in keys.items())))
            elif found is None:
                self._give(404, "")
            else:
                self._give(200, found.decode())

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        if self._may("delete"):
            self.server.objects.pop(self._path(), None)
            self._give(204, "")

    def _path(self) -> str:
        return unquote(self.path.partition("?")[0])

    def _may(self, right: str) -> bool:
        if self.server.busy:
            self.server.busy -= 1
            self._give(503, BUSY)
            return False
        if right in self.server.denied:
            self._give(403, DENIED)
            return False
        return True

    def _give(self, status: int, text: str, **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(text)), "Content-Type": "application/xml"} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None: ...


@contextmanager
def store(*denied: str, busy: int = 0) -> Iterator[Store]:
    server = Store(denied, busy)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def probed(folder: Path, server: Store) -> list[str]:
    block = {
        "type": "sql",
        "uri": f"sqlite:///{folder}/catalog.db",
        "warehouse": "s3://lake/w",
        "s3.endpoint": f"http://127.0.0.1:{server.server_port}",
        "s3.region": "us-east-1",
        "s3.access-key-id": "a",
        "s3.secret-access-key": "b",
    }
    place = warehouse.place_of(Lake.open(Home.resolve(folder / "home"), block), ["joined.stream"])
    assert place is not None
    assert place.location == "s3://lake/w"
    return warehouse.probe(place)


def test_all_rights_are_tried_and_nothing_is_left(tmp_path: Path) -> None:
    with store() as server:
        assert probed(tmp_path, server) == list(warehouse.NEEDED_FOR)
        assert [path for path in server.put if "plumbline-probe" in path]
        assert [path for path in server.objects if "plumbline-probe" in path] == []


def test_a_store_that_is_busy_is_asked_again(tmp_path: Path) -> None:
    with store(busy=2) as server:
        assert probed(tmp_path, server) == list(warehouse.NEEDED_FOR)


def test_one_that_stays_busy_is_away_and_refuses_no_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "ATTEMPTS", 2)
    with store(busy=99) as server, pytest.raises(UnreachableError, match="the object store does not answer"):
        probed(tmp_path, server)


@pytest.mark.parametrize(
    ("denied", "message"),
    [
        (("write",), r"does not let this user write: .*ACCESS_DENIED.*\[s3://lake/w\].*write is needed by every job"),
        (("list",), "does not let this user list: .*ACCESS_DENIED.*list is needed by `maintain`"),
        (("list", "delete"), r"this user list, delete: .*plumbline-probe-\w+ is left\].*; delete is needed by"),
        (("read",), r"does not let this user read: .*is left\].*given: read is needed by every job$"),
    ],
    ids=["write", "list", "list and delete", "read"],
)
def test_a_right_that_is_refused_is_told_with_what_needs_it(
    denied: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    with store(*denied) as server, pytest.raises(SetupError, match=message) as told:
        probed(tmp_path, server)
    assert type(told.value) is SetupError


def test_a_folder_of_this_disk(tmp_path: Path) -> None:
    lake = Lake.open(Home.resolve(tmp_path / "home"))
    place = warehouse.place_of(lake, [])
    assert place is not None
    assert warehouse.probe(place) == list(warehouse.NEEDED_FOR)
    assert list((tmp_path / "home" / "lake" / "warehouse").iterdir()) == []
    file = tmp_path / "a file"
    file.write_text("x")
    with pytest.raises(SetupError, match=r"the warehouse cannot be used: .*correct catalog\.warehouse"):
        warehouse.probe(warehouse.Place(f"file://{file}", place.io))
    assert file.read_text() == "x"


def test_a_warehouse_that_only_the_catalog_knows_is_not_tried(tmp_path: Path) -> None:
    block = {"type": "sql", "uri": f"sqlite:///{tmp_path}/catalog.db", "warehouse": "analytics"}
    assert warehouse.place_of(Lake.open(Home.resolve(tmp_path / "home"), block), []) is None
