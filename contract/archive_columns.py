"""A source's `archive_columns:`: an archive that another tool writes, and which of its columns hold what is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from plumbline.contract.consistency import PartError
from plumbline.contract.errors import UsageError

if TYPE_CHECKING:
    from plumbline.contract.model import Contract


class ArchiveColumns(BaseModel):
    """Where a table of your own keeps the place and the times of each archived record."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    partition: str = Field(min_length=1, description="column with the record's Kafka partition")
    offset: str = Field(min_length=1, description="column with the record's Kafka offset")
    event_time: str = Field(
        min_length=1, description="column with the event time: a timestamp, or a whole number of ms since 1970 (UTC)"
    )
    timestamp: str | None = Field(
        None, min_length=1, description="column with the record's own time, likewise; default: not known"
    )
    topic: str | None = Field(
        None, min_length=1, description="column with the topic; default: all rows are of this source's topic"
    )

    @property
    def named(self) -> dict[str, str]:
        """Column as our archiver calls it to the column of the table that holds it."""
        found = {"partition": self.partition, "offset": self.offset, "event_time": self.event_time}
        more = {"kafka_timestamp": self.timestamp, "topic": self.topic}
        return found | {ours: theirs for ours, theirs in more.items() if theirs is not None}


def check_archives(contract: Contract) -> None:
    """Raise PartError where an archive of another tool cannot serve: without `job:`, or where bytes are needed."""
    for name, source in contract.sources.items():
        if source.archive_columns is None:
            continue
        at = ("sources", name)
        if contract.job is None:
            what = "Plumbline's own job writes the archive; this is for a streaming job of your own: add job:"
            raise PartError((*at, "archive_columns"), what)
        for part, why in (("where", "whether it holds"), ("event_id", "which events were delivered twice")):
            if getattr(source, part) is not None:
                what = f"only an archive with the records' bytes tells {why}; remove it, or archive_columns"
                raise PartError((*at, part), what)


def archives_of_theirs(contract: Contract) -> tuple[str, ...]:
    """The sources whose archive another tool writes."""
    return tuple(name for name, source in contract.sources.items() if source.archive_columns is not None)


def refuse_archive_of_theirs(contract: Contract, what: str, next_step: str) -> None:
    """Raise UsageError for work that needs archives as Plumbline writes them."""
    for name in archives_of_theirs(contract):
        path = ("sources", name, "archive_columns")
        raise UsageError(
            f"{what}: {contract.sources[name].archive} is an archive of your own (archive_columns), which does not "
            "have what Plumbline's archiver writes of each record",
            where=contract.place(path) or ".".join(path),
            next_step=next_step,
        )
