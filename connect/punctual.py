"""PyIceberg's REST catalog with an end to its patience: its own waits for an answer for ever."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pyiceberg.catalog.rest import RestCatalog

from plumbline.connect import catalog_answers

if TYPE_CHECKING:
    from requests import Session


class PunctualCatalog(RestCatalog):
    """A REST catalog whose every question ends after `catalog_answers.ANSWER_SECONDS` without a byte of the answer."""

    def _create_session(self) -> Session:
        session: Session = super()._create_session()
        session.request = partial(session.request, timeout=catalog_answers.ANSWER_SECONDS)  # type: ignore[method-assign]
        return session
