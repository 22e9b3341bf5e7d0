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
