"""The contract's `catalog:` block as PyIceberg's properties and as Spark's settings. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from plumbline.contract.errors import UsageError
from plumbline.contract.secrets import keep, open_properties

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

TYPES = ("sql", "rest", "glue", "hive")
NEEDS = {
    "sql": ("uri", "warehouse"),
    "rest": ("uri",),
    "glue": ("warehouse",),
    "hive": ("uri",),
}
BUSY_MS = 30_000
S3_RETRIES = "13"
"""Of Iceberg's S3FileIO: 29 to 72 s against a port where nobody listens. Its own five are over in seconds, since the
AWS SDK first waits 0.1 s (findings/iceberg-s3-retries-refused-connection.sh)."""


def checked(block: Mapping[str, str]) -> dict[str, str]:
    """The block with text values. Raises UsageError: unknown type (nearest named), a missing or unreadable uri,
    a missing warehouse. What the block holds is hidden in every error from here on."""
    kind = str(block.get("type", ""))
    if kind not in TYPES:
        near = difflib.get_close_matches(kind, TYPES, 1, 0.4)
        raise UsageError(
            f"catalog type {kind!r} is unknown",
            where="catalog.type",
            next_step=f"did you mean {near[0]}?" if near else f"use one of {', '.join(TYPES)}",
        )
    for key in NEEDS[kind]:
        if not block.get(key):
            raise UsageError(
                f"a {kind} catalog needs {key}", where="catalog", next_step=f"add {key}: to the catalog block"
            )
    keep(block)
    if kind == "sql" and not str(block["uri"]).startswith(("sqlite:", "jdbc:sqlite:")):
        _parsed(_sqlalchemy(str(block["uri"])))
    return {key: str(value) for key, value in block.items()}


def pyiceberg_properties(block: Mapping[str, str]) -> dict[str, str]:
    """Properties for `pyiceberg.catalog.load_catalog`; an SQLite uri gets a time-out: a lock fails it else."""
    properties = dict(block)
    if block["type"] == "sql":
        properties["uri"] = _with_parameter(_sqlalchemy(block["uri"]), "timeout", str(BUSY_MS // 1000))
    return properties


def spark_conf(name: str, block: Mapping[str, str]) -> dict[str, str]:
    """Spark settings of the catalog `name`. Never cached: PyIceberg writes beside it."""
    own = {key: value for key, value in block.items() if key not in ("type", "uri", "py-io-impl")}
    settings = {"type": "jdbc" if block["type"] == "sql" else block["type"], "cache-enabled": "false", **own}
    if block["type"] == "sql":
        settings |= _jdbc(_sqlalchemy(block["uri"])) | {"jdbc.schema-version": "V1"}
    elif "uri" in block:
        settings["uri"] = block["uri"]
    settings = _on_s3(block) | settings
    prefix = f"spark.sql.catalog.{name}"
    return {prefix: "org.apache.iceberg.spark.SparkCatalog"} | {f"{prefix}.{k}": v for k, v in settings.items()}


def _on_s3(block: Mapping[str, str]) -> dict[str, str]:
    """What the Java side needs for S3 and PyIceberg does not: how to open it, the region under its own name, and how
    often it is asked again."""
    found: dict[str, str] = {}
    on_s3 = urlsplit(block.get("warehouse", "")).scheme in ("s3", "s3a", "s3n")
    if on_s3 or any(name.startswith("s3.") for name in block):
        found["s3.retry.num-retries"] = S3_RETRIES
    if block["type"] in ("sql", "hive") and on_s3:
        found["io-impl"] = "org.apache.iceberg.aws.s3.S3FileIO"  # these two would take Hadoop's, which has no s3
    if "s3.region" in block:
        found["client.region"] = block["s3.region"]
    return found


def masked(properties: Mapping[str, str], prefix: str = "") -> dict[str, str]:
    """The same as it may be shown, see `plumbline.contract.secrets`; `prefix` stands before the block's own names."""
    return open_properties(properties, prefix)


def _sqlalchemy(uri: str) -> str:
    """A `jdbc:` uri in SQLAlchemy's form; others as they are."""
    if uri.startswith("jdbc:sqlite:"):
        path, question, parameters = uri.removeprefix("jdbc:sqlite:").partition("?")
        return f"sqlite:///{quote(path)}{question}{parameters}"
    return uri.removeprefix("jdbc:")


def _jdbc(uri: str) -> dict[str, str]:
    """An SQLAlchemy uri as Iceberg's JDBC catalog wants it: no driver suffix; user, password and parameters apart.

    What is in the address appears in the driver's errors and in logs; a property does not.
    """
    if uri.startswith("sqlite:///"):
        path, question, parameters = uri.removeprefix("sqlite:///").partition("?")
        return {"uri": _with_parameter(_jdbc_sqlite(path) + question + parameters, "busy_timeout", str(BUSY_MS))}
    url = _parsed(uri)
    host = f"[{url.host}]" if url.host and ":" in url.host else url.host or ""
    place = host + (f":{url.port}" if url.port else "")
    settings = {"uri": f"jdbc:{url.drivername.partition('+')[0]}://{place}/{url.database or ''}"}
    if url.username:
        settings["jdbc.user"] = url.username
    if url.password:
        settings["jdbc.password"] = str(url.password)
    return settings | {
        f"jdbc.{name}": str(value) for name, value in url.normalized_query.items() for value in value[-1:]
    }


def _parsed(uri: str) -> URL:
    """The uri of an SQL catalog. Raises UsageError when it is none, or when a password's marks are not encoded."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(uri)
    except (ArgumentError, ValueError):
        url = None
    if url is None or (url.username is not None and _has_bare_marks(uri)):
        raise UsageError(
            "the catalog's uri is not readable as dialect+driver://user:password@host:port/database",
            where="catalog.uri",
            next_step="write @ / : ? # and % of a password as %40 %2F %3A %3F %23 %25",
        )
    return url


def _has_bare_marks(uri: str) -> bool:
    """Whether user or password, as they are written, hold a mark by which SQLAlchemy ends them."""
    user_info, _, rest = uri.partition("://")[2].partition("@")
    return "/" in user_info or "@" in rest.partition("?")[0]


def _jdbc_sqlite(path: str) -> str:
    """The driver takes a path as it stands up to a `?`, SQLAlchemy takes it percent-encoded; SQLite's own form of a
    `file:` uri is percent-encoded too."""
    plain = unquote(path)
    return f"jdbc:sqlite:file:{quote(plain)}" if "?" in plain else f"jdbc:sqlite:{plain}"


def _with_parameter(uri: str, name: str, value: str) -> str:
    if "sqlite" not in uri.partition("/")[0] or f"{name}=" in uri:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}{name}={value}"
