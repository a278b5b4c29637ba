"""A file of a table that cannot be read in the middle of a query, as each part of the house says it."""

from __future__ import annotations

import re

from plumbline.connect.object_store import gone, store_error
from plumbline.contract.errors import PlumblineError, SetupError

_LONGEST = 500
_TRACE = "Traceback (most recent call last)"
_RAISED = re.compile(r"^\w[\w.]*(?:Error|Exception): (.+)$", re.M)
_GONE = re.compile(
    r"(?P<far>[^\n\"]+) is gone$"
    r"|(?:Cannot open file|No files found that match the pattern) \"(?P<near>[^\"]+)\"(?:: No such file|$)",
    re.M,
)
_CUT = re.compile(r" gave \d+ of \d+ bytes at \d+$|Could not read (?:enough bytes )?from file|Failed to read", re.M)
_DAMAGED = re.compile(r"TProtocolException|No magic bytes|ecompression fail|too small to be a Parquet file|AWS Error")

_NO_TEXT = re.compile(r"Invalid string encoding found in Parquet file \"(?P<file>[^\"]+)\"|Invalid unicode")


def raised_within(told: str) -> str | None:
    """What a Python file system said, of an error of DuckDB's that holds its traceback; None for another error."""
    said = _RAISED.findall(told) if _TRACE in told else []
    return said[-1] if said else None


def file_error(error: BaseException) -> PlumblineError | None:
    """The foreseen failure that an error of DuckDB's or of the system stands for, where it is about a file: a store
    that is away, a file that is gone, cut or damaged, or holds what is no text. None for any other."""
    known = store_error(error)
    if known is not None:
        return known
    told = str(error)
    said = raised_within(told) or next(iter(told.strip().splitlines()), "")
    missing = _GONE.search(said)
    if missing is not None:
        return gone(missing["far"] or missing["near"])
    no_text = _NO_TEXT.search(said)
    if no_text is not None:
        of = f"of {no_text['file']} " if no_text["file"] else ""
        return SetupError(
            f"a text column {of}holds bytes that are not UTF-8",
            next_step="let its writer write them as binary; Spark's hex(column) makes text of those that are there",
        )
    if _CUT.search(said) or _DAMAGED.search(said):
        return SetupError(
            f"a file cannot be read: {said[:_LONGEST]}",
            next_step="run the command again; if it says the same, the file is damaged: bring back a copy of it",
        )
    return None
