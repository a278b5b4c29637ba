-- An interval left join of two Kafka topics into Iceberg, whose late records are set aside, not lost. The tables are
-- those of tables.sql; the three INSERTs are one job.

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
