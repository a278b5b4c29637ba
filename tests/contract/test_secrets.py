"""What of a connection block may be shown, and what of other texts must not be."""

from __future__ import annotations

import pytest

from plumbline.contract import secrets
from plumbline.contract.errors import SetupError
from plumbline.contract.secrets import hidden, keep, keep_address, open_properties, place


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "_kept", secrets._Kept())


@pytest.mark.parametrize(
    "name",
    ["adls.account-key", "adls.connection-string", "header.Authorization", "auth", "token", "s3.secret-access-key",
     "s3.access-key-id", "jdbc.password", "sasl.username", "sasl.jaas.config", "ssl.key.pem", "basic.auth.user.info",
     "gcs.oauth2", "a.name.of.next.year"],
)  # fmt: skip
def test_what_is_not_known_to_be_harmless_is_secret(name: str) -> None:
    assert open_properties({name: "S3cret"}) == {name: "***"}
    assert (
        open_properties({f"spark.sql.catalog.lake.{name}": "S3cret"}, "spark.sql.catalog.lake.").popitem()[1] == "***"
    )


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://ann:p%40ss@db/i", "postgresql://ann:***@db/i"),
        ("postgresql+psycopg2://u:pa/S3cret@db:1/i", "postgresql+psycopg2://u:***@db:1/i"),
        ("postgresql+psycopg2://u:p@S3cret@db:1/i", "postgresql+psycopg2://u:***@db:1/i"),
        ("postgresql://db:1/i?user=u&password=S3cret", "postgresql://db:1/i?user=***&password=***"),
        ("jdbc:postgresql://db/i?password=S3cret", "jdbc:postgresql://db/i?password=***"),
        ("jdbc:sqlserver://db:1433;user=u;password=S3cret", "jdbc:sqlserver://db:1433;***"),
        ("https://S3cret@catalog/v1", "https://***@catalog/v1"),
        ("https://catalog/v1?S3cret", "https://catalog/v1?***"),
        ("https://catalog/v1#S3cret", "https://catalog/v1#***"),
        ("https://catalog/v1?a=1#S3cret", "https://catalog/v1?a=***#***"),
        ("sqlite:////data/c.db?timeout=30", "sqlite:////data/c.db?timeout=30"),
        ("jdbc:sqlite:/data/c.db?busy_timeout=30000", "jdbc:sqlite:/data/c.db?busy_timeout=30000"),
        ("postgresql://u:p?S3cret@db/i", "postgresql://***"),
        ("postgresql://u:p#S3cret@db:1/i", "postgresql://***"),
        ("jdbc:postgresql://db:5432/i?user=u@srv&password=S3cret", "jdbc:postgresql://db:5432/i?user=***&password=***"),
        ("jdbc:oracle:thin:scott/S3cret@//db:1/x", "***"),
        ("s3://KEY:S3cret@bucket/w", "s3://KEY:***@bucket/w"),
        ("abfss://lake@account.dfs.example/w", "abfss://lake@account.dfs.example/w"),
        ("wasbs://lake@account/w?sig=S3cret", "wasbs://lake@account/w?sig=***"),
        ("thrift://hive:9083", "thrift://hive:9083"),
        ("my_warehouse", "my_warehouse"),
    ],
)
def test_an_address_is_shown_without_its_secrets(address: str, shown: str) -> None:
    assert place(address) == shown
    assert place(shown) == shown


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("sasl.password", "S3cretWord", "auth failed for S3cretWord at once"),
        ("sasl.password", "p@ss/S3cret", "http://u:p%40ss%2FS3cret@host"),
        ("sasl.password", 'a"S3cret', 'password="a\\"S3cret"'),
        ("basic.auth.user.info", "me:S3cret-pass", "user me, password S3cret-pass"),
        ("sasl.jaas.config", 'x.Module required username="ann" password="S3cret pass";', "refused: S3cret pass"),
        ("adls.connection-string", "AccountName=a;AccountKey=S3cretKey==;Suffix=x", "bad key S3cretKey=="),
        ("uri", "postgresql://u:S3cretWord@db/i", "could not reach u:S3cretWord"),
        ("uri", "postgresql://db/i?user=u&password=S3cret%20Word", "password S3cret Word is wrong"),
        ("uri", "postgresql://u:p@S3cretHost@db/i", 'could not translate host name "p@S3cretHost@db"'),
        ("ssl.keystore.key", "-----BEGIN KEY-----\nS3cretLineOne\nS3cretLineTwo", "line S3cretLineTwo is bad"),
        ("pin", "S3cr", "the pin S3cr is wrong"),
        ("nested", ["S3cretList"], "S3cretList"),
        ("nested", {"a": "S3cretMap"}, "S3cretMap"),
    ],
)
def test_texts_of_others_do_not_show_a_secret_however_it_is_spelled(name: str, value: object, text: str) -> None:
    assert "S3cr" in hidden(text)
    keep({name: value})
    assert "S3cr" not in hidden(text)
    error = SetupError(text, where=text, next_step=text)
    assert "S3cr" not in f"{error} {error.what} {error.where} {error.next_step} {error.args}"


def test_what_is_harmless_or_a_plain_word_stays_readable() -> None:
    keep(
        {
            "bootstrap.servers": "broker:9092",
            "security.protocol": "SASL_SSL",
            "enabled": "true",
            "n": "30",
            "pw": "day1",
        }
    )
    assert hidden("broker:9092 by SASL_SSL is true after 30 s") == "broker:9092 by SASL_SSL is true after 30 s"
    assert hidden("monday1 and day12, day1") == "monday1 and day12, ***"


def test_a_webhook_hides_its_path_too() -> None:
    keep_address("https://hooks.example.com/services/T0/S3cretPart")
    assert hidden("https://hooks.example.com answers: no S3cretPart") == "https://hooks.example.com answers: no ***"
    assert hidden("no services here") == "no services here"
