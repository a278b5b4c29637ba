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
# # Where do the stream's numbers drift from their reference?
#
# This notebook reads one recorded run of `plumbline reconcile` of an aggregate and walks through it: do the books
# balance, why do lines differ, when, and which numbers are wrong by how much. It changes nothing: run it as often as you
# like.
#
# Set the three parameters, then run all cells.

# %% tags=["parameters"]
CONTRACT = "plumbline/demo/flights/carriers.yaml"
HOME = None  # a folder; None is $PLUMBLINE_HOME, else .plumbline
RUN = "latest"  # or a run id

# %%
import pandas as pd

import plumbline

contract = plumbline.load(CONTRACT, aggregates=True)
run = plumbline.open_lines(contract, plumbline.Home.resolve(HOME), RUN)
document = run.document
print(run.run_id, document["range"], "windows closed up to", document["closed_until"])
print(run)
run

# %% [markdown]
# ## The books
#
# Every line of the batch must be accounted for: in the stream with the same values, missing or wrong with a cause, or
# pending, as its window is still open. If they did not balance, nothing further down could be trusted.

# %%
books = pd.DataFrame(run.books(), columns=["cause", "lines", "what"])
assert document["counts"]["batch"] + books["lines"].sum() == document["counts"]["stream"]
assert document["balanced"]
print(f"batch {document['counts']['batch']:,} lines -> stream {document['counts']['stream']:,}")
books

# %% [markdown]
# Below the lines are the joined rows. A row that was lost is missing in a number; a left event whose only partner was
# late came alone in its place.

# %%
pd.DataFrame(run.joined_rows(), columns=["cause", "gone", "alone"])

# %% [markdown]
# ## Causes
#
# A line has a cause where the batch's number, made again without the rows that the stream did not make, is the stream's
# number exactly. Only `unexplained` has no proof: any number but zero there wants your attention first.

# %%
print("unexplained:", document["unexplained"], " as the ledger says:", document["agrees"])
print(*run.said(), sep="\n")
pd.DataFrame(run.causes()).T.fillna(0).astype(int)

# %% [markdown]
# ## When

# %%
run.drift_plot()

# %%
days = pd.DataFrame(run.days(), columns=["day", "batch", "stream", "drift"])
days[days.drift > 0].sort_values("drift", ascending=False).head(10)

# %% [markdown]
# ## The lines
#
# Some of each cause, with the sum that explains each value; then all that differ as a frame, for your own questions.

# %%
pd.set_option("display.max_colwidth", None)
pd.DataFrame(run.worth_a_look(), columns=["line", "cause", "class", "sum"])

# %%
lines = pd.DataFrame(run.lines())
lines.head()

# %% [markdown]
# By how much is each value wrong, where both tables have a number? `median` and `max` are of the difference without its
# sign, `share` is the median of it relative to the batch's.

# %%
wrong = {}
for name in contract.output.aggregate.values:
    if len(lines) and pd.api.types.is_numeric_dtype(lines[f"{name} batch"]):
        apart = (pd.to_numeric(lines[f"{name} stream"]) - lines[f"{name} batch"]).abs()
        apart, of = apart[apart > 0], lines[f"{name} batch"].abs()
        share = (apart / of[apart.index]).median()
        wrong[name] = {"lines": len(apart), "median": apart.median(), "max": apart.max(), "share": share}
pd.DataFrame(wrong).T

# %% [markdown]
# Which groups drift? Often that says more than the clock.

# %%
for name in contract.output.aggregate.groups if len(lines) else ():
    print(lines.groupby([name, "cause"]).size().unstack(fill_value=0).head(12), end="\n\n")

# %% [markdown]
# ## What next
#
# - One line's whole story: `plumbline explain WINDOW_START,GROUP --contract CONTRACT`
# - Repair a range in whole windows: `plumbline replay plan CONTRACT --from … --to …`, then `run`, `audit`, `publish`
# - The same as a page to share: `plumbline report CONTRACT`
