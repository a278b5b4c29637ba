# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What would another watermark cost, and what would it save?
#
# A longer delay loses fewer late records, and lets unmatched rows wait that much longer: their state, and their
# readers. This notebook plays one recorded run's epochs again with both delays longer or shorter. It is exact for the
# same epochs, and changes nothing.

# %% tags=["parameters"]
CONTRACT = "plumbline/demo/flights/flights.yaml"
HOME = None  # a folder; None is $PLUMBLINE_HOME, else .plumbline
RUN = "latest"  # or a run id
LONGER = "2 hours"  # by how much both delays grow; "-30 minutes" for shorter ones

# %%
import pandas as pd
from IPython.display import HTML

import plumbline
from plumbline.connect.lake import Lake
from plumbline.contract.durations import milliseconds, parse_duration
from plumbline.reconcile.lateness import curve as lateness
from plumbline.reconcile.report import plots, stored_runs, watermark
from plumbline.reconcile import format
from plumbline.reconcile.report.page import fragment

contract = plumbline.load(CONTRACT)
home = plumbline.Home.resolve(HOME)
lake = Lake.open(home, contract.catalog)
[document] = stored_runs.documents(contract, lake, [RUN])
curves = lateness.measure(contract, home, document)
assert curves, "there is no epoch ledger to play again"
longer = milliseconds(parse_duration(LONGER))

# %% [markdown]
# ## As it ran

# %%
HTML(fragment(plots.lateness_curve(curves)))

# %%
chart = watermark.against_event_time(curves)
HTML(fragment(chart) if chart else "<p>No watermark moved.</p>")

# %% [markdown]
# ## With the other delay
#
# `saved` are records that would not have been dropped; a negative number is lost in addition.

# %%
pd.DataFrame(
    [
        (c.source, c.records, format.delay(c.delay_ms), format.delay(c.delay_ms + longer), c.lost(0), c.lost(longer), c.lost(0) - c.lost(longer))
        for c in curves
    ],
    columns=["source", "records", "delay", "would be", "lost", "would be lost", "saved"],
)

# %% [markdown]
# ## Which delay loses how much

# %%
pd.DataFrame(
    [(format.delay(change), *lost) for change, lost in lateness.choices(curves)],
    columns=["both delays", *(f"lost {curve.source}" for curve in curves)],
)

# %% [markdown]
# ## Which rows it would have saved
#
# Late findings of the run whose record was less late than the delay would have grown.

# %%
late = pd.DataFrame([row for row in stored_runs.flat(lake, document["run_id"]) if row["late_by_ms"] is not None])
saved = late[late["late_by_ms"] < longer] if len(late) else late
print(f"{len(saved):,} of {len(late):,} late rows")
saved.head(20).map(format.plain)

# %% [markdown]
# ## What next
#
# - The delay is `watermark` of each source in the contract. A running checkpoint refuses another one: `plumbline check`
#   says what to do.
