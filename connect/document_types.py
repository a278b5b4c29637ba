"""The document of `plumbline lake --json`, as types; docs/schemas/lake.json is made from them."""

from __future__ import annotations

from typing_extensions import TypedDict


class MetadataFiles(TypedDict):
    """Table to the location of its newest metadata file, as DuckDB's iceberg_scan takes it."""

    metadata: dict[str, str]


class LakeDocument(TypedDict):
    """What `plumbline lake --json` prints: the settings of PyIceberg and of Spark, secrets masked."""

    catalog: str
    pyiceberg: dict[str, str]
    spark: dict[str, str]
    duckdb: MetadataFiles
