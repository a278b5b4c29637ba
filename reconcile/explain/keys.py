"""The key that a user asks about. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from plumbline.contract.errors import UsageError

if TYPE_CHECKING:
    from plumbline.contract.model import Contract

Key = Mapping[str, str | None] | str


def read_key(contract: Contract, key: Key) -> dict[str, str | None]:
    """The value of each key column, as text; None is NULL.

    Raises UsageError when columns are missing, unknown or too many.
    """
    columns = contract.output.key if contract.output.aggregate is None else contract.output.aggregate.key
    if isinstance(key, str):
        values = [key] if len(columns) == 1 else [value.strip() for value in key.split(",")]
        if len(values) != len(columns):
            raise UsageError(
                f"key {key!r} has {len(values)} values, the contract's key has {len(columns)}: {', '.join(columns)}",
                next_step="give " + ",".join(f"<{name}>" for name in columns) + ", or --key NAME=VALUE for each",
            )
        return dict(zip(columns, values, strict=True))
    if set(key) != set(columns):
        raise UsageError(
            f"the key columns are {', '.join(columns)}, not {', '.join(key)}",
            next_step=" ".join(f"--key {name}=VALUE" for name in columns),
        )
    return {name: key[name] for name in columns}
