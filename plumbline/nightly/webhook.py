"""Posting one JSON document to a webhook. Its URL is a secret: no message shows more of it than the host."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from contract.errors import UnreachableError, UsageError

TIMEOUT_SECONDS = 10
WAITS = (1.0, 4.0)
"""Between the attempts, in seconds."""


def checked(url: str) -> str:
    """The URL, if it is one to post to. Raises UsageError."""
    try:
        parts = urlsplit(url)
        fit = parts.scheme in ("https", "http") and bool(parts.hostname) and parts.port != 0 and url.isprintable()
    except ValueError:
        fit = False
    if not fit or " " in url:
        raise UsageError(
            "the webhook is not an http or https address",
            next_step="set PLUMBLINE_WEBHOOK to one such as https://hooks.example.com/services/...",
        )
    return url


def post(url: str, document: Mapping[str, Any], waits: tuple[float, ...] = WAITS) -> None:
    """Post the document; tried again where that may help. Raises UnreachableError when it was not taken."""
    body = json.dumps(document).encode()
    request = Request(url, body, {"Content-Type": "application/json", "User-Agent": "plumbline"}, method="POST")
    opener = build_opener(_NoRedirect)
    for wait in (*waits, None):
        try:
            with opener.open(request, timeout=TIMEOUT_SECONDS):
                return
        except HTTPError as error:
            error.close()
            why, passing = f"it answered {error.code}", error.code == 429 or error.code >= 500
        except (URLError, HTTPException, OSError) as error:
            why, passing = str(getattr(error, "reason", error)) or type(error).__name__, True
        if wait is None or not passing:
            break
        time.sleep(wait)
    raise UnreachableError(
        f"the webhook took no message: {why}",
        where=urlsplit(url).hostname,
        next_step="check the address; the next nightly sends the message",
    )


class _NoRedirect(HTTPRedirectHandler):
    """A redirect would turn the POST into a GET, or carry the message to another host."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None
