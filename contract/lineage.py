"""The columns that every output row carries beside the contract's own."""

from __future__ import annotations

EVENT_TIME = "_event_time"
LEFT_PARTITION, LEFT_OFFSET = "_left_partition", "_left_offset"
RIGHT_PARTITION, RIGHT_OFFSET = "_right_partition", "_right_offset"
REPLAY_ID = "_replay_id"

RIGHT_EVENT_TIME = "_right_event_time"
"""The right event's time, by which a row of `output.mode: upsert` is newer than another; only its tables have it."""

SIDES = ("left", "right")
OTHER = {"left": "right", "right": "left"}
"""Side to the one that it is joined with."""
"""Of the join, in the order of the coordinates."""

COORDINATES = (LEFT_PARTITION, LEFT_OFFSET, RIGHT_PARTITION, RIGHT_OFFSET)
LINEAGE = (EVENT_TIME, *COORDINATES, REPLAY_ID)
"""In table order. `_event_time` is the left event's time, the right one's in a row without a left side: ranges and
partitions are cut by it. The four coordinates name the Kafka records the row was made from (null for a missing side).
`_replay_id` names the replay that published the row, null for the live stream and the batch reference."""

PARTITION, OFFSET, RECORD_TIME, VALUE = "_partition", "_offset", "_record_time", "_value"
TEXT, PARSED, CORRUPT = "_text", "_parsed", "_corrupt"
RECORDS = "records"
ONLY = f"get({PARSED}.{RECORDS}, 0)"
"""Of what is made of a record's value: its objects, each with the fields, and the one that it should have."""
RESERVED = (*LINEAGE, PARTITION, OFFSET, RECORD_TIME, VALUE, TEXT, PARSED, CORRUPT)
"""Names that no field of an event may have: the jobs use them beside the fields."""

HEADERS = "headers$"
"""A record's headers, which some encodings need. No field's name has a $ in it."""

SPARK_TYPES = {
    EVENT_TIME: "timestamp",
    LEFT_PARTITION: "int",
    LEFT_OFFSET: "bigint",
    RIGHT_PARTITION: "int",
    RIGHT_OFFSET: "bigint",
    REPLAY_ID: "string",
}
