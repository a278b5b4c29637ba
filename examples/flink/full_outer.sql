-- The plain interval left join, from which nothing is kept back. It is written as FULL OUTER: a right record that finds
-- no left one comes out of it, too, and is reported. The tables are those of tables.sql; the three INSERTs are one job
-- with one join.

-- Without this Flink plans a join for each INSERT, the first a LEFT JOIN: three joins, which may disagree.
SET 'table.optimizer.reuse-optimize-block-with-digest-enabled' = 'true';

-- The watermark that each record met is taken before the join; behind it, it would be that of another moment.
CREATE TEMPORARY VIEW joined AS
SELECT i.imp_id, i.ad, i.shown_at, i.p AS imp_p, i.o AS imp_o, i.seen AS imp_seen,
  q.play_id, q.played_at, q.p AS play_p, q.o AS play_o, q.seen AS play_seen
FROM (SELECT *, CURRENT_WATERMARK(shown_at) AS seen FROM impressions) i
FULL OUTER JOIN (SELECT *, CURRENT_WATERMARK(played_at) AS seen FROM plays) q
  ON i.imp_id = q.imp_id
  AND q.played_at BETWEEN i.shown_at AND i.shown_at + INTERVAL '1' HOUR;

INSERT INTO lake.ads.takes
SELECT imp_id, play_id, ad, CAST(shown_at AS TIMESTAMP_LTZ(6)), imp_p, imp_o, play_p, play_o
FROM joined WHERE imp_o IS NOT NULL;

-- A right record that found no left one, and was behind the watermark when it came.
INSERT INTO lake.ops.dropped
SELECT '${plays}', play_p, play_o, CASE WHEN play_seen IS NULL THEN 'no watermark' ELSE 'late' END,
  CAST(played_at AS TIMESTAMP_LTZ(6)), CAST(play_seen AS TIMESTAMP_LTZ(6)), CAST(CURRENT_TIMESTAMP AS TIMESTAMP_LTZ(6))
FROM joined WHERE imp_o IS NULL AND COALESCE(played_at <= play_seen, TRUE);

-- A late left record joins what is still there. It was written alone for its own lateness if its whole window was
-- behind the watermark when it came; else ('window open') nobody can say.
INSERT INTO lake.ops.dropped
SELECT '${impressions}', imp_p, imp_o,
  CASE WHEN imp_seen IS NULL THEN 'no watermark'
    WHEN imp_seen < shown_at + INTERVAL '1' HOUR THEN 'window open'
    ELSE 'late' END,
  CAST(shown_at AS TIMESTAMP_LTZ(6)), CAST(imp_seen AS TIMESTAMP_LTZ(6)), CAST(CURRENT_TIMESTAMP AS TIMESTAMP_LTZ(6))
FROM joined WHERE play_o IS NULL AND COALESCE(shown_at <= imp_seen, TRUE);
