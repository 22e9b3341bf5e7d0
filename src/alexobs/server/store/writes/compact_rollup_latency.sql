-- One row per minute, combination and bucket again.
CREATE TEMP TABLE compacted AS SELECT
  max(seq) AS seq, minute, service, kind, model, tool_name, status, bucket,
  sum(spans)::BIGINT AS spans
FROM rollup_latency GROUP BY minute, service, kind, model, tool_name, status, bucket
ORDER BY minute;

DELETE FROM rollup_latency;

INSERT INTO rollup_latency BY NAME FROM compacted;

DROP TABLE compacted;
