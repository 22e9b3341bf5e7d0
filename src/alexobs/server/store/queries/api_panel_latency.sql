-- Percentiles of durations per step, s: of LLM calls together, of tools one by one.
-- Bucket b holds up to 1.02^b µs; its middle is within 1 % of every duration in it.
WITH counts AS (
  SELECT $from_minute + (minute - $from_minute) // $step * $step AS tick,
    CASE WHEN kind = 'tool' THEN 'tool' ELSE 'llm' END AS what,
    CASE WHEN kind = 'tool' THEN tool_name END AS label, bucket, sum(spans) AS spans
  FROM rollup_latency
  WHERE minute >= $from_minute AND minute < $to_minute
    AND ($service IS NULL OR list_contains($service::VARCHAR[], service))
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
