-- The topics, the job's table and the table of its reports. job.py puts in what stands in braces.

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
