-- Percentiles of durations per step, s: of LLM calls together, of tools one by one.
-- Bucket b holds up to 1.02^b µs; its middle is within 1 % of every duration in it.
-- $cuts: hours that a step or the window begins or ends within; all others are taken as a whole,
-- and what has come since the hours were summed up is added.
WITH minutes AS NOT MATERIALIZED (
  -- if not cuts
  SELECT * FROM rollup_latency WHERE minute >= $from_minute AND minute < $to_minute
  -- end
  -- if cuts
  SELECT hour * 60 AS minute, service, kind, model, tool_name, status, bucket, spans
  FROM rollup_latency_hours ANTI JOIN (SELECT unnest($cuts::BIGINT[]) AS hour) USING (hour)
  WHERE hour >= $from_minute // 60 AND hour * 60 < $to_minute
  UNION ALL
  SELECT minute, service, kind, model, tool_name, status, bucket, spans FROM rollup_latency
  WHERE minute >= $from_minute AND minute < $to_minute AND minute IN (
    SELECT unnest(range(hour * 60, hour * 60 + 60))
    FROM (SELECT unnest($cuts::BIGINT[]) AS hour))
  UNION ALL
  SELECT minute, service, kind, model, tool_name, status, bucket, spans FROM rollup_latency
  WHERE minute >= $from_minute AND minute < $to_minute
    AND seq > coalesce(
      (SELECT value::BIGINT FROM meta WHERE key = 'rollup_latency_hours'), 0)
    AND NOT list_contains($cuts::BIGINT[], minute // 60)
  -- end
), counts AS (
  SELECT $from_minute + (minute - $from_minute) // $step * $step AS tick,
    CASE WHEN kind = 'tool' THEN 'tool' ELSE 'llm' END AS what,
    CASE WHEN kind = 'tool' THEN tool_name END AS label, bucket, sum(spans) AS spans
  FROM minutes
  WHERE ($service IS NULL OR list_contains($service::VARCHAR[], service))
    AND ((kind IN ('llm', 'embedding')
        AND ($model IS NULL OR list_contains($model::VARCHAR[], model)))
      OR (kind = 'tool' AND ($tool IS NULL OR list_contains($tool::VARCHAR[], tool_name))))
  GROUP BY ALL
), ranked AS (
  SELECT tick, what, label, bucket, sum(spans) OVER below AS rank,
    sum(spans) OVER (PARTITION BY tick, what, label) AS total
  FROM counts WINDOW below AS (PARTITION BY tick, what, label ORDER BY bucket)
)
SELECT tick, what, label,
  pow(1.02, min(bucket) FILTER (rank >= 0.5 * total) - 0.5) / 1e6 AS p50,
  pow(1.02, min(bucket) FILTER (rank >= 0.95 * total) - 0.5) / 1e6 AS p95,
  pow(1.02, min(bucket) FILTER (rank >= 0.99 * total) - 0.5) / 1e6 AS p99
FROM ranked GROUP BY tick, what, label ORDER BY tick, what, label
