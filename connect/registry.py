"""The schema registry: schemas by id, fetched once and kept as files that never change."""

from __future__ import annotations

import difflib
import json
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

from plumbline.connect.catalog_answers import WAITS
from plumbline.connect.home import Home
from plumbline.contract import formats
from plumbline.contract.avro import HEADER
from plumbline.contract.errors import SetupError, UnreachableError, UsageError
from plumbline.contract.model import Contract, Source
from plumbline.contract.secrets import keep
from plumbline.contract.writers import GUID_DIGITS, SchemaId, Writers, guid_id, schema_id, with_writers

ALLOWED = (
    "url",
    "basic.auth.user.info",
    "bearer.auth.token",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "ssl.key.password",
    "timeout",
)
FOLDER = "schemas"
"""In a job's folder: the schemas of its events."""

SCHEMA, UNKNOWN = ".avsc", ".unknown"
_NOT_FOUND, _BUSY, _WHO_ARE_YOU, _FORBIDDEN = 404, 429, 401, 403
_UNKNOWN_HERE = range(40400, 40500)
_THERE = re.compile(r"is not able to answer|disconnected|connection reset|broken pipe", re.IGNORECASE)
"""What a registry that is there and busy, or being restarted, makes of a question: 5xx, 429, a dropped connection."""
WHERE = "schema_registry"
T = TypeVar("T")

PREFIX_STEP = (
    "let the producer put ids in front of the value (confluent-kafka: "
    "schema.id.serializer = prefix_schema_id_serializer)"
)


def checked(properties: Mapping[str, str]) -> dict[str, str]:
    """The contract's `schema_registry:` block. Raises UsageError for a property that is not allowed, or without url."""
    for key in properties:
        if key not in ALLOWED:
            near = difflib.get_close_matches(key, ALLOWED, 1, 0.5)
            raise UsageError(
                f"schema registry property {key} is not allowed",
                where="schema_registry",
                next_step=f"did you mean {near[0]}?" if near else f"allowed: {', '.join(ALLOWED)}",
            )
    if not properties.get("url"):
        raise UsageError("url is missing", where="schema_registry", next_step="set it to the registry's address")
    keep(properties)
    return dict(properties)


def client(properties: Mapping[str, str]) -> Any:
    """Confluent's client of the registry; the same one for the same properties (`mock://` lives in the client)."""
    return _client(tuple(sorted(checked(properties).items())))


def known(folder: Path) -> Writers:
    """The schemas kept in `folder`."""
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    schemas = {schema_id(file.stem): file.read_text() for file in files if file.suffix == SCHEMA}
    return Writers(schemas, frozenset({schema_id(file.stem) for file in files if file.suffix == UNKNOWN} - {*schemas}))


def equipped(contract: Contract, folder: Path, wanted: Iterable[SchemaId] = ()) -> Contract:
    """The contract with all that is known of the schemas its Avro events were written by; kept in `folder`.

    Asks the registry for all versions of each topic's subject (`<topic>-value`) and for the `wanted` ids; one that it
    does not know is noted as unknown for good. Raises UnreachableError when the registry does not answer and nothing
    is kept yet, or a wanted id is missing; only then is a passing failure waited out first, for about a minute.
    """
    avro = {name: source for name, source in contract.sources.items() if formats.of(source).registry}
    if not avro:
        return contract
    held = known(folder)
    missing = set(wanted) - held.ids
    needed = bool(missing) or not held.ids
    try:
        registry = client(contract.schema_registry or {})
        for source in avro.values():
            for id, schema in _patiently(partial(_of_subject, registry, subject(source)), needed).items():
                if id not in held.schemas:
                    _keep(folder, id, schema)
        for id in missing:
            _keep(folder, id, _patiently(partial(_by_id, registry, id), needed))
    except UnreachableError:
        if needed:
            raise
    return with_writers(contract, avro.keys(), known(folder))


def subject(source: Source) -> str:
    """The registry's subject of a source's events, by the naming that its clients have by default."""
    return f"{source.topic}-value"


def versions(contract: Contract) -> dict[str, int]:
    """How many schemas the registry gives for each subject of the contract, 0 for one that is not there. Nothing is
    kept. Raises UnreachableError and SetupError as `equipped`."""
    avro = [source for source in contract.sources.values() if formats.of(source).registry]
    registry = client(contract.schema_registry or {}) if avro else None
    return {subject(source): len(_patiently(partial(_of_subject, registry, subject(source)))) for source in avro}


def _patiently(question: Callable[[], T], needed: bool = True) -> T:
    """The answer; where it is needed, a registry that is there and busy is asked again for about a minute.

    An address where nobody listens may be mistyped, and is told at once.
    """
    waits = iter(WAITS if needed else ())
    while True:
        try:
            return question()
        except UnreachableError as error:
            wait = next(waits, None)
            if wait is None or not _THERE.search(error.what):
                raise
        time.sleep(wait)


def kept_by(contract: Contract, home: Home) -> Path:
    """The folder in which the contract's live job keeps its schemas."""
    return home.checkpoints / contract.contract / FOLDER


@cache
def _client(properties: tuple[tuple[str, str], ...]) -> Any:
    from confluent_kafka.schema_registry import SchemaRegistryClient

    plain: dict[str, Any] = {**dict(properties), "max.retries": 0}  # see `_patiently`, which knows what is needed
    try:
        if "timeout" in plain:
            plain["timeout"] = float(plain["timeout"])
        return SchemaRegistryClient.new_client(plain)
    except (ValueError, TypeError) as error:
        raise UsageError(f"the schema registry's client refuses: {error}", where="schema_registry") from None


def _of_subject(registry: Any, subject: str) -> dict[SchemaId, str]:
    """Avro schemas of all versions of a subject by id, and by GUID where the registry gives one; none for a subject
    that is not there."""
    found: dict[SchemaId, str | None] = {}
    versions = _asked(lambda: registry.get_versions(subject)) or ()
    if not isinstance(versions, list | tuple):
        raise _no_registry("it does not list versions")
    for version in versions:
        registered = _asked(lambda number=version: registry.get_version(subject, number))
        if registered is not None:
            text = _text(registered.schema, int(registered.schema_id))
            found[int(registered.schema_id)] = text
            guid = str(registered.guid or "").replace("-", "").lower()
            if len(guid) == GUID_DIGITS:
                found[guid] = text
    return {id: text for id, text in found.items() if text is not None}


def _by_id(registry: Any, id: SchemaId) -> str | None:
    if isinstance(id, int):
        schema = _asked(lambda: registry.get_schema(id))
    else:
        schema = _asked(lambda: registry.get_schema_by_guid(guid_id(id)), by_guid=True)
    return None if schema is None else _text(schema, id)


def _asked(question: Any, *, by_guid: bool = False) -> Any:
    """The registry's answer; None when it does not know. Raises UnreachableError or SetupError.

    Only a registry's own codes say that it does not know (the REST interface's 404xx): the 404 of a wrong path would
    make each schema unknown for good.
    """
    from confluent_kafka.schema_registry.error import SchemaRegistryError

    try:
        return question()
    except SchemaRegistryError as error:
        if error.http_status_code == _NOT_FOUND and error.error_code in _UNKNOWN_HERE:
            return None
        if by_guid and error.http_status_code == _NOT_FOUND:
            raise SetupError(
                "the schema registry does not give schemas by their GUIDs, which the header "
                f"{HEADER} of the records names",
                where=WHERE,
                next_step=f"use a newer registry, or {PREFIX_STEP}",
            ) from None
        raise _refusal(error) from None
    except OSError as error:
        raise _silent(error) from None
    except Exception as error:
        if type(error).__module__.partition(".")[0] in ("httpx", "httpx2", "httpcore", "httpcore2"):
            raise _silent(error) from None
        if isinstance(error, ValueError | TypeError | AttributeError | KeyError):
            raise _no_registry(f"{type(error).__name__}: {error}") from None
        raise


def _refusal(error: Any) -> SetupError:
    """What an answer with an error's status means: from the registry itself, or from something else at that address."""
    status, told = error.http_status_code, " ".join(str(error.error_message).split())[:200]
    if status in (_BUSY, *range(500, 600)):
        kind, step = UnreachableError, "try again later"
        return kind(f"the schema registry is not able to answer: {told} ({status})", where=WHERE, next_step=step)
    if status in (_WHO_ARE_YOU, _FORBIDDEN):
        step = "check the block's credentials and this user's rights"
        return SetupError(f"the schema registry refuses: {told} ({status})", where=WHERE, next_step=step)
    return _no_registry(f"{told} ({status})")


def _no_registry(told: str) -> SetupError:
    return SetupError(
        f"what answers is not a schema registry: {told}", where=WHERE, next_step="check the block's url, its path too"
    )


def _silent(error: Exception) -> UnreachableError:
    return UnreachableError(
        f"the schema registry does not answer: {str(error).splitlines()[0] if str(error) else type(error).__name__}",
        where="schema_registry",
        next_step="check the block's url, then try again",
    )


def _text(schema: Any, id: SchemaId) -> str | None:
    """The schema as JSON text in one spelling; None for one that is not Avro. SetupError for one in several parts."""
    if schema.references:
        raise SetupError(
            f"schema {id} refers to {', '.join(reference.name for reference in schema.references)}",
            where="schema_registry",
            next_step="schemas in several parts are not read; register it as one",
        )
    if not schema.schema_str:
        raise _no_registry(f"it has no text of schema {id}")
    return json.dumps(json.loads(schema.schema_str)) if (schema.schema_type or "AVRO") == "AVRO" else None


def _keep(folder: Path, id: SchemaId, schema: str | None) -> None:
    """Write down a schema, or that there is none, so that a reader sees all of it or nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{id}{SCHEMA if schema is not None else UNKNOWN}"
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.write_text(schema or "")
    draft.rename(file)
