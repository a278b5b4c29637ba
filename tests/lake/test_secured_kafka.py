"""The whole story on three brokers with TLS, SCRAM-SHA-512 and access lists, over a REST catalog and S3.

The job's user has the rights that docs/production.md lists and no others.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
import yaml

from plumbline.connect.home import Home
from tests.support import lake_servers, secured_brokers
from tests.support.documented_rights import of_a_feed, of_a_job
from tests.support.lake_story import BEGIN, HOURS, SECRETS, Feed, Place, all_secrets, block, grown
from tests.support.secured_brokers import ADMIN, ADMIN_PASSWORD, Brokers
from tests.support.tcp_relay import Relay

pytestmark = [pytest.mark.spark, pytest.mark.kafka, pytest.mark.slow]

USER = "plumbline"
TOPICS = ("impressions", "plays")
AGAIN = "again.plays"
OUTAGE_SECONDS = 20.0
RANGE = ("--from", BEGIN.isoformat(), "--to", (BEGIN + timedelta(hours=2)).isoformat())


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    with secured_brokers.brokers(tmp_path_factory.mktemp("brokers")) as made:
        made.create_topics({**dict.fromkeys(TOPICS, 2), AGAIN: 2})
        made.add_user(USER, SECRETS["KAFKA_PASSWORD"])
        made.grant(USER, of_a_job(TOPICS))
        yield made


@pytest.fixture(scope="module")
def feed(brokers: Brokers) -> Feed:
    return Feed(brokers.properties(ADMIN, ADMIN_PASSWORD))


@pytest.fixture(scope="module")
def store() -> Iterator[Relay]:
    with lake_servers.s3(days_slow=5) as way:
        yield way


@pytest.fixture(scope="module")
def there(store: Relay, brokers: Brokers, feed: Feed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A contract after a round of events and one with a late event."""
    place = Place(tmp_path_factory.mktemp("secured"), {"KAFKA_USER": USER})
    kafka = brokers.properties("${KAFKA_USER}", "${KAFKA_PASSWORD}")
    with lake_servers.rest(store, Home.resolve().jars) as catalog:
        place.plumbline("init", "first.yaml")
        text = (place.folder / "first.yaml").read_text()
        text = text.replace("max_events_per_epoch: 100000", "max_events_per_epoch: 60")
        (place.folder / "first.yaml").write_text(
            f"{text}{yaml.safe_dump({'kafka': kafka})}{block('rest', catalog, store)}"
        )
        place.plumbline("check", "first.yaml", "--online")
        feed.bring()
        place.plumbline("stream", "run", "first.yaml", "--once")
        feed.bring(BEGIN + timedelta(minutes=30))
        place.plumbline("stream", "run", "first.yaml", "--once")
        place.plumbline("batch", "run", "first.yaml")
        yield place


def test_the_documented_rights_suffice_for_the_story(there: Place, brokers: Brokers) -> None:
    books = there.document("reconcile", "first.yaml", code=1)
    assert (books["counts"]["missing"], books["causes"], books["agrees"]) == (1, {"late_left": 1}, True)
    before = books["counts"]
    assert "late_left" in there.plumbline("explain", "late", "--contract", "first.yaml")
    there.plumbline("audit", "raw.plays", "--contract", "first.yaml")
    replay = there.document("replay", "plan", "first.yaml", *RANGE, "--source", "kafka")["replay_id"]
    for step in (["run", replay, "--execute"], ["audit", replay], ["publish", replay, "--execute"]):
        there.plumbline("replay", *step)
    by = {"missing": -1, "match": 1, "stream": 1}
    assert there.counts() == {name: count + by.get(name, 0) for name, count in before.items()}
    there.plumbline("replay", "rollback", replay, "--execute")
    assert there.counts() == before
    to_feed = ("replay", "feed", replay, "--topic", f"plays={AGAIN}", "--execute")
    assert "not permit this user" in there.ended(*to_feed).stderr
    brokers.grant(USER, of_a_feed(AGAIN))
    assert there.document(*to_feed)["sent"] > 0
    there.plumbline("expect", "first.yaml")
    there.plumbline("maintain", "first.yaml", "--execute")


def test_a_broker_that_is_killed_in_the_midst_of_a_stream_loses_nothing(
    there: Place, brokers: Brokers, feed: Feed
) -> None:
    """The one that leads a partition which is being read; it is back after 20 seconds."""
    before = there.counts()
    feed.bring()
    [checkpoint] = (there.folder / "home" / "checkpoints").glob("*/join")
    planned, node = len(list((checkpoint / "offsets").iterdir())), brokers.leader(TOPICS[0])
    with there.started("stream", "run", "first.yaml", "--once", "--retry-for", "2 min") as job:
        while job.poll() is None and len(list((checkpoint / "offsets").iterdir())) < planned + 2:
            time.sleep(0.05)
        assert job.poll() is None, job.communicate()
        brokers.kill(node)
        time.sleep(OUTAGE_SECONDS)
        brokers.start(node)
        out, err = job.communicate()
    brokers.await_all()
    assert job.returncode == 0, f"{out}\n{err}"
    assert [secret for secret in all_secrets() if secret in out + err] == []
    assert there.caught_up() == grown(before, 1)


READS = ("stream", "run", "first.yaml", "--once")
PLANS = ("replay", "plan", "first.yaml", *RANGE, "--source", "kafka")
ASKS = ("check", "first.yaml", "--online")
STATUS = ("stream", "status", "first.yaml")
AUDITS = ("audit", "raw.plays", "--contract", "first.yaml")
LACKING = {
    "READ": {READS: "read", PLANS: "read", ("archive", "run", "first.yaml", "--once"): "read", ASKS: "read"},
    "DESCRIBE_CONFIGS": dict.fromkeys((PLANS, AUDITS, ASKS), "see the settings of"),
    "DESCRIBE": dict.fromkeys((READS, PLANS, AUDITS, STATUS, ASKS), "describe"),
}
"""Operation to the commands that are refused without it, and what each says that the user may not do. Who may read may
describe, so that the last lacks both."""


@pytest.mark.parametrize("lacks", LACKING)
def test_a_right_that_is_missing_is_one_true_line(there: Place, brokers: Brokers, lacks: str) -> None:
    user, without = f"without-{lacks}", {lacks, "READ"} if lacks == "DESCRIBE" else {lacks}
    brokers.add_user(user, SECRETS["KAFKA_PASSWORD"])
    brokers.grant(user, [grant for grant in of_a_job(TOPICS) if grant.operation not in without])
    before = there.counts()
    for command, may_not in LACKING[lacks].items():
        line = refused(Place(there.folder, {"KAFKA_USER": user}), command)
        assert re.search(f"the broker does not permit this user to {may_not} topic (impressions|plays)", line), line
    assert there.caught_up() == before


@pytest.mark.parametrize("command", [READS, PLANS, AUDITS, STATUS, ASKS], ids=" ".join)
def test_a_wrong_password_is_one_true_line(there: Place, command: tuple[str, ...]) -> None:
    line = refused(Place(there.folder, {"KAFKA_USER": USER, "KAFKA_PASSWORD": "wrong"}), command)
    assert "the broker refuses the login" in line


def refused(place: Place, command: tuple[str, ...]) -> str:
    """The one line of a command that ends with exit code 3; `stream status` has one for what it cannot say."""
    done = place.ended(*command)
    assert done.returncode == 3, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    lines = re.findall(r"^ *(?:error|unknown): .*", done.stdout + done.stderr, re.M)
    assert len(lines) == 1, f"{command}\n{done.stdout}\n{done.stderr}"
    return str(lines[0])


def test_a_lost_checkpoint_is_recovered_and_a_night_is_judged(there: Place, feed: Feed) -> None:
    before = there.caught_up()
    [checkpoint] = (there.folder / "home" / "checkpoints").glob("*/join")
    shutil.rmtree(checkpoint)
    there.plumbline("stream", "recover", "first.yaml", "--execute")
    rounds, whole_day = feed.rounds, 24 // HOURS
    while feed.rounds < whole_day + 1:  # the day is over and settled
        feed.bring()
    assert there.caught_up() == grown(before, feed.rounds - rounds)
    [night] = there.document("nightly", "first.yaml", "--date", f"{BEGIN:%Y-%m-%d}", code=1)["nights"]
    assert (night["settled"], night["balanced"], night["causes"]) == (True, True, {"late_left": 1})


def test_no_file_holds_a_secret(there: Place, brokers: Brokers) -> None:
    logs = [path for path in brokers.folder.glob("*.log") if path.is_file()]
    files = [path for path in there.folder.rglob("*") if path.is_file()] + logs
    assert len(files) > 50
    assert len(logs) == len(secured_brokers.NODES)
    secrets = [*all_secrets(), SECRETS["KAFKA_PASSWORD"].replace("\\", "\\\\").replace('"', '\\"')]
    assert [path for path in files for secret in secrets if secret.encode() in path.read_bytes()] == []
