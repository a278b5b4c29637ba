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
# # Shall this replay be published?
#
# What a replay set out to do, what it wrote, what its audit found, and how its range stands in the recorded runs:
# before, and after the publish once it is there. It reads what the steps left, and changes nothing.

# %% tags=["parameters"]
CONTRACT = "plumbline/demo/flights/flights.yaml"
HOME = None  # a folder; None is $PLUMBLINE_HOME, else .plumbline
RUN = "latest"  # or a run id
REPLAY = "latest"  # or a replay id

# %%
import pandas as pd

import plumbline
from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.reconcile import document as reading, format
from plumbline.reconcile.report import stored_runs
from plumbline.replay.plan import read_plan
from plumbline.replay.store import ReplayFolder

contract = plumbline.load(CONTRACT)
home = Home.resolve(HOME)
lake = Lake.open(home, contract.catalog)
[document] = stored_runs.documents(contract, lake, [RUN])
folder = ReplayFolder.find(home, REPLAY)
plan = read_plan(folder)
plan

# %% [markdown]
# ## What it wrote, and what the audit found
#
# Publish refuses while a check fails.

# %%
ran, audited = folder.read("run"), folder.read("audit")
print(f"{ran['rows']:,} rows in {ran['staging']}" if ran else "it has not run yet")
checks = audited["checks"] if audited else []
pd.DataFrame([(c["name"], "yes" if c["passed"] else "NO", c["found"]) for c in checks], columns=["check", "holds", "found"])

# %% [markdown]
# ## Against the batch reference and the live table
#
# Both should read: no difference from batch, and from the live table the rows that are to be repaired.

# %%
sides = {side: (audited or {}).get(side) for side in ("against_batch", "against_live")}
pd.DataFrame({side: found["counts"] for side, found in sides.items() if found}).T

# %% [markdown]
# ## The range in the chosen run

# %%
pd.Series(reading.within(document, plan.time_range), name=document["run_id"]).to_frame().T

# %% [markdown]
# ## Rows of the range that differ there

# %%
inside = [row for row in stored_runs.flat(lake, document["run_id"]) if row["window"] and plan.time_range.contains(row["window"])]
print(f"{len(inside):,} findings")
pd.DataFrame(inside).head(20).map(format.plain)

# %% [markdown]
# ## What next
#
# - Publish in one commit: `plumbline replay publish REPLAY --execute`
# - Look again: `plumbline reconcile CONTRACT --from … --to …`
# - Undo: `plumbline replay rollback REPLAY --execute`
