-- An interval left join of two Kafka topics into Iceberg, whose late records are set aside, not lost.
-- job.py puts in what stands in braces, and sends the three INSERTs as one job.

CREATE TABLE impressions (
  imp_id STRING,
  ad STRING,
  shown_at TIMESTAMP_LTZ(3),
  p INT METADATA FROM 'partition' VIRTUAL,
  o BIGINT METADATA FROM 'offset' VIRTUAL,
  WATERMARK FOR shown_at AS shown_at - INTERVAL '10' MINUTE
) WITH (
  'connector' = 'kafka', 'topic' = '${impressions}', 'properties.bootstrap.servers' = '${brokers}',
  'scan.startup.mode' = 'earliest-offset', 'properties.isolation.level' = 'read_committed',
  'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601'
);

CREATE TABLE plays (
  play_id STRING,
  imp_id STRING,
  played_at TIMESTAMP_LTZ(3),
  p INT METADATA FROM 'partition' VIRTUAL,
  o BIGINT METADATA FROM 'offset' VIRTUAL,
  WATERMARK FOR played_at AS played_at - INTERVAL '10' MINUTE
) WITH (
  'connector' = 'kafka', 'topic' = '${plays}', 'properties.bootstrap.servers' = '${brokers}',
  'scan.startup.mode' = 'earliest-offset', 'properties.isolation.level' = 'read_committed',
  'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601'
);

CREATE TABLE IF NOT EXISTS lake.ads.takes (
  imp_id STRING, play_id STRING, ad STRING, shown_at TIMESTAMP_LTZ(6),
  imp_p INT, imp_o BIGINT, play_p INT, play_o BIGINT
);

-- The format of job.dropped (docs/tables.md).
CREATE TABLE IF NOT EXISTS lake.ops.dropped (
  topic STRING, `partition` INT, `offset` BIGINT, reason STRING,
  event_time TIMESTAMP_LTZ(6), `watermark` TIMESTAMP_LTZ(6), `at` TIMESTAMP_LTZ(6)
);

-- The gate: a record goes into the join only if no watermark has passed it. Until the first watermark after a start or
-- a restore CURRENT_WATERMARK is NULL: such records are joined, and noted beside that.
CREATE TEMPORARY VIEW timely_impressions AS
SELECT * FROM impressions WHERE COALESCE(shown_at > CURRENT_WATERMARK(shown_at), TRUE);

CREATE TEMPORARY VIEW timely_plays AS
SELECT * FROM plays WHERE COALESCE(played_at > CURRENT_WATERMARK(played_at), TRUE);

INSERT INTO lake.ads.takes
SELECT i.imp_id, q.play_id, i.ad, CAST(i.shown_at AS TIMESTAMP_LTZ(6)), i.p, i.o, q.p, q.o
FROM timely_impressions i LEFT JOIN timely_plays q
  ON i.imp_id = q.imp_id
  AND q.played_at BETWEEN i.shown_at AND i.shown_at + INTERVAL '1' HOUR;

INSERT INTO lake.ops.dropped
SELECT '${impressions}', p, o,
  CASE WHEN CURRENT_WATERMARK(shown_at) IS NULL THEN 'no watermark' ELSE 'late' END,
  CAST(shown_at AS TIMESTAMP_LTZ(6)), CAST(CURRENT_WATERMARK(shown_at) AS TIMESTAMP_LTZ(6)),
  CAST(CURRENT_TIMESTAMP AS TIMESTAMP_LTZ(6))
FROM impressions
WHERE COALESCE(shown_at <= CURRENT_WATERMARK(shown_at), TRUE);

INSERT INTO lake.ops.dropped
SELECT '${plays}', p, o,
  CASE WHEN CURRENT_WATERMARK(played_at) IS NULL THEN 'no watermark' ELSE 'late' END,
  CAST(played_at AS TIMESTAMP_LTZ(6)), CAST(CURRENT_WATERMARK(played_at) AS TIMESTAMP_LTZ(6)),
  CAST(CURRENT_TIMESTAMP AS TIMESTAMP_LTZ(6))
FROM plays
WHERE COALESCE(played_at <= CURRENT_WATERMARK(played_at), TRUE);
