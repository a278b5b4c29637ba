#!/usr/bin/env bash
# bytewax 0.21.1, join_window over session windows with ordered=False: when an event joins two sessions into one,
# insert_mode="first" keeps the later session's value. Of plays at minutes 1 and 11, then one at 6 that closes the gap, the
# first is the one at 11: neither the first to come nor the earliest. "last" and "product" are right, and so is "first"
# with ordered=True, where no sessions are ever merged.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check bytewax==0.21.1
venv/bin/python - <<'PY' | tee seen
from datetime import datetime, timedelta, timezone

import bytewax.operators as op
import bytewax.operators.windowing as windowing
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, TestingSource, run_main

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
PLAYS = [("k", ("play", minute)) for minute in (1, 11, 6)]


def rows(mode, ordered):
    flow, found = Dataflow("flow"), []
    shown = op.input("shown", flow, TestingSource([("k", ("shown", 0))]))
    plays = op.input("plays", flow, TestingSource(PLAYS, batch_size=1))
    clock = windowing.EventClock(lambda event: NOON + timedelta(minutes=event[1]), timedelta(hours=5))
    sessions = windowing.SessionWindower(gap=timedelta(minutes=6))
    joined = windowing.join_window("join", clock, sessions, shown, plays, insert_mode=mode, ordered=ordered)
    op.output("out", joined.down, TestingSink(found))
    run_main(flow)
    return [play[1] for _, (_, (_, play)) in found]


for mode in ("first", "last", "product"):
    for ordered in (True, False):
        print(f"{mode}, ordered={ordered}: the play of minute {rows(mode, ordered)}")
PY
diff seen - <<'SEEN' && echo "as described"
first, ordered=True: the play of minute [1]
first, ordered=False: the play of minute [11]
last, ordered=True: the play of minute [11]
last, ordered=False: the play of minute [6]
product, ordered=True: the play of minute [1, 6, 11]
product, ordered=False: the play of minute [1, 6, 11]
SEEN
