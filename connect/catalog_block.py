"""The contract's `catalog:` block as PyIceberg's properties and as Spark's settings. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit, urlunsplit

from contract.errors import UsageError

TYPES = ("sql", "rest", "glue", "hive")
NEEDS = {
    "sql": ("uri", "warehouse"),
    "rest": ("uri",),
    "glue": ("warehouse",),
    "hive": ("uri",),
}
SECRET = re.compile(r"password|secret|token|credential|access-key|jaas", re.IGNORECASE)
MASK = "***"
BUSY_MS = 30_000


def checked(block: Mapping[str, str]) -> dict[str, str]:
    """The block with text values. Raises UsageError: unknown type (nearest named), or a missing uri or warehouse."""
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
    return {key: str(value) for key, value in block.items()}


def pyiceberg_properties(block: Mapping[str, str]) -> dict[str, str]:
    """Properties for `pyiceberg.catalog.load_catalog`; an SQLite uri gets a time-out: a lock fails it else."""
    properties = dict(block)
    if block["type"] == "sql":
        properties["uri"] = _with_parameter(_sqlalchemy(block["uri"]), "timeout", str(BUSY_MS // 1000))
    return properties


def spark_conf(name: str, block: Mapping[str, str]) -> dict[str, str]:
    """Spark settings of the catalog `name`. Never cached: PyIceberg writes beside it."""
    own = {key: value for key, value in block.items() if key not in ("type", "uri")}
    settings = {"type": "jdbc" if block["type"] == "sql" else block["type"], "cache-enabled": "false", **own}
    if block["type"] == "sql":
        settings |= _jdbc(_sqlalchemy(block["uri"])) | {"jdbc.schema-version": "V1"}
    elif "uri" in block:
        settings["uri"] = block["uri"]
    prefix = f"spark.sql.catalog.{name}"
    return {prefix: "org.apache.iceberg.spark.SparkCatalog"} | {f"{prefix}.{k}": v for k, v in settings.items()}


def masked(properties: Mapping[str, str]) -> dict[str, str]:
    """The same with secret values and passwords inside URIs replaced by `***`."""
    return {k: MASK if SECRET.search(k) else _masked_uri(v) for k, v in properties.items()}


def _masked_uri(value: str) -> str:
    return re.sub(r"(://[^:/@\s]+):[^@/\s]+@", rf"\1:{MASK}@", value)


def _sqlalchemy(uri: str) -> str:
    """A `jdbc:` uri in SQLAlchemy's form; others as they are."""
    if uri.startswith("jdbc:sqlite:"):
        return "sqlite:///" + uri.removeprefix("jdbc:sqlite:")
    return uri.removeprefix("jdbc:")


def _jdbc(uri: str) -> dict[str, str]:
    """An SQLAlchemy uri as Iceberg's JDBC catalog wants it: no driver suffix, user and password apart."""
    if uri.startswith("sqlite:///"):
        path = uri.removeprefix("sqlite:///")
        return {"uri": _with_parameter(f"jdbc:sqlite:{path}", "busy_timeout", str(BUSY_MS))}
    parts = urlsplit(uri)
    place = parts.netloc.rpartition("@")[2]
    bare = urlunsplit((parts.scheme.partition("+")[0], place, parts.path, parts.query, ""))
    settings = {"uri": f"jdbc:{bare}"}
    if parts.username:
        settings["jdbc.user"] = unquote(parts.username)
    if parts.password:
        settings["jdbc.password"] = unquote(parts.password)
    return settings


def _with_parameter(uri: str, name: str, value: str) -> str:
    if "sqlite" not in uri.partition("/")[0] or f"{name}=" in uri:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}{name}={value}"
