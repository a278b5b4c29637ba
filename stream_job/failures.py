"""Why a query failed, and whether trying again can help. Pure: decided from the chain of causes by class and text.

A failure that is not known to pass is permanent: going on by trial would hide a defect.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from plumbline.contract.avro import UNKNOWN_ID
from plumbline.contract.errors import PlumblineError, SetupError, UnreachableError


class Cause(NamedTuple):
    """One error of a chain: its class (a Java class with its package, or a Python class) and its message."""

    kind: str
    message: str


@dataclass(frozen=True)
class Failure:
    """What is wrong in one line, whether it may pass, and what to do when it does not.

    `service` is `broker`, `catalog`, `object store`, `registry`, `disk` or `job`; `brief` marks what passes within
    seconds, such as a lock or a lost race.
    """

    what: str
    passing: bool
    service: str
    next_step: str
    brief: bool = False

    def error(self, failed: str) -> SetupError:
        """The error that ends the work; `failed` is what failed, such as `the query 'join'`."""
        kind = UnreachableError if self.passing else SetupError
        return kind(f"{failed} failed: {self.what}", next_step=self.next_step)


SEE_LOG = "see spark.log in the home folder; a restart continues from the last committed epoch"
BROKER_STEP = "check the broker and bootstrap.servers, then start again: it continues from the last committed epoch"
CATALOG_STEP = "check the catalog, then start again: it continues from the last committed epoch"
REGISTRY_STEP = "check the schema_registry block, then start again: it continues from the last committed epoch"
STORE_STEP = "check the object store and s3.endpoint, then start again: it continues from the last committed epoch"
DISK_STEP = "free space where the home and the warehouse are: it continues from the last committed epoch"
RACE_STEP = "see which other jobs write to the table, and start again: it continues from the last committed epoch"
LOST_RACE = (
    "Cannot commit, (missing data files|found new )|Missing required files to delete|Found (new )?conflicting |"
    "Cannot determine history between|Cannot remove dangling deletes: current snapshot changed"
)
"""What Iceberg says of a commit that another one made void, such as one of `plumbline maintain`: nothing was written,
and what it is made of is to be read again (`MergingSnapshotProducer`, `RemoveDanglingDeleteFilesAction`)."""
GONE_FILE = r"(FileNotFound|iceberg\.exceptions\.NotFound)Exception"
"""What a reading says whose snapshot was expired meanwhile, and its files with it."""
LOST_STEP = (
    "the topic no longer holds what the job has yet to read: raise its retention, then rebuild from the archive "
    "(`plumbline replay plan`), or begin a new checkpoint"
)
DECODE_STEP = "an event or an expression of the contract cannot be computed: see spark.log for the event's offsets"


class _Rule(NamedTuple):
    """The first rule whose class or text fits any cause of the chain decides."""

    kind: str
    text: str
    passing: bool
    service: str
    next_step: str
    brief: bool = False


def _gone(kind: str, text: str, service: str, next_step: str) -> _Rule:
    return _Rule(kind, text, False, service, next_step)


RULES = (
    _Rule(r"(?!)", rf"Avro schema id \w+ {UNKNOWN_ID}", True, "registry", REGISTRY_STEP, True),
    _Rule(
        r"(?!)",
        r"No space left on device|Disk quota exceeded|SQLITE_FULL|database or disk is full",
        True,
        "disk",
        DISK_STEP,
    ),
    _gone(
        r"OffsetOutOfRangeException$", r"KAFKA_DATA_LOSS|data may have been lost|failOnDataLoss", "broker", LOST_STEP
    ),
    _gone(
        r"SslAuthenticationException$",
        r"",
        "broker",
        "name the file with its authority's certificate as ssl.ca.location in the kafka block",
    ),
    _gone(r"AuthenticationException$", r"", "broker", "correct sasl.mechanism and the user in the kafka block"),
    _gone(
        r"GroupAuthorizationException$", r"", "broker", "have Read on groups of that name added to this user's rights"
    ),
    _gone(
        r"TopicAuthorizationException$",
        r"",
        "broker",
        "have Describe and Read on the topic added to this user's rights",
    ),
    _gone(r"AuthorizationException$", r"", "broker", "check this user's rights"),
    _gone(r"(NotAuthorized|Forbidden)Exception$", r"", "catalog", "check the catalog block's credentials"),
    _gone(
        r"NoSuchBucketException$",
        r"Service: S3, Status Code: 40[13]\b|Unable to load (credentials|region)",
        "object store",
        "check the warehouse's bucket, the region, the keys and this user's rights",
    ),
    _Rule(r"(?!)", LOST_RACE, True, "catalog", RACE_STEP, True),
    _gone(
        r"(NoSuchTable|NoSuchNamespace|iceberg\.exceptions\.Validation)Exception$",
        r"TABLE_OR_VIEW_NOT_FOUND",
        "catalog",
        "the output or archive table was dropped or changed: restore it, or begin a new checkpoint",
    ),
    _gone(
        r"(Arithmetic|DateTime|NumberFormat|ClassCast|NullPointer|SparkArithmetic|SparkDateTime|SparkRuntime)Exception$",
        r"STREAMING_.*SCHEMA|STATE_STORE_.*SCHEMA|MALFORMED_RECORD",
        "job",
        DECODE_STEP,
    ),
    _Rule(r"CommitFailedException$", r"SQLITE_(BUSY|LOCKED)|database is locked", True, "catalog", CATALOG_STEP, True),
    _Rule(
        r"CommitStateUnknownException$|ServiceUnavailableException$|ServiceFailureException$|iceberg.*RESTException$"
        r"|java\.sql\.SQL(Transient|NonTransientConnection|TransientConnection|Recoverable|Timeout)\w*$"
        r"|UncheckedSQLException$|NoHttpResponseException$|TTransportException$",
        r"Database Connection (failed|timeout)|CANTOPEN|SQLITE_IOERR",
        True,
        "catalog",
        CATALOG_STEP,
    ),
    _Rule(
        r"org\.apache\.kafka\.common\.errors\.(Timeout|Disconnect|Network|BrokerNotAvailable|LeaderNotAvailable"
        r"|NotLeaderOrFollower|CoordinatorNotAvailable|CoordinatorLoadInProgress|UnknownTopicOrPartition"
        r"|KafkaStorage|NotController|ReplicaNotAvailable|OffsetNotAvailable)Exception$"
        r"|java\.util\.concurrent\.TimeoutException$",
        r"Cannot fetch record for offset|No resolvable bootstrap urls|Failed to construct kafka consumer",
        True,
        "broker",
        BROKER_STEP,
    ),
    _Rule(
        r"(?!)",
        r"Service: S3, Status Code: (5\d\d|429)\b|^Unable to execute HTTP request",
        True,
        "object store",
        STORE_STEP,
    ),
    _Rule(
        r"java\.net\.\w*(Connect|SocketTimeout|UnknownHost|NoRouteToHost|Socket)Exception$|ConnectionError$",
        r"Connection (refused|reset)",
        True,
        "catalog",
        "check the network between here, the broker and the catalog",
    ),
)
"""From the surest to the vaguest. A missing topic looks like a passing failure here (Kafka calls it retriable); the
next start asks the broker and ends the job with the topic's name."""


def judge(causes: Sequence[Cause]) -> Failure:
    """The failure behind a chain of causes, outermost first."""
    for rule in RULES:
        for cause in reversed(causes):
            if re.search(rule.kind, cause.kind) or (rule.text and re.search(rule.text, cause.message)):
                return Failure(_line(cause), rule.passing, rule.service, rule.next_step, rule.brief)
    return Failure(_line(causes[-1] if causes else Cause("", "no cause given")), False, "job", SEE_LOG)


def lost_race(causes: Sequence[Cause]) -> bool:
    """Whether another commit came first, and made one that was not written void."""
    return any(re.search(LOST_RACE, cause.message) for cause in causes)


def lost_file(causes: Sequence[Cause]) -> bool:
    """Whether a file that was to be read is gone: the table's newest snapshot may not need it any more."""
    return any(re.search(GONE_FILE, f"{cause.kind} {cause.message}") for cause in causes)


def judge_error(error: PlumblineError, *, passing: bool, service: str) -> Failure:
    """The failure that our own error stands for."""
    where = f" [{error.where}]" if error.where else ""
    return Failure(f"{error.what}{where}", passing, service, error.next_step or SEE_LOG)


def _line(cause: Cause) -> str:
    """The cause in one line: its class without the package and the first line of its message."""
    kind = cause.kind.rpartition(".")[2].rpartition("$")[2]
    first = next((line.strip() for line in cause.message.splitlines() if line.strip()), "")
    return f"{kind}: {first}" if first else kind
