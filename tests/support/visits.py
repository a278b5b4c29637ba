"""The contract that the tests of this folder change line by line."""

TEXT = """\
contract: visits
sources:
  views:
    topic: site.views
    format: json
    fields:
      view_id: string
      user_id: long
      viewed_at: timestamp
      page: string
    event_time: viewed_at
    watermark: 10 minutes
    archive: raw.views
  buys:
    topic: site.buys
    fields: {view: string, user_id: int, bought_at: timestamp_millis, price: double}
    event_time: bought_at
    watermark: 90 s
    archive: raw.buys
join:
  left: views
  right: buys
  kind: left_outer
  on:
    view_id: view
  within: [-5 minutes, 2 hours]
output:
  key: [view_id]
  columns:
    - views.page
    - views.viewed_at
    - paid: buys.price
    - cents: round(buys.price * 100)
  stream_table: joined.visits_stream
  batch_table: joined.visits_batch
stream:
  max_events_per_epoch: 500
reconcile:
  tolerances:
    paid: {abs: 0.5}
    cents: ignore
  fail_when:
    unexplained: "> 0"
expectations:
  between:
    paid: [0, 1000]
  not_null: [page]
kafka:
  bootstrap.servers: "${SERVERS}"
  session.timeout.ms: 6000
"""

ENVIRONMENT = {"SERVERS": "broker:9092"}


def changed(old: str, new: str) -> str:
    """The text with `old`, which stands in it once, replaced by `new`."""
    assert TEXT.count(old) == 1, f"{old!r} stands {TEXT.count(old)} times in the example"
    return TEXT.replace(old, new)
