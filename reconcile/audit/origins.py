"""Which commits wrote the copies of one offset that are there now, and which one deleted it. Pure.

Rewrites (compaction, copy-on-write) carry rows into other files: a commit counts as the writer of only as many copies
as it added beyond those that it took away.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Writer = tuple[int, bool]
"""Number of a commit, and whether it is known to be the first that had the row; a negative number is an index into what
is known of commits that have expired."""


@dataclass(frozen=True, order=True)
class Fact:
    """`copies` of an offset in one file: there from commit `born` to commit `died` (None: still there).

    `origin` stands where the file is older than what is known.
    """

    born: int
    died: int | None
    copies: int
    origin: Writer | None = None


@dataclass(frozen=True)
class Story:
    """`written_by`: the commits that can have written the copies there now, all of them where `sure`.

    `deleted_by`: the commit that took the last copy away, None while there is one or if there never was.
    """

    written_by: tuple[Writer, ...]
    deleted_by: int | None
    live: int
    sure: bool


def story(facts: Iterable[Fact]) -> Story:
    """What the facts of one offset tell; each was there for one commit at least."""
    known = list(facts)
    writers: dict[Fact, tuple[Writer, ...]] = {}
    pools: dict[int, tuple[Writer, ...]] = {}
    deleted_by, there = None, 0
    for commit in sorted({fact.born for fact in known} | {fact.died for fact in known if fact.died is not None}):
        gone = [fact for fact in known if fact.died == commit]
        come = [fact for fact in known if fact.born == commit]
        taken, added = (sum(fact.copies for fact in facts) for facts in (gone, come))
        pool = [writer for fact in gone for writer in writers[fact]] + [(commit, True)] * max(0, added - taken)
        pools[commit] = tuple(pool)
        for fact in come:
            writers[fact] = _of(fact, pool)
        there += added - taken
        deleted_by = commit if there == 0 else None
    left = [fact for fact in known if fact.died is None]
    found = sorted({writer for fact in left for writer in writers[fact]})
    sure = all(first for _, first in found) and all(_settled(born, known, writers, pools) for born in _births(left))
    return Story(tuple(found), deleted_by, sum(fact.copies for fact in left), sure)


def _of(fact: Fact, pool: Sequence[Writer]) -> tuple[Writer, ...]:
    """Those of the pool that may be in the fact's file: more than its copies where that is not known."""
    if fact.origin is not None:
        return (fact.origin,) * fact.copies
    return tuple(pool[: fact.copies]) if len(set(pool)) == 1 else tuple(pool)


def _births(facts: Iterable[Fact]) -> set[int]:
    return {fact.born for fact in facts}


def _settled(
    born: int, known: Sequence[Fact], writers: dict[Fact, tuple[Writer, ...]], pools: dict[int, tuple[Writer, ...]]
) -> bool:
    """Whether every writer that may have written what a commit left, did: all it wrote is there, or it was of one."""
    come = [fact for fact in known if fact.born == born]
    if all(fact.died is None and fact.origin is None for fact in come):
        return len(pools[born]) == sum(fact.copies for fact in come) or len(set(pools[born])) == 1
    return all(len(set(writers[fact])) == 1 for fact in come if fact.died is None)
