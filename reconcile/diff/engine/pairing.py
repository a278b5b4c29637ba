"""Which keys may differ: pure arithmetic on row hashes, no rows.

Key hashes fall into slots. A slot is settled when its row hashes add up to the same on both sides; sorting is only for
the rows of the other slots. There a key is settled when its rows pair off by equal row hash, one on each side. Every
other key is a candidate: its rows are fetched and compared exactly. So a hash decides only that a key is clean (63
bits of row hash, beside 64 of key), never that it differs.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from plumbline.reconcile.diff.engine.spill import U64, Hashes

_ONE = np.uint64(1)
_SLOT_BITS = 20
_SLOTS = 1 << _SLOT_BITS
_SLOT_MASK = np.uint64(_SLOTS - 1)
Slots = npt.NDArray[np.int64]


class Tables:
    """Two numbers per slot, for one group after the other: fresh memory of this size would cost more than its use."""

    def __init__(self) -> None:
        self.sums = np.empty(_SLOTS, np.uint64)
        self.last = np.empty(_SLOTS, np.int64)


def candidate_keys(left: Hashes, right: Hashes, tables: Tables | None = None) -> U64:
    """The distinct key hashes, in order, that are not exactly one left and one right row of equal row hash."""
    tables = tables or Tables()
    ours, theirs = _slots(left.keys), _slots(right.keys)
    unequal = _balance(left, ours, right, theirs, tables.sums) != 0
    keys = [_repeated(left.keys, ours, tables.last)]  # rows that all pair off can still share one key
    if unequal.any():
        keys.append(_unpaired_keys(left.where(unequal[ours]), right.where(unequal[theirs])))
    return np.unique(np.concatenate(keys))


def _slots(keys: U64) -> Slots:
    """By the lowest bits: the leading ones are alike within a partition."""
    return (keys & _SLOT_MASK).astype(np.int64)


def _balance(left: Hashes, ours: Slots, right: Hashes, theirs: Slots, sums: U64) -> U64:
    """Per slot the sum of the left row hashes less that of the right ones, modulo 2^64.

    Odd numbers: copies of one row cancel only against as many copies.
    """
    sums.fill(0)
    np.add.at(sums, ours, left.rows | _ONE)
    np.subtract.at(sums, theirs, right.rows | _ONE)
    return sums


def _repeated(keys: U64, slots: Slots, last: Slots) -> U64:
    """The keys that occur several times, each at least once: equal keys meet in one slot, where the last one stays."""
    places = np.arange(len(keys))
    last[slots] = places
    winners = last[slots]
    lost = np.flatnonzero(winners != places)
    losers = keys[lost]
    ordered = np.sort(losers)
    return np.concatenate([losers[losers == keys[winners[lost]]], ordered[1:][ordered[1:] == ordered[:-1]]])


def _unpaired_keys(left: Hashes, right: Hashes) -> U64:
    unpaired = _unpaired(left.rows, right.rows)
    sides = ((left.keys, left.rows), (right.keys, right.rows))
    return np.concatenate([keys[isin(rows >> _ONE, unpaired)] for keys, rows in sides])


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


def isin(values: U64, members: U64) -> npt.NDArray[np.bool_]:
    """Which `values` are among `members` (distinct, in order).

    A table of the lowest bits rules out most values before the binary search: members are few as a rule.
    """
    if not len(members) or not len(values):
        return np.zeros(len(values), np.bool_)
    table = np.zeros(_SLOTS, np.bool_)
    table[_slots(members)] = True
    found = table[_slots(values)]
    likely = np.flatnonzero(found)
    place = np.searchsorted(members, values[likely])
    place[place == len(members)] = 0
    found[likely] = members[place] == values[likely]
    return found
