"""Which keys may differ: pure arithmetic on row hashes, no rows.

A key is settled when its rows pair off by equal row hash, one on each side. Every other key is a candidate: its rows
are fetched and compared exactly. So a hash decides only that a key is clean (64 bits of key and 63 of row), never
that it differs.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reconcile.engine.spill import U64, Hashes

_ONE = np.uint64(1)
_TABLE_BITS = 22
_TABLE_MASK = np.uint64((1 << _TABLE_BITS) - 1)


def candidate_keys(left: Hashes, right: Hashes) -> U64:
    """The distinct key hashes, in order, that are not exactly one left and one right row of equal row hash."""
    unpaired = _unpaired(left.rows, right.rows)
    return np.unique(
        np.concatenate(
            [
                left.keys[isin(left.rows >> _ONE, unpaired)],
                right.keys[isin(right.rows >> _ONE, unpaired)],
                _repeated(left.keys),  # rows that all pair off can still share one key
            ]
        )
    )


def _unpaired(left: U64, right: U64) -> U64:
    """The row hashes (without their lowest bit) that are not exactly one left and one right row.

    One sort of both sides, the lowest bit telling the side: a pair are neighbours that differ in that bit alone. A run
    of three or more has one pair at most, so some of it stays lonely and brings in all rows of that hash.
    """
    marked = np.concatenate([left & ~_ONE, right | _ONE])
    marked.sort()
    base = marked >> _ONE
    pair = (base[1:] == base[:-1]) & (marked[1:] != marked[:-1])
    lonely = np.ones(len(marked), np.bool_)
    lonely[:-1] &= ~pair
    lonely[1:] &= ~pair
    return np.unique(base[lonely])


def _repeated(keys: U64) -> U64:
    ordered = np.sort(keys)
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])


def isin(values: U64, members: U64) -> npt.NDArray[np.bool_]:
    """Which `values` are among `members` (distinct, in order).

    A table of the lowest bits rules out most values before the binary search: members are few as a rule.
    """
    if not len(members) or not len(values):
        return np.zeros(len(values), np.bool_)
    table = np.zeros(1 << _TABLE_BITS, np.bool_)
    table[(members & _TABLE_MASK).astype(np.int64)] = True
    found = table[(values & _TABLE_MASK).astype(np.int64)]
    likely = np.flatnonzero(found)
    place = np.searchsorted(members, values[likely])
    place[place == len(members)] = 0
    found[likely] = members[place] == values[likely]
    return found
