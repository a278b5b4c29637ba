"""A DuckDB connection for one reconcile or explain, with all inputs pinned, and cleaned up afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from plumbline.connect.archives import refuse_unfit
from plumbline.connect.disk import is_full, no_space
from plumbline.connect.lake import Lake
from plumbline.connect.pinned import connection
from plumbline.connect.sql_quoting import text
from plumbline.connect.table_growth import refuse_retyped
from plumbline.connect.table_names import EPOCHS, QUARANTINE
from plumbline.connect.tables import OwnTable
from plumbline.contract.errors import ContractError, SetupError
from plumbline.contract.ranges import TimeRange
from plumbline.reconcile.diff.engine.budget import Budget
from plumbline.reconcile.diff.engine.case_names import clashing, folded
from plumbline.reconcile.diff.engine.schema_findings import nearest
from plumbline.reconcile.diff.engine.side_view import first_line
from plumbline.reconcile.diff.engine.spill_folder import spill_folder
from plumbline.reconcile.inputs.pinned_views import Pins, pin, show

if TYPE_CHECKING:
    from plumbline.connect.home import Home
    from plumbline.contract.model import Contract


@contextmanager
def opened(contract: Contract, home: Home, time_range: TimeRange | None, memory: str) -> Iterator[Pins]:
    """Everything pinned, with the views of all rows of the range."""
    with pinned(contract, home, time_range, memory) as pins:
        yield show(pins)


@contextmanager
def pinned(
    contract: Contract, home: Home, time_range: TimeRange | None, memory: str, threads: int | None = None
) -> Iterator[Pins]:
    """Everything pinned in a fresh DuckDB that spills into the home folder and leaves nothing behind."""
    budget = Budget.of(memory)
    lake = Lake.open(home, contract.catalog).held()
    home.runs.mkdir(parents=True, exist_ok=True)
    with spill_folder("reconcile", home.runs) as folder:
        con = connection(f"{budget.duckdb_bytes}B", folder, threads)
        # Wide rows lie on disk: DuckDB's temp tables keep lists and structs in memory, whatever its limit.
        con.execute(f"ATTACH {text(f'{folder}/rows.duckdb')} AS kept (RECOVERY_MODE no_wal_writes)")
        con.execute("USE kept")
        try:
            _refuse_retyped(lake, contract)
            pins = pin(con, lake, contract, time_range, memory=memory, scratch=Path(folder))
            _check_columns(pins)
            yield pins
        except duckdb.OutOfMemoryException as error:
            if "temp_directory" in str(error) and is_full(Path(folder)):
                raise no_space(folder) from error
            raise SetupError(
                f"the differences and their evidence do not fit into {memory}: {first_line(error)}",
                next_step="give more with --memory, or reconcile a shorter range",
            ) from error
        finally:
            con.close()
            lake.dispose()


def _refuse_retyped(lake: Lake, contract: Contract) -> None:
    """Raise SetupError before anything is read: `scan` refuses them too, but file statistics are read first."""
    own: dict[str, OwnTable] = {EPOCHS: "epochs", QUARANTINE: "quarantine"}
    for table, kind in own.items():
        if lake.exists(table):
            refuse_retyped(lake.load(table), kind)
    refuse_unfit(lake, contract)


def _check_columns(pins: Pins) -> None:
    """Raise ContractError for a key column that an output table lacks: it was dropped, or the table is another.

    And SetupError for columns whose names differ in case only, as other tools can add them.
    """
    output = pins.contract.output
    for table in (output.stream_table, output.batch_table):
        columns = [field.name for field in pins.lake.load(table).schema().fields]
        clashes = clashing(columns)
        if clashes:
            raise SetupError(
                f"columns of {table} have names that differ in case only: "
                f"{', '.join(name for name in columns if folded(name) in clashes)}",
                where=f"table {table}",
                next_step="rename one of them, with another tool than Spark",
            )
        for name in output.key if output.aggregate is None else output.aggregate.key:
            if name not in columns:
                raise ContractError(
                    f"{table} has no column {name!r}, which the contract's key names",
                    where=pins.contract.place(("output", "key")),
                    next_step=nearest(name, columns),
                )
