-- Spans of one trace by start, $limit of them after a place, those that overlap a window.
SELECT span_id, parent_id, start_ns, duration_ns, name, kind, status,
  coalesce(nullif(concat_ws(': ', error_type, nullif(status_message, '')), ''),
    CASE WHEN status = 'error' THEN 'error' END) AS error,
  service, model, provider, tool_name AS tool, agent, iteration, ttft_s * 1000 AS ttft_ms,
  CASE WHEN coalesce(uncached_input, cache_read, cache_write) IS NOT NULL THEN
    coalesce(uncached_input, 0) + coalesce(cache_read, 0) + coalesce(cache_write, 0) END
    AS input_tokens,
  CASE WHEN coalesce(output, reasoning) IS NOT NULL THEN
    coalesce(output, 0) + coalesce(reasoning, 0) END AS output_tokens,
  cost AS cost_usd, unpriced
FROM span_rows
WHERE trace_lo = $trace_lo AND trace_hi = $trace_hi
  AND ($from_ns IS NULL OR duration_ns IS NULL OR start_ns + duration_ns >= $from_ns)
  AND ($to_ns IS NULL OR start_ns < $to_ns)
  AND ($after_ns IS NULL OR start_ns > $after_ns
    OR (start_ns = $after_ns AND span_id > $after_id::UBIGINT))
ORDER BY start_ns, span_id LIMIT $limit
