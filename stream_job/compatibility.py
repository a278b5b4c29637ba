"""Whether what a home holds, the checkpoint and the tables, takes a contract as it is now. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from plumbline.contract.aggregate import moment_column
from plumbline.contract.archive_columns import archives_of_theirs
from plumbline.contract.errors import UsageError
from plumbline.contract.fields import decimal_digits, value_type
from plumbline.contract.model import Contract
from plumbline.stream_job import fingerprint
from plumbline.stream_job.job_folder import JobFolder

if TYPE_CHECKING:
    import pyarrow as pa

    from plumbline.connect.home import Home
    from plumbline.connect.lake import Lake


def with_checkpoint(contract: Contract, home: Home) -> list[str]:
    """What changed since the checkpoint of this home was made, in words. Raises UsageError if it does not take it."""
    return [str(change) for change in fingerprint.accepted(JobFolder.of(contract, home).fingerprint, contract)]


def with_tables(contract: Contract, lake: Lake) -> list[str]:
    """How the existing output tables will grow, in words. Raises UsageError for a column that cannot follow.

    Of a job of the team's own none of ours grows its table; nor a batch table that only a query of theirs can fill.
    Columns made by SQL are left out: their types show when the job starts.
    """
    from plumbline.connect.table_growth import taken_away
    from plumbline.connect.table_schema import growth

    said = []
    wanted = _known_columns(contract)
    ours = [contract.output.stream_table] if contract.job is None else []
    ours += [] if archives_of_theirs(contract) else [contract.output.batch_table]
    for table in ours:
        if not lake.exists(table):
            continue
        held = lake.load(table)
        needed = growth(held.schema(), wanted, held.schemas())
        for lost in needed.lost:
            raise taken_away(lost, table)
        for column in needed.refused:
            if column.wanted != "nothing":
                raise UsageError(
                    f"column {column.column} is {column.held} and cannot become {column.wanted}",
                    where=f"{contract.place(('output', 'columns')) or 'output.columns'}; table {table}",
                    next_step="change it back, give the column another name, or name a new table",
                )
        parts = [f"{name} added" for name in needed.added]
        parts += [f"{name} widened to {kind}" for name, kind in needed.widened.items()]
        said += [f"{table}: {', '.join(parts)}"] if parts else []
    return said


def _known_columns(contract: Contract) -> pa.Schema:
    """The output's columns whose types the contract itself says."""
    import pyarrow as pa

    return pa.schema([*_typed(contract), (moment_column(contract), pa.timestamp("us", "UTC"))])


def _typed(contract: Contract) -> Iterator[tuple[str, Any]]:
    if contract.output.aggregate is not None:
        return  # its types show when the job starts, as those of SQL do
    for column in contract.output_columns:
        kind = contract.sources[column.source].fields.get(column.field or "") if column.source else None
        if kind is not None:
            yield column.name, _arrow(kind)


def _arrow(kind: str) -> Any:
    """A field's type as Arrow has it."""
    import pyarrow as pa

    kind = value_type(kind)
    digits = decimal_digits(kind)
    if digits:
        return pa.decimal128(*digits)
    plain = {"string": pa.string(), "boolean": pa.bool_(), "int": pa.int32(), "long": pa.int64(), "float": pa.float32()}
    plain |= {"double": pa.float64(), "date": pa.date32(), "binary": pa.binary()}
    return plain.get(kind, pa.timestamp("us", "UTC"))
