"""What an object store's refusal means, and how long its transient failures are waited out.

Arrow's S3 client says what went wrong in the text of an OSError: `AWS Error NETWORK_CONNECTION during HeadObject
operation: ...` (`arrow/filesystem/s3_internal.h`, ErrorToStatus).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from plumbline.contract.errors import PlumblineError, SetupError, UnreachableError

if TYPE_CHECKING:
    from pyarrow.fs import AwsStandardS3RetryStrategy

RETRIES = "plumbline.connect.object_store.patient_retries"
ATTEMPTS = 9
"""Measured against a port where nobody listens (pyarrow 26, whose waits are drawn at random): 45 s; 10 took 92 s."""

_TOLD = re.compile(r"(?:in bucket '(?P<bucket>[^']*)'.*?)?AWS Error (?P<name>[A-Z_]+) (?P<rest>[^\n]*)", re.S)
_CREDENTIALS = re.compile("ACCESS_KEY|CREDENTIAL|SIGNATURE|EXPIRED|CLIENT_TOKEN|AUTHENTICATION_TOKEN|SECURITY_TOKEN")
_RIGHTS = ("ACCESS_DENIED", "FORBIDDEN", "UNAUTHORIZED")
_MISSING = ("NO_SUCH_BUCKET",)
_GONE = ("NO_SUCH_KEY", "RESOURCE_NOT_FOUND")
_PASSING = re.compile("NETWORK_CONNECTION|SLOW_DOWN|THROTTLING|INTERNAL_|SERVICE_UNAVAILABLE|REQUEST_TIMEOUT")
_SERVERS = re.compile(r"HTTP status (5\d\d|429)")
LONGEST = 200


def patient(properties: Mapping[str, str]) -> dict[str, str]:
    """PyIceberg's properties of a catalog, whose tables on S3 are asked for again while the store fails in passing."""
    return {"s3.retry-strategy-impl": RETRIES, **properties}


def patient_retries() -> AwsStandardS3RetryStrategy:
    """PyIceberg's `s3.retry-strategy-impl`: dropped connections, 5xx and throttling are retried for about a minute."""
    from pyarrow.fs import AwsStandardS3RetryStrategy

    return AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS)


def store_error(error: BaseException) -> PlumblineError | None:
    """The foreseen failure of an object store that an exception tells of, its own or one that wraps it; else None."""
    told = _TOLD.search(str(error))
    if told is None:
        return None
    name, where = told["name"], told["bucket"] or "the warehouse"
    line = f"{name} {' '.join(told['rest'].split())}"[:LONGEST]
    if _CREDENTIALS.search(name):
        step = "check the keys and the clock of this machine, then try again"
        return SetupError(f"the object store refuses the credentials: {line}", where=where, next_step=step)
    if name in _RIGHTS:
        step = "have this user's rights on the bucket checked: list, read, write and delete"
        return SetupError(f"the object store does not permit this: {line}", where=where, next_step=step)
    if name in _MISSING:
        return SetupError(f"the bucket does not exist: {line}", where=where, next_step="correct catalog.warehouse")
    if name in _GONE:
        return gone(line, where)
    if _PASSING.match(name) or _SERVERS.search(line):
        step = "check that it runs and that s3.endpoint is its address, then run the command again"
        return UnreachableError(f"the object store does not answer: {line}", where=where, next_step=step)
    return None


def gone(what: str, where: str | None = None) -> SetupError:
    """The one error for a file of a table that is not there any more."""
    return SetupError(
        f"a file is gone: {what}",
        where=where,
        next_step="run the command again: maintain or another tool may have removed it meanwhile; else bring it back",
    )
