"""Posting one JSON document to a webhook. Its URL is a secret: no message shows more of it than the host."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from plumbline.contract.errors import UnreachableError, UsageError
from plumbline.contract.secrets import keep_address

TIMEOUT_SECONDS = 10
MOST_SECONDS = 30.0
"""For all attempts together, however slowly an answer comes: the night's lock is held meanwhile."""
WAITS = (1.0, 4.0)
"""Between the attempts, in seconds."""


def checked(url: str) -> str:
    """The URL, if it is one to post to. Raises UsageError."""
    try:
        parts = urlsplit(url)
        fit = parts.scheme in ("https", "http") and bool(parts.hostname) and parts.port != 0 and url.isprintable()
        (parts.hostname or "").encode("idna")  # as the client does: no empty name between dots, none over 63 letters
    except ValueError:
        fit = False
    if not fit or " " in url or parts.username is not None or not f"{parts.path}{parts.query}".isascii():
        raise UsageError(
            "the webhook is not an http or https address",
            next_step="set PLUMBLINE_WEBHOOK to one such as https://hooks.example.com/services/..., "
            "without a user, other letters than ASCII as %XX",
        )
    keep_address(url)
    return url


def post(url: str, document: Mapping[str, Any], waits: tuple[float, ...] = WAITS) -> None:
    """Post the document; tried again where that may help. Raises UnreachableError when it was not taken in 30 s."""
    body = json.dumps(document).encode()
    deadline = time.monotonic() + MOST_SECONDS
    for wait in (*waits, None):
        answer = _attempt(url, body, deadline)
        if answer is None:
            return
        why, passing = answer
        if wait is None or not passing or time.monotonic() + wait >= deadline:
            break
        time.sleep(wait)
    raise UnreachableError(
        f"the webhook did not accept the message: {why}",
        where=urlsplit(url).hostname,
        next_step="check the address; the next nightly sends the message",
    )


def _attempt(url: str, body: bytes, deadline: float) -> tuple[str, bool] | None:
    """Why it was not taken, and whether that may pass; None when it was.

    In a thread of its own: the time-out of a socket, and that of a look-up of a name, do not end an answer that comes
    byte by byte. A thread that is given up ends with the process.
    """
    answers = list[tuple[str, bool] | None]()
    thread = threading.Thread(target=lambda: answers.append(_posted(url, body)), daemon=True)
    thread.start()
    thread.join(max(0.0, deadline - time.monotonic()))
    return answers[0] if answers else (f"no answer within {MOST_SECONDS:.0f} s", False)


def _posted(url: str, body: bytes) -> tuple[str, bool] | None:
    request = Request(url, body, {"Content-Type": "application/json", "User-Agent": "plumbline"}, method="POST")
    try:
        with build_opener(_NoRedirect).open(request, timeout=TIMEOUT_SECONDS):
            return None
    except HTTPError as error:
        error.close()
        return f"it answered {error.code}", error.code == 429 or error.code >= 500
    except (URLError, HTTPException, OSError, ValueError) as error:
        return str(getattr(error, "reason", error)) or type(error).__name__, not isinstance(error, ValueError)


class _NoRedirect(HTTPRedirectHandler):
    """A redirect would turn the POST into a GET, or carry the message to another host."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None
