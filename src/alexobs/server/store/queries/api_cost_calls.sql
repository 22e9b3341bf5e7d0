-- The most expensive LLM calls in a window.
SELECT hex16(trace_hi) || hex16(trace_lo) AS trace_id, hex16(span_id) AS span_hex, start_ns,
  duration_ns, model, provider, service, session_id, status, cost AS cost_usd,
  coalesce(uncached_input, 0) + coalesce(cache_read, 0) + coalesce(cache_write, 0) AS input_tokens,
  coalesce(output, 0) + coalesce(reasoning, 0) AS output_tokens
FROM finished_spans
WHERE start_ns >= $from_ns AND start_ns < $to_ns AND cost > 0 AND kind IN ('llm', 'embedding')
  AND ($model IS NULL OR list_contains($model::VARCHAR[], model))
  AND ($service IS NULL OR list_contains($service::VARCHAR[], service))
ORDER BY cost DESC, start_ns, finished_spans.span_id LIMIT $limit
