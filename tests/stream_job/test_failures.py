"""Which failures a service sits out and which end it, by the chains of causes that Spark, Kafka and Iceberg give."""

from __future__ import annotations

import pytest

from plumbline.contract.errors import SetupError, UnreachableError
from plumbline.stream_job.backoff import Backoff
from plumbline.stream_job.failures import Cause, judge

STREAM = Cause("org.apache.spark.sql.streaming.StreamingQueryException", "[STREAM_FAILED] Query [id = 1] terminated")
JOB = Cause("org.apache.spark.SparkException", "Job aborted due to stage failure: Task 0 in stage 1.0 failed 1 times")

PASSING = [
    pytest.param(
        Cause("org.apache.kafka.common.errors.TimeoutException", "Timed out waiting for a node assignment"),
        "broker",
        id="no broker",
    ),
    pytest.param(
        Cause("java.util.concurrent.TimeoutException", "Cannot fetch record for offset 7 in 30000 milliseconds"),
        "broker",
        id="no records",
    ),
    pytest.param(
        Cause("org.apache.kafka.common.KafkaException", "No resolvable bootstrap urls given"), "broker", id="no name"
    ),
    pytest.param(
        Cause("org.sqlite.SQLiteException", "[SQLITE_BUSY] The database file is locked (database is locked)"),
        "catalog",
        id="lock",
    ),
    pytest.param(
        Cause("org.apache.iceberg.exceptions.CommitFailedException", "Cannot commit: stale table metadata"),
        "catalog",
        id="lost race",
    ),
    pytest.param(
        Cause("org.apache.iceberg.exceptions.ValidationException", "Cannot commit, missing data files: [a.parquet]"),
        "catalog",
        id="a file of an update was compacted",
    ),
    pytest.param(
        Cause(
            "py4j.Py4JException",
            "An exception was raised by the Python Proxy. Return Message: Traceback ... org.apache.iceberg.exceptions"
            ".ValidationException: Found new conflicting delete files that can apply to records matching true: [b]",
        ),
        "catalog",
        id="rows of an epoch were updated by another commit",
    ),
    pytest.param(
        Cause("org.apache.iceberg.exceptions.ServiceFailureException", "Server error: 503"), "catalog", id="REST 503"
    ),
    pytest.param(Cause("java.net.ConnectException", "Connection refused"), "catalog", id="refused"),
    pytest.param(
        Cause("org.postgresql.util.PSQLException", "Connection refused. Check that the postmaster is accepting"),
        "catalog",
        id="PostgreSQL away",
    ),
    pytest.param(
        Cause(
            "software.amazon.awssdk.core.exception.SdkClientException",
            "Unable to execute HTTP request: Connect to 127.0.0.1:9000 failed: Connection refused",
        ),
        "object store",
        id="S3 away",
    ),
    pytest.param(
        Cause(
            "software.amazon.awssdk.services.s3.model.S3Exception",
            "Please reduce your request rate. (Service: S3, Status Code: 503, Request ID: 4)",
        ),
        "object store",
        id="S3 throttles",
    ),
]

LASTING = [
    pytest.param(
        Cause(
            "org.apache.spark.sql.kafka010.KafkaIllegalStateException",
            "[KAFKA_DATA_LOSS.START_OFFSET_RESET] Some data may have been lost because they are not available",
        ),
        "the topic no longer holds",
        id="offsets lost",
    ),
    pytest.param(
        Cause("org.apache.kafka.clients.consumer.OffsetOutOfRangeException", "Offsets out of range"),
        "the topic no longer holds",
        id="out of range",
    ),
    pytest.param(Cause("java.lang.ArithmeticException", "long overflow"), "cannot be computed", id="decode"),
    pytest.param(
        Cause("org.apache.kafka.common.errors.TopicAuthorizationException", "Not authorized"),
        "Describe and Read on the topic",
        id="rights",
    ),
    pytest.param(
        Cause("org.apache.kafka.common.errors.GroupAuthorizationException", "Not authorized to access group: g"),
        "Read on groups",
        id="rights on a group",
    ),
    pytest.param(
        Cause("org.apache.kafka.common.errors.SaslAuthenticationException", "invalid credentials"),
        "sasl.mechanism and the user",
        id="password",
    ),
    pytest.param(
        Cause("org.apache.kafka.common.errors.SslAuthenticationException", "SSL handshake failed"),
        "ssl.ca.location",
        id="certificate",
    ),
    pytest.param(
        Cause("org.apache.iceberg.exceptions.NoSuchTableException", "Table does not exist: joined.stream"),
        "dropped or changed",
        id="table dropped",
    ),
    pytest.param(
        Cause("org.apache.iceberg.exceptions.ValidationException", "Cannot find source column: day"),
        "dropped or changed",
        id="table changed",
    ),
    pytest.param(
        Cause(
            "software.amazon.awssdk.services.s3.model.S3Exception",
            "Access Denied (Service: S3, Status Code: 403, Request ID: 4)",
        ),
        "rights",
        id="S3 forbids it",
    ),
    pytest.param(
        Cause(
            "software.amazon.awssdk.core.exception.SdkClientException",
            "Unable to load credentials from any of the providers in the chain",
        ),
        "keys",
        id="no credentials for S3",
    ),
    pytest.param(Cause("com.example.Surprise", "what is this"), "spark.log", id="unknown"),
]


@pytest.mark.parametrize(("cause", "service"), PASSING)
def test_what_may_pass(cause: Cause, service: str) -> None:
    failure = judge((STREAM, JOB, cause))
    assert (failure.passing, failure.service) == (True, service)
    assert cause.message in failure.what
    assert isinstance(failure.error("the query 'join'"), UnreachableError)


@pytest.mark.parametrize(("cause", "step"), LASTING)
def test_what_will_not(cause: Cause, step: str) -> None:
    failure = judge((STREAM, JOB, cause))
    assert not failure.passing
    assert step in failure.next_step
    error = failure.error("the query 'join'")
    assert not isinstance(error, UnreachableError)
    assert isinstance(error, SetupError)
    assert len(str(error).splitlines()) == 1


def test_a_lasting_cause_outweighs_a_passing_one() -> None:
    lost = Cause("org.apache.kafka.clients.consumer.OffsetOutOfRangeException", "Offsets out of range")
    late = Cause("java.util.concurrent.TimeoutException", "Cannot fetch record for offset 7 in 30000 milliseconds")
    assert not judge((STREAM, late, lost)).passing


def test_only_locks_and_lost_races_are_brief() -> None:
    assert judge((Cause("org.sqlite.SQLiteException", "[SQLITE_BUSY] database is locked"),)).brief
    assert not judge((Cause("java.net.ConnectException", "Connection refused"),)).brief


def test_waits_double_to_a_minute_and_begin_anew_after_a_success() -> None:
    backoff = Backoff(chance=lambda: 0.0)
    assert [backoff.wait(now) for now in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    backoff.reset()
    assert backoff.wait(100) == 1
    assert Backoff(chance=lambda: 1.0).wait(0) == 0.5
