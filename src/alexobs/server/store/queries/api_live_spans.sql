-- Spans that commits after $after_seq brought, started and ended ones; $limit at most.
SELECT hex16(trace_hi) || hex16(trace_lo) AS trace_id, hex16(span_id) AS span_hex,
  CASE WHEN parent_id <> 0 THEN hex16(parent_id) END AS parent_span_id, session_id, start_ns,
  duration_ns, name, kind, status,
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
WHERE seq > $after_seq AND seq <= $until_seq
  AND ($trace_hi IS NULL OR (trace_hi = $trace_hi AND trace_lo = $trace_lo))
  AND ($session IS NULL OR session_id = $session)
ORDER BY start_ns, span_rows.span_id LIMIT $limit
