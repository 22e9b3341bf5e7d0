-- One row per minute, combination and bucket again, of the minutes from $since on.
CREATE TEMP TABLE compacted AS SELECT
  max(seq) AS seq, minute, service, kind, model, tool_name, status, bucket,
  sum(spans)::BIGINT AS spans
FROM rollup_latency WHERE minute >= $since
GROUP BY minute, service, kind, model, tool_name, status, bucket
ORDER BY minute;

DELETE FROM rollup_latency WHERE minute >= $since;

INSERT INTO rollup_latency BY NAME FROM compacted;

DROP TABLE compacted;

-- And one row per hour, of the hours that these minutes belong to.
DELETE FROM rollup_latency_hours WHERE hour >= $since // 60;

INSERT INTO rollup_latency_hours BY NAME SELECT
  minute // 60 AS hour, service, kind, model, tool_name, status, bucket, sum(spans)::BIGINT AS spans
FROM rollup_latency WHERE minute >= $since // 60 * 60 GROUP BY ALL ORDER BY hour;

INSERT OR REPLACE INTO meta
  SELECT 'rollup_latency_hours', max(seq)::VARCHAR FROM rollup_latency;
