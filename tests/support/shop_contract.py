"""A small contract as text, for tests of whose a record is: nothing in it runs."""

from __future__ import annotations

TEXT = """
contract: shop
sources:
  orders:
    {topic: t.orders, format: json, fields: {id: string, at: timestamp}, event_time: at, watermark: 1 minute,
     archive: raw.orders}
  payments:
    {topic: t.payments, format: json, fields: {id: string, at: timestamp}, event_time: at, watermark: 1 minute,
     archive: raw.payments}
join: {left: orders, right: payments, kind: left_outer, on: [id], within: [0 minutes, 1 hour]}
output: {key: [id], columns: [paid: payments.at], stream_table: joined.stream, batch_table: joined.batch}
"""
