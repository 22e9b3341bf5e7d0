-- Spend of LLM calls in a window by session, or $by_user; the most expensive $limit.
-- A call without a session of its own belongs to its trace's.
WITH made AS NOT MATERIALIZED (
  SELECT trace_hi, trace_lo, session_id, user_id, cost, unpriced, uncached_input, cache_read,
    cache_write, output, reasoning
  FROM finished_spans
  WHERE start_ns >= $from_ns AND start_ns < $to_ns AND kind IN ('llm', 'embedding')
    -- if model
    AND list_contains($model::VARCHAR[], model)
    -- end
    -- if service
    AND list_contains($service::VARCHAR[], service)
    -- end
), bare AS NOT MATERIALIZED (
  SELECT * FROM made WHERE session_id IS NULL
), traces AS (
  SELECT trace_hi, trace_lo, any_value(session_id) AS of_session, any_value(user_id) AS of_user
  FROM trace_parts SEMI JOIN bare USING (trace_hi, trace_lo) GROUP BY trace_hi, trace_lo
), calls AS NOT MATERIALIZED (
  SELECT session_id, user_id, cost, unpriced, uncached_input, cache_read, cache_write, output,
    reasoning
  FROM made WHERE session_id IS NOT NULL
  UNION ALL
  SELECT of_session, coalesce(user_id, of_user), cost, unpriced, uncached_input, cache_read,
    cache_write, output, reasoning
  FROM bare LEFT JOIN traces USING (trace_hi, trace_lo)
), owned AS NOT MATERIALIZED (
  SELECT
    -- if by_user
    user_id AS key,
    -- end
    -- if not by_user
    session_id AS key,
    -- end
    * EXCLUDE (session_id, user_id)
  FROM calls
)
SELECT key, coalesce(sum(cost), 0) AS cost, count(*) AS llm_calls,
  count(unpriced) AS unpriced, coalesce(sum(uncached_input), 0)::BIGINT AS uncached_input,
  coalesce(sum(cache_read), 0)::BIGINT AS cache_read,
  coalesce(sum(cache_write), 0)::BIGINT AS cache_write,
  coalesce(sum(output), 0)::BIGINT AS output, coalesce(sum(reasoning), 0)::BIGINT AS reasoning
FROM owned
GROUP BY key ORDER BY cost DESC, llm_calls DESC, key LIMIT $limit
