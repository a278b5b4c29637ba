"""The schemas that Avro events were written by, as far as they are known here: by what names them in each event."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plumbline.contract.model import Contract


SchemaId = int | str
"""What names a schema in an event: the registry's number, or the schema's GUID as 32 hexadecimal digits."""

GUID_DIGITS = 32


def schema_id(text: str) -> SchemaId:
    """The id that is spelled so."""
    return text if len(text) == GUID_DIGITS else int(text)


def guid_id(guid: str) -> str:
    """A GUID in its usual spelling, with hyphens."""
    return str(uuid.UUID(guid))


def by_schema(schemas: Mapping[SchemaId, str]) -> list[tuple[str, list[SchemaId]]]:
    """Each schema once, with all that names it: a registry gives the same one a number and a GUID."""
    found: dict[str, list[SchemaId]] = {}
    for id in sorted(schemas, key=lambda id: (isinstance(id, str), id)):
        found.setdefault(schemas[id], []).append(id)
    return list(found.items())


@dataclass(frozen=True)
class Writers:
    """Avro schemas (JSON text) by id, and the ids that the registry does not know.

    Any two are equal: what has been seen so far is not part of what a contract says.
    """

    schemas: Mapping[SchemaId, str] = field(default_factory=dict, compare=False)
    unknown: frozenset[SchemaId] = field(default=frozenset(), compare=False)

    @property
    def ids(self) -> set[SchemaId]:
        """All ids about which something is known."""
        return {*self.schemas, *self.unknown}


def with_writers(contract: Contract, names: Collection[str], writers: Writers) -> Contract:
    """The same contract, whose sources of these names read events of these schemas."""
    sources = {}
    for name, source in contract.sources.items():
        sources[name] = source.model_copy()
        if name in names:
            sources[name]._writers = writers
    return contract.model_copy(update={"sources": sources})
