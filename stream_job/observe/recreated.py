"""Topics that were deleted and made again: a checkpoint that is not ours does not say which of the two it has read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.contract.errors import SetupError
from plumbline.stream_job import topics

if TYPE_CHECKING:
    from plumbline.connect.lake import Lake
    from plumbline.contract.generations import Ids
    from plumbline.contract.model import Source


def known_once(lake: Lake, source: Source) -> Ids:
    """The ids of the topic that was archived, one at the most. Raises SetupError for a topic that was recreated."""
    known = topics.noted(lake, source) or (None,)
    if len(known) > 1:
        raise SetupError(
            f"topic {source.topic} was recreated since it was archived first: the checkpoint does not say "
            "which of the two it has read",
            where=source.archive,
            next_step="begin with new archives and another contract name",
        )
    return known
