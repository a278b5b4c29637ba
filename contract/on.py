"""`join.on` in its three spellings: `[id]`, `{page: referrer}`, and a list that mixes both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

On = Sequence[str | Mapping[str, str]] | Mapping[str, str]


def placed(on: On) -> Iterator[tuple[tuple[str | int, ...], tuple[str, str]]]:
    """Each `(left field, right field)` with the path that leads to it below `join.on`."""
    if isinstance(on, Mapping):
        yield from (((left,), (left, right)) for left, right in on.items())
        return
    for i, item in enumerate(on):
        if isinstance(item, str):
            yield (i,), (item, item)
        else:
            yield from (((i, left), (left, right)) for left, right in item.items())


def spelled(on: On) -> list[str] | dict[str, str]:
    """One spelling for what means the same: a mixed list becomes a mapping. Fingerprints are made from it."""
    if isinstance(on, Mapping):
        return dict(on)
    names = [item for item in on if isinstance(item, str)]
    return names if len(names) == len(on) else dict(pair for _, pair in placed(on))


def unfit(on: On) -> tuple[tuple[str | int, ...], str] | None:
    """What is wrong with a list that holds mappings, and where: an empty one, or a left field a second time."""
    if isinstance(on, Mapping) or all(isinstance(item, str) for item in on):
        return None
    if {} in on:
        return (on.index({}),), "an empty mapping; write {left field: right field}"
    seen: set[str] = set()
    for path, (left, _) in placed(on):
        if left in seen:
            return path, f"{left!r} is joined twice; keep one"
        seen.add(left)
    return None
