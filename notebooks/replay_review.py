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

contract = plumbline.load(CONTRACT)
home = plumbline.Home.resolve(HOME)
run = plumbline.open_run(contract, home, RUN)
replay = plumbline.open_replay(home, REPLAY)
replay.plan

# %% [markdown]
# ## What it wrote, and what the audit found
#
# Publish refuses while a check fails.

# %%
ran, audited = replay.ran, replay.audited
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
time_range = replay.plan.time_range
pd.Series(run.within(time_range), name=run.run_id).to_frame().T

# %% [markdown]
# ## Rows of the range that differ there

# %%
inside = [row for row in run.findings() if row["window"] and time_range.contains(row["window"])]
print(f"{len(inside):,} findings")
pd.DataFrame(inside).head(20).map(plumbline.as_text)

# %% [markdown]
# ## What next
#
# - Publish in one commit: `plumbline replay publish REPLAY --execute`
# - Look again: `plumbline reconcile CONTRACT --from … --to …`
# - Undo: `plumbline replay rollback REPLAY --execute`
