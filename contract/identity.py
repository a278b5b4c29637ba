"""Whose a record is: a contract's name and the tables that it reads and writes. Pure.

Two contract files may have one name. Fields, watermarks and settings of a contract change in its life and it stays the
same one; another archive or another output table makes it another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plumbline.contract.model import Contract


def identity(contract: Contract) -> str:
    """16 hex digits, the same for as long as name and tables are."""
    archives = {name: source.archive for name, source in contract.sources.items()}
    return _digest(contract.contract, archives, contract.output.stream_table, contract.output.batch_table)


def identity_of(body: Mapping[str, Any]) -> str | None:
    """That of the contract of which `body` is the JSON form, as records keep it; None when it is not recorded there."""
    try:
        archives = {str(name): str(source["archive"]) for name, source in body["sources"].items()}
        output = body["output"]
        return _digest(str(body["contract"]), archives, str(output["stream_table"]), str(output["batch_table"]))
    except (KeyError, TypeError, AttributeError):
        return None


def rows_condition(contract: Contract, columns: Collection[str]) -> str:
    """The condition, for PyIceberg and DuckDB alike, for the contract's rows in a ledger, or quarantine, with these
    columns.

    Another contract may have the same name: it writes another table. Rows of earlier versions do not name the table;
    there another topic tells it.
    """
    topics = ", ".join(f"'{source.topic}'" for source in contract.sources.values())
    unsaid, named = f"topic in ({topics})", f"contract == '{contract.contract}'"
    if "stream_table" not in columns:
        return f"{named} and {unsaid}"
    table = contract.output.stream_table
    return f"{named} and (stream_table == '{table}' or (stream_table is null and {unsaid}))"


def _digest(name: str, archives: Mapping[str, str], stream_table: str, batch_table: str) -> str:
    told = json.dumps([name, dict(archives), stream_table, batch_table], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:16]
