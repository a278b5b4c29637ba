"""The catalog block in both engines' words."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from plumbline.connect.catalog_block import checked, masked, pyiceberg_properties, spark_conf
from plumbline.contract.errors import UsageError

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


def test_nothing_secret_stays_in_the_address_that_the_driver_gets() -> None:
    uri = "postgresql+psycopg2://db/i?user=ann&password=p%40ss&sslmode=require"
    conf = spark_conf("lake", {"type": "sql", "uri": uri, "warehouse": "w"})
    assert conf[f"{P}.uri"] == "jdbc:postgresql://db/i"
    assert {k.removeprefix(f"{P}.jdbc."): v for k, v in conf.items() if ".jdbc." in k} == {
        "user": "ann", "password": "p@ss", "sslmode": "require", "schema-version": "V1"
    }  # fmt: skip


@pytest.mark.parametrize(
    "uri", ["postgresql://u:p@S3cret@db/i", "postgresql://u:pa/S3cret@db/i", "postgresql://u:S3cret"]
)
def test_a_password_whose_marks_are_not_encoded_is_refused_without_being_shown(uri: str) -> None:
    with pytest.raises(UsageError, match=r"is not readable as dialect.*%40") as told:
        checked({"type": "sql", "uri": uri, "warehouse": "w"})
    assert "S3cret" not in str(told.value)


@pytest.mark.parametrize("mark", "@/:?#% ")
def test_a_password_of_any_marks_is_taken_when_they_are_encoded(mark: str) -> None:
    written = quote(f"p{mark}s", safe="")
    block = checked({"type": "sql", "uri": f"postgresql://ann:{written}@db/i?x=a@b/c", "warehouse": "w"})
    assert spark_conf("lake", block)[f"{P}.jdbc.password"] == f"p{mark}s"
    assert spark_conf("lake", block)[f"{P}.uri"] == "jdbc:postgresql://db/i"


def test_a_warehouse_on_s3_needs_no_word_of_java() -> None:
    """Iceberg's JDBC catalog opens s3 by Hadoop else; its S3FileIO and PyIceberg call the region differently."""
    block = {"type": "sql", "uri": "postgresql://db/i", "warehouse": "s3://b/w", "s3.region": "eu-west-1"}
    conf = spark_conf("lake", block)
    assert conf[f"{P}.io-impl"] == "org.apache.iceberg.aws.s3.S3FileIO"
    assert conf[f"{P}.client.region"] == "eu-west-1"
    own = spark_conf("lake", block | {"io-impl": "com.example.IO", "client.region": "us-east-1"})
    assert (own[f"{P}.io-impl"], own[f"{P}.client.region"]) == ("com.example.IO", "us-east-1")
    assert f"{P}.io-impl" not in spark_conf("lake", block | {"warehouse": "file:///w"})


@pytest.mark.parametrize(
    ("block", "retries"),
    [
        ({"type": "sql", "uri": "postgresql://db/i", "warehouse": "s3://b/w"}, "13"),
        ({"type": "rest", "uri": "https://catalog", "s3.endpoint": "https://store"}, "13"),
        ({"type": "rest", "uri": "https://catalog", "s3.retry.num-retries": "3"}, "3"),
        ({"type": "sql", "uri": "postgresql://db/i", "warehouse": "file:///w"}, None),
    ],
)
def test_spark_asks_a_store_that_is_away_again_for_about_a_minute(block: dict[str, str], retries: str | None) -> None:
    assert spark_conf("lake", block).get(f"{P}.s3.retry.num-retries") == retries


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
        ("adls.account-key", "x", "***"),
        ("header.Authorization", "Bearer x", "***"),
        ("auth", "x", "***"),
        ("type", "rest", "rest"),
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
