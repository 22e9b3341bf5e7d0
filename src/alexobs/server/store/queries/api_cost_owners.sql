-- Spend of LLM calls in a window by session and by user, the most expensive $limit of each.
-- A call without a session of its own belongs to its trace's.
WITH made AS (
  SELECT trace_hi, trace_lo, session_id, user_id, cost, unpriced, uncached_input, cache_read,
    cache_write, output, reasoning
  FROM finished_spans
  WHERE start_ns >= $from_ns AND start_ns < $to_ns AND kind IN ('llm', 'embedding')
    AND ($model IS NULL OR list_contains($model::VARCHAR[], model))
    AND ($service IS NULL OR list_contains($service::VARCHAR[], service))
), bare AS (
  SELECT DISTINCT trace_hi, trace_lo FROM made WHERE session_id IS NULL
), traces AS (
  SELECT trace_hi, trace_lo, any_value(session_id) AS of_session, any_value(user_id) AS of_user
  FROM trace_parts SEMI JOIN bare USING (trace_hi, trace_lo) GROUP BY trace_hi, trace_lo
), calls AS (
  SELECT coalesce(session_id, of_session) AS session_id, coalesce(user_id, of_user) AS user_id,
    cost, unpriced, uncached_input, cache_read, cache_write, output, reasoning
  FROM made LEFT JOIN traces USING (trace_hi, trace_lo)
), owned AS (
  SELECT grouping(session_id) AS is_user, session_id, user_id, coalesce(sum(cost), 0) AS cost,
    count(*) AS llm_calls, count(unpriced) AS unpriced,
    coalesce(sum(uncached_input), 0)::BIGINT AS uncached_input,
    coalesce(sum(cache_read), 0)::BIGINT AS cache_read,
    coalesce(sum(cache_write), 0)::BIGINT AS cache_write,
    coalesce(sum(output), 0)::BIGINT AS output, coalesce(sum(reasoning), 0)::BIGINT AS reasoning
  FROM calls GROUP BY GROUPING SETS ((session_id), (user_id))
)
SELECT CASE WHEN is_user = 0 THEN 'session' ELSE 'user' END AS owner,
  CASE WHEN is_user = 0 THEN session_id ELSE user_id END AS key,
  * EXCLUDE (is_user, session_id, user_id)
FROM owned
QUALIFY row_number() OVER (PARTITION BY is_user ORDER BY cost DESC, llm_calls DESC, key) <= $limit
ORDER BY cost DESC, llm_calls DESC, key
