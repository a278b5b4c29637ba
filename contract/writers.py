"""The schemas that Avro events were written by, as far as they are known here: by the id that each event carries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plumbline.contract.model import Contract


@dataclass(frozen=True)
class Writers:
    """Avro schemas (JSON text) by id, and the ids that the registry does not know.

    Any two are equal: what has been seen so far is not part of what a contract says.
    """

    schemas: Mapping[int, str] = field(default_factory=dict, compare=False)
    unknown: frozenset[int] = field(default=frozenset(), compare=False)

    @property
    def ids(self) -> set[int]:
        """All ids about which something is known."""
        return {*self.schemas, *self.unknown}


def with_writers(contract: Contract, writers: Writers) -> Contract:
    """The same contract, whose Avro sources read events of these schemas."""
    sources = {}
    for name, source in contract.sources.items():
        sources[name] = source.model_copy()
        if source.format == "avro":
            sources[name]._writers = writers
    return contract.model_copy(update={"sources": sources})
