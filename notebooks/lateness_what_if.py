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

import plumbline

contract = plumbline.load(CONTRACT)
run = plumbline.open_run(contract, plumbline.Home.resolve(HOME), RUN)
sources = run.with_longer_delays(LONGER)
assert sources, "there is no epoch ledger to play again"

# %% [markdown]
# ## As it ran

# %%
run.lateness_plot()

# %%
run.watermark_plot() or "No watermark moved."

# %% [markdown]
# ## With the other delay
#
# `saved` are records that would not have been dropped; a negative number is lost in addition.

# %%
pd.DataFrame(sources)

# %% [markdown]
# ## Which delay loses how much

# %%
pd.DataFrame(run.delays())

# %% [markdown]
# ## Which rows it would have saved
#
# Late findings of the run whose record was less late than the delay would have grown.

# %%
late, saved = run.late_findings(), run.late_findings(less_than=LONGER)
print(f"{len(saved):,} of {len(late):,} late rows")
pd.DataFrame(saved).head(20).map(plumbline.as_text)

# %% [markdown]
# ## What next
#
# - The delay is `watermark` of each source in the contract. A running checkpoint refuses another one: `plumbline check`
#   says what to do.
