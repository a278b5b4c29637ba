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
# # Where does the stream drift from its reference?
#
# This notebook reads one recorded run of `plumbline reconcile` and walks through it: do the books balance, why do rows
# differ, when did it happen, what would another watermark have cost, and which rows are worth a look. It uses the same
# functions as `plumbline report` and changes nothing: run it as often as you like.
#
# Set the three parameters, then run all cells.

# %% tags=["parameters"]
CONTRACT = "plumbline/demo/flights/flights.yaml"
HOME = None  # a folder; None is $PLUMBLINE_HOME, else .plumbline
RUN = "latest"  # or a run id

# %%
import pandas as pd

import plumbline

contract = plumbline.load(CONTRACT)
home = plumbline.Home.resolve(HOME)
run = plumbline.open_run(contract, home, RUN)
document = run.document
print(run.run_id, document["verdict"], document["range"])
print(run)
run

# %% [markdown]
# ## The books
#
# Every batch row must be accounted for: in the stream, missing with a cause, or pending. The lines below lead from the
# batch table's rows to the stream table's. If they did not balance, nothing further down could be trusted.

# %%
books = pd.DataFrame(run.books(), columns=["cause", "rows", "what"])
assert document["counts"]["batch"] + books["rows"].sum() == document["counts"]["stream"]
assert run.balanced
print(f"batch {document['counts']['batch']:,} -> stream {document['counts']['stream']:,}")
books

# %% [markdown]
# ## Causes
#
# Each difference has exactly one cause, proven from lineage, archive and epoch ledger. Only `unexplained` has no proof:
# any number but zero there wants your attention first. `predicted` is what the exact rules say without a look at the
# stream table.

# %%
causes = pd.DataFrame(run.causes()).T
print("unexplained:", document["unexplained"], " predicted:", document["predicted"], " agrees:", document["agrees"])
causes.fillna(0).astype(int)

# %% [markdown]
# ## When
#
# Bars of left event time. A single high bar is an incident: replay its range. An even comb is a property of the
# watermark: see the curve below. Days without drift are left out of the table.

# %%
run.drift_plot()

# %%
days = pd.DataFrame(run.days(), columns=["day", "batch", "stream", "drift", "share"])
days[days.drift > 0].sort_values("drift", ascending=False).head(10)

# %% [markdown]
# ## What another watermark would have lost
#
# How far behind the watermark did records come? With both delays longer by *d*, exactly the records that were late by
# at least *d* are still lost; the price is that unmatched rows wait *d* longer.

# %%
run.lateness_plot() or "No epoch ledger, no curve."

# %% [markdown]
# The same along the watermark's own way: how far before it the records came, and how far behind it the dropped ones.

# %%
run.watermark_plot() or "No watermark moved."

# %%
pd.DataFrame(run.delays())

# %% [markdown]
# ## The rows
#
# The gravest and the latest, with their stories; then all findings as a frame, for your own questions. Which of your
# columns do the late rows share: one carrier, one device, one region? Often that says more than the clock.

# %%
pd.set_option("display.max_colwidth", None)
stories = run.stories(10)
pd.DataFrame([(s.key, s.cause, s.kind, s.sentence) for s in stories], columns=["key", "cause", "class", "story"])

# %%
findings = pd.DataFrame(run.findings())
findings.head()

# %%
values = [name for name in contract.value_columns if name in findings and findings[name].nunique() <= 50]
for name in values[:2]:
    print(findings.groupby([name, "cause"]).size().unstack(fill_value=0).head(12), end="\n\n")

# %% [markdown]
# ## What next
#
# - One key's whole story: `plumbline explain CONTRACT KEY`
# - Repair a range: `plumbline replay plan CONTRACT --from … --to …`, then `run`, `audit`, `publish`
# - The same as a page to share: `plumbline report CONTRACT`
