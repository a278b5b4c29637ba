"""Tables with a column type that PyIceberg cannot read: reported by the column's name, not as a defect."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, TypeVar

from plumbline.contract.errors import SetupError

T = TypeVar("T")


def loaded(identifier: str, load: Callable[[], T]) -> T:
    """What `load` gives. Raises SetupError where PyIceberg stops at the table's metadata."""
    from pydantic import ValidationError as InResponse
    from pyiceberg.exceptions import ValidationError as InFile

    try:
        return load()
    except (InFile, InResponse, TypeError, NotImplementedError) as error:
        columns = _foreign_columns(load)
        if not columns:
            raise SetupError(
                f"the metadata of table {identifier} cannot be read: {_reason(error)}",
                where=identifier,
                next_step="look at it with the tool that wrote it",
            ) from None
        raise SetupError(
            f"table {identifier} has {' and '.join(columns)}, which PyIceberg {version('pyiceberg')} cannot read",
            where=identifier,
            next_step="compare a copy of the table without it, such as a Parquet export, or drop the column",
        ) from None


def _foreign_columns(load: Callable[[], object]) -> list[str]:
    """Names and types of the columns at which PyIceberg stops. Its own error tells only their place in a list."""
    from pyiceberg.types import NestedField

    found: dict[str, None] = {}
    build: Any = NestedField.__init__

    def noting(field: NestedField, *values: Any, **named: Any) -> None:
        try:
            build(field, *values, **named)
        except Exception:
            kind, default = named.get("type"), " with a default" if named.get("initial-default") else ""
            if isinstance(kind, str):
                found[f"column {named.get('name')!r} of type {kind}{default}"] = None
            elif not found:
                found[f"column {named.get('name')!r} of a type that holds others"] = None
            raise

    NestedField.__init__ = noting  # type: ignore[method-assign, assignment]
    try:
        load()
    except Exception:  # the same as before
        return list(found)
    finally:
        NestedField.__init__ = build  # type: ignore[method-assign]
    return []


def _reason(error: Exception) -> str:
    """Why, in one line without the address of Pydantic's help."""
    lines = [line.strip() for line in str(error).splitlines() if "errors.pydantic.dev" not in line]
    return re.sub(r"\s*\[type=.*", "", " ".join(lines))
