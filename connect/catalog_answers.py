"""What an Iceberg catalog's refusal means: whose fault it is, whether it may pass, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from plumbline.connect.disk import full_disk, is_full, no_space
from plumbline.connect.object_store import store_error
from plumbline.contract.errors import PlumblineError, SetupError, UnreachableError, UsageError
from plumbline.contract.secrets import place

WAITS = (0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0)
"""Between the attempts on a catalog that is busy, drops the connection or is being restarted, in seconds."""
ANSWER_SECONDS = 60.0
LONGEST = 200
DRIVERS = {"psycopg2": "psycopg2-binary", "psycopg": "psycopg[binary]", "MySQLdb": "mysqlclient"}
"""The package of a driver's module, where it is called otherwise."""

_REFUSED = ("UnauthorizedError", "AuthorizationExpiredError", "OAuthError")
_BUSY = ("ServiceUnavailableError", "TooManyRequestsError", "ServerError", "CommitStateUnknownException")
_CLIENTS = ("requests", "urllib3", "botocore", "thrift")
_BAD_LOGIN = re.compile(r"authentication failed|access denied|no password supplied|role .* does not exist", re.I)
_NO_ONE_THERE = re.compile(r"refused|resol|unreachable|no route", re.I)
_RESTARTING = re.compile(
    r"closed the connection|connection already closed|terminating connection|starting up|shutting down|in recovery mode"
    r"|too many (clients|connections)|gone away|lost connection|could not receive data|connection reset", re.I
)  # fmt: skip
"""What the drivers of PostgreSQL and MySQL say when the server ends a connection or takes none for the moment."""
_TITLE = re.compile(r"<title>(.*?)</title>", re.I | re.S)
_NO_DIALECT = re.compile(r"dialects:([\w.+]+)")


def catalog_error(error: BaseException, block: Mapping[str, str]) -> PlumblineError | None:
    """The foreseen failure that an exception of PyIceberg, its clients or a database's driver stands for, else None."""
    kind, line, where = type(error).__name__, _line(error), _where(block)
    database = _sqlite_file(block)
    if database is not None and (full_disk(error) or (_of(error, "sqlalchemy") and is_full(database.parent))):
        # SQLite makes files beside its own even to read; without space it speaks of an I/O error.
        return UnreachableError("the disk is full", where=str(database), next_step=no_space(None).next_step)
    if kind in _REFUSED or (_of(error, "sqlalchemy") and _BAD_LOGIN.search(line)):
        step = "check the catalog block's credentials, then try again"
        return SetupError(f"the catalog refuses the credentials: {line}", where=where, next_step=step)
    if kind == "ForbiddenError":
        step = "have this user's rights on the catalog checked"
        return SetupError(f"the catalog does not permit this: {line}", where=where, next_step=step)
    if kind in _BUSY or _of(error, *_CLIENTS) or _of(error, "sqlalchemy"):
        return _no_driver(error, where) or _silent(line, block)
    if kind in ("RESTError", "BadRequestError"):
        step = "check that the catalog block's uri and warehouse are those of an Iceberg REST catalog"
        return SetupError(f"the catalog's answer is not one that a catalog gives: {line}", where=where, next_step=step)
    return _no_driver(error, where) or store_error(error)


def opening_error(error: Exception, block: Mapping[str, str]) -> PlumblineError:
    """The same for a catalog that cannot be opened: whatever it is, it comes of the block or of what it names."""
    if known := catalog_error(error, block):
        return known
    if isinstance(error, OSError | ValueError):
        return _silent(_line(error), block)
    step = "check the catalog block's properties"
    return SetupError(f"the catalog cannot be opened: {_line(error)}", where=_where(block), next_step=step)


def may_pass(error: BaseException, *, answered: bool = False) -> bool:
    """Whether the same question may be answered a moment later.

    `answered`: this catalog has answered before, so that an address where nobody listens is not a mistyped one.
    """
    told = str(getattr(error, "orig", None) or error)  # SQLAlchemy adds the statement and its values
    nobody = _NO_ONE_THERE.search(told) is not None
    if _of(error, "sqlalchemy"):
        return _RESTARTING.search(told) is not None or (answered and nobody)
    if _of(error, "requests", "urllib3"):
        return "Timeout" not in str(type(error)) and (answered or not nobody)
    return type(error).__name__ in _BUSY


def punctual(properties: Mapping[str, str]) -> dict[str, str]:
    """PyIceberg's properties of a REST catalog that waits for an answer for a minute, and not for ever."""
    if properties.get("type") != "rest" or "py-catalog-impl" in properties:
        return dict(properties)
    return {key: value for key, value in properties.items() if key != "type"} | {
        "py-catalog-impl": "plumbline.connect.punctual.PunctualCatalog"
    }


def _silent(line: str, block: Mapping[str, str]) -> UnreachableError:
    step = "check the catalog block's uri and credentials, then try again"
    if str(block.get("uri", "")).startswith("sqlite:"):
        step = "check that the file is whole and its folder can be written, then try again"
    return UnreachableError(f"the catalog does not answer: {line}", where=_where(block), next_step=step)


def _sqlite_file(block: Mapping[str, str]) -> Path | None:
    """The file of a local SQLite catalog."""
    uri = str(block.get("uri", "")).partition("?")[0]
    return Path(unquote(uri.removeprefix("sqlite:///"))) if uri.startswith("sqlite:///") else None


def _no_driver(error: BaseException, where: str) -> PlumblineError | None:
    if type(error).__name__ == "NoSuchModuleError":
        named = _NO_DIALECT.search(str(error))
        return UsageError(
            f"the catalog's uri names a database or driver that is not known here: {named[1] if named else '?'}",
            where=where,
            next_step="write it as postgresql+psycopg2://… or mysql+pymysql://…, and install that driver",
        )
    while error.__cause__ is not None and not isinstance(error, ModuleNotFoundError):
        error = error.__cause__
    if not isinstance(error, ImportError):
        return None
    module = (error.name or str(error)).partition(".")[0]
    return SetupError(
        f"the catalog's driver {module} is not installed",
        where=where,
        next_step=f"install it beside plumbline: pip install {DRIVERS.get(module, module)}",
    )


def _of(error: BaseException, *packages: str) -> bool:
    return any(kind.__module__.partition(".")[0] in packages for kind in type(error).__mro__)


def _line(error: BaseException) -> str:
    """The first line of what it says, of a database's error that of its driver; of a page of HTML its title."""
    told: Any = getattr(error, "orig", None) or error
    lines = str(told).strip().splitlines()
    first = " ".join(lines[0].split()) if lines else type(told).__name__
    if titled := _TITLE.search(str(told)):
        first = f"{first.partition(':')[0]}: {' '.join(titled[1].split())}"
    return first if len(first) <= LONGEST else f"{first[:LONGEST]}…"


def _where(block: Mapping[str, str]) -> str:
    return place(str(block.get("uri") or block.get("type", "catalog")))
