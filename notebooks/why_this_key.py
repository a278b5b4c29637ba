# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What happened to this key?
#
# One output key from its first record to its last commit: what was delivered, which epoch read it behind which
# watermark, what was archived, what the stream wrote and what the batch run made of it. It is `plumbline explain` with
# room to look around, and changes nothing.
#
# Without a key it takes the one that a recorded run has most to say about.

# %% tags=["parameters"]
CONTRACT = "plumbline/demo/flights/flights.yaml"
HOME = None  # a folder; None is $PLUMBLINE_HOME, else .plumbline
RUN = "latest"  # or a run id
KEY = None  # a value, or several with commas in the order of output.key; None: the run's worst

# %%
import pandas as pd

import plumbline

contract = plumbline.load(CONTRACT)
home = plumbline.Home.resolve(HOME)
run = plumbline.open_run(contract, home, RUN)
stories = run.stories()
if KEY is None and not stories:
    raise plumbline.PlumblineError("this run has no finding to take a key from", next_step="set KEY, or another RUN")
key = KEY if KEY is not None else dict(stories[0].parts)

# %% [markdown]
# ## In order of time
#
# A record is dropped when its event time is at or before the watermark of the epoch that read it.

# %%
story = plumbline.explain(contract, home, key)
story

# %% [markdown]
# ## Its records
#
# Where each lies in Kafka, and what became of it: admitted, dropped, or not read yet.

# %%
pd.DataFrame([record.as_json() for record in story.records]).map(plumbline.as_text).T

# %% [markdown]
# ## Others like it
#
# Keys of the same run with the same cause: one incident, or one habit?

# %%
findings = pd.DataFrame(run.findings())
causes = story.document["causes"]
findings[findings["cause"].isin(causes)].head(20).map(plumbline.as_text) if len(findings) else "this run has no finding"

# %% [markdown]
# ## What next
#
# - Repair the range it is in: `plumbline replay plan CONTRACT --from … --to …`
# - See its whole day: `plumbline reconcile CONTRACT --date …`
