-- Version 2: durations by hour as well.
CREATE TABLE rollup_latency_hours (
  hour BIGINT, service VARCHAR, kind VARCHAR, model VARCHAR, tool_name VARCHAR, status VARCHAR,
  bucket SMALLINT, spans BIGINT
);

INSERT INTO rollup_latency_hours BY NAME SELECT
  minute // 60 AS hour, service, kind, model, tool_name, status, bucket, sum(spans)::BIGINT AS spans
FROM rollup_latency GROUP BY ALL ORDER BY hour;

INSERT OR REPLACE INTO meta
  SELECT 'rollup_latency_hours', coalesce(max(seq), 0)::VARCHAR FROM rollup_latency;
