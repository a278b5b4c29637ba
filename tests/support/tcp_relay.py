"""A way to a server that a test can cut in the midst of a command: a relay on a port of 127.0.0.1."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

CHUNK = 1 << 16


class Relay:
    """Hands on what clients and server say, and counts the questions: what a client sends at one time.

    While it is cut, its connections are closed and nobody listens at `address`, as when the server is killed.
    """

    def __init__(self, server: str) -> None:
        host, _, port = server.rpartition(":")
        self._server = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.questions = 0
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._cut_at: int | None = None
        self._seconds, self._thread = 0.0, threading.Thread()
        self._listen()

    @contextmanager
    def cut(self, seconds: float, at: int) -> Iterator[None]:
        """Cut for so long instead of handing on the question number `at` from now. Fails if it was never asked."""
        with self._lock:
            self._cut_at, self._seconds = self.questions + at, seconds
        yield
        with self._lock:
            never, self._cut_at = self._cut_at is not None, None
        self._thread.join()
        assert not never, f"fewer than {at} questions were asked"

    def close(self) -> None:
        """Close the port and all connections."""
        self._shut(self._listener)
        self._drop()

    def _listen(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client = listener.accept()[0]
            except OSError:
                return
            try:
                server = socket.create_connection(self._server, 10)
                server.settimeout(None)
            except OSError:
                client.close()
                continue
            self._open |= {client, server}
            threading.Thread(target=self._ask, args=(client, server), daemon=True).start()
            threading.Thread(target=self._hand_on, args=(server, client), daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        self._hand_on(client, server, counted=True)

    def _hand_on(self, source: socket.socket, target: socket.socket, *, counted: bool = False) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK):
                if counted and self._is_last():
                    break
                target.sendall(data)
        for end in (source, target):
            self._shut(end)
            self._open.discard(end)

    def _is_last(self) -> bool:
        """Count a question; whether it is the one that the server never gets."""
        with self._lock:
            self.questions += 1
            if self._cut_at is None or self.questions < self._cut_at:
                return False
            self._cut_at = None
            self._thread = threading.Thread(target=self._stay_away, daemon=True)
            self._shut(self._listener)
            self._thread.start()
            return True

    def _stay_away(self) -> None:
        self._drop()
        time.sleep(self._seconds)
        host, _, port = self.address.rpartition(":")
        self._listener = socket.create_server((host, int(port)))
        self._listen()

    def _drop(self) -> None:
        for end in list(self._open):
            self._shut(end)

    @staticmethod
    def _shut(end: socket.socket) -> None:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
