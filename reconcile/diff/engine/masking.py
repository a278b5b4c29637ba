"""What is shown of sensitive columns: nothing, or a hash that tells equal values from others within one comparison."""

from __future__ import annotations

import secrets
from collections.abc import Collection

from plumbline.connect.sql_quoting import text
from plumbline.contract.errors import UsageError
from plumbline.reconcile.diff.engine.canonical import Form

HIDDEN = "(hidden)"


def masks(hide: Collection[str], hashed: Collection[str]) -> dict[str, Form]:
    """Column to the form in which it is shown. The salt is new each time and kept nowhere: a table of the hashes of
    all phone numbers is no help. NULL stays NULL in a hashed column."""
    twice = sorted(set(hide) & set(hashed))
    if twice:
        raise UsageError(f"column {twice[0]!r} is both hidden and hashed", next_step="choose one")
    salt = text(secrets.token_hex(16))

    def hash_of(value: str) -> str:
        return f"substr(sha256({salt} || {value}::VARCHAR), 1, 16)"

    return {name: (lambda _: text(HIDDEN)) for name in hide} | dict.fromkeys(hashed, hash_of)
