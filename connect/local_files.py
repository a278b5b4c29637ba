"""Local files for PyIceberg where a path holds `#` or `?`, which it would read as the end of the path."""

from __future__ import annotations

from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.typedef import EMPTY_DICT, Properties

from plumbline.connect.place import plain


class PlainFileIO(PyArrowFileIO):
    """As PyArrow's, but a `file:` location is plain text, as Iceberg's Java library and Hadoop's Path take it."""

    @staticmethod
    def parse_location(location: str, properties: Properties = EMPTY_DICT) -> tuple[str, str, str]:
        """(scheme, netloc, path) of a location."""
        if location.startswith("file:"):
            return "file", "", plain(location)
        parsed: tuple[str, str, str] = PyArrowFileIO.parse_location(location, properties)
        return parsed
