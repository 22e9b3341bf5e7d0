-- Spend and tokens of LLM calls in a window of minutes: in all, and by several keys.
-- `grouped` tells by which: bits for day, model, agent, service that a row is not divided by.
WITH calls AS (
  SELECT strftime(make_timestamp((minute + $offset_min) * 60000000), '%Y-%m-%d') AS day,
    model, agent, service, spans, unpriced, cost, uncached_input, cache_read, cache_write, output,
    reasoning
  FROM rollup
  WHERE kind IN ('llm', 'embedding') AND minute >= $from_minute AND minute < $to_minute
    AND ($model IS NULL OR list_contains($model::VARCHAR[], model))
    AND ($service IS NULL OR list_contains($service::VARCHAR[], service))
)
SELECT grouping(day, model, agent, service) AS grouped, day, model, agent, service,
  sum(cost) AS cost, sum(spans)::BIGINT AS llm_calls, sum(unpriced)::BIGINT AS unpriced,
  sum(uncached_input)::BIGINT AS uncached_input, sum(cache_read)::BIGINT AS cache_read,
  sum(cache_write)::BIGINT AS cache_write, sum(output)::BIGINT AS output,
  sum(reasoning)::BIGINT AS reasoning
FROM calls GROUP BY GROUPING SETS ((), (day), (day, model), (model), (agent), (service))
ORDER BY cost DESC, llm_calls DESC, model, agent, service, day, grouped
