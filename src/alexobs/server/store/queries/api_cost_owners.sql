-- Spend of LLM calls in a window by session and by user, the most expensive $limit of each.
WITH calls AS (
  SELECT session_id, user_id, cost, unpriced, uncached_input, cache_read, cache_write, output,
    reasoning
  FROM finished_spans
  WHERE start_ns >= $from_ns AND start_ns < $to_ns AND kind IN ('llm', 'embedding')
    AND ($model IS NULL OR list_contains($model::VARCHAR[], model))
    AND ($service IS NULL OR list_contains($service::VARCHAR[], service))
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
