"""The catalog block in both engines' words."""

from __future__ import annotations

import pytest

from connect.catalog_block import checked, masked, pyiceberg_properties, spark_conf
from contract.errors import UsageError

P = "spark.sql.catalog.lake"


def test_sqlite_gets_both_time_outs() -> None:
    block = {"type": "sql", "uri": "sqlite:////data/catalog.db", "warehouse": "file:///data/w"}
    assert pyiceberg_properties(block)["uri"] == "sqlite:////data/catalog.db?timeout=30"
    conf = spark_conf("lake", block)
    assert conf[P] == "org.apache.iceberg.spark.SparkCatalog"
    assert conf[f"{P}.type"] == "jdbc"
    assert conf[f"{P}.uri"] == "jdbc:sqlite:/data/catalog.db?busy_timeout=30000"
    assert conf[f"{P}.warehouse"] == "file:///data/w"
    assert conf[f"{P}.jdbc.schema-version"] == "V1"
    assert conf[f"{P}.cache-enabled"] == "false"


def test_postgresql_becomes_jdbc_with_the_password_apart() -> None:
    block = {"type": "sql", "uri": "postgresql+psycopg2://ann:p%40ss@db:5432/iceberg", "warehouse": "s3://b/w"}
    conf = spark_conf("lake", block)
    assert conf[f"{P}.uri"] == "jdbc:postgresql://db:5432/iceberg"
    assert conf[f"{P}.jdbc.user"] == "ann"
    assert conf[f"{P}.jdbc.password"] == "p@ss"
    assert pyiceberg_properties(block)["uri"] == block["uri"]


def test_rest_passes_other_properties_to_both() -> None:
    block = {"type": "rest", "uri": "https://catalog", "warehouse": "w", "credential": "id:secret"}
    assert spark_conf("lake", block)[f"{P}.credential"] == "id:secret"
    assert spark_conf("lake", block)[f"{P}.type"] == "rest"
    assert pyiceberg_properties(block) == block


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("jdbc.password", "x", "***"),
        ("s3.secret-access-key", "x", "***"),
        ("token", "x", "***"),
        ("uri", "postgresql://ann:p%40ss@db/i", "postgresql://ann:***@db/i"),
        ("uri", "sqlite:////data/c.db", "sqlite:////data/c.db"),
        ("warehouse", "s3://bucket/w", "s3://bucket/w"),
    ],
)
def test_secrets_are_masked(key: str, value: str, shown: str) -> None:
    assert masked({key: value}) == {key: shown}


def test_an_unknown_type_names_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"'rset'.*did you mean rest"):
        checked({"type": "rset", "uri": "u"})


def test_a_missing_uri_is_named() -> None:
    with pytest.raises(UsageError, match="a rest catalog needs uri"):
        checked({"type": "rest"})
