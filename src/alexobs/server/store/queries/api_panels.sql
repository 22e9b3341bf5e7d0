-- What LLM calls and tools did, per step. Minutes are Unix time / 60.
SELECT $from_minute + (minute - $from_minute) // $step * $step AS tick,
  CASE WHEN kind = 'tool' THEN 'tool' ELSE 'llm' END AS what,
  CASE WHEN kind = 'tool' THEN tool_name ELSE model END AS label, status,
  sum(spans)::BIGINT AS spans, sum(uncached_input)::BIGINT AS uncached_input,
  sum(cache_read)::BIGINT AS cache_read, sum(cache_write)::BIGINT AS cache_write,
  sum(output)::BIGINT AS output, sum(reasoning)::BIGINT AS reasoning,
  sum(cost) AS cost, sum(unpriced)::BIGINT AS unpriced
FROM rollup
WHERE minute >= $from_minute AND minute < $to_minute
  AND ($service IS NULL OR list_contains($service::VARCHAR[], service))
  AND ((kind IN ('llm', 'embedding')
      AND ($model IS NULL OR list_contains($model::VARCHAR[], model)))
    OR (kind = 'tool' AND ($tool IS NULL OR list_contains($tool::VARCHAR[], tool_name))))
GROUP BY ALL ORDER BY tick, what, label, status
