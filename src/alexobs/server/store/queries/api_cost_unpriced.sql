-- LLM calls in a window whose cost is unknown, by model and reason.
SELECT model, provider, unpriced AS reason, count(*) AS calls,
  coalesce(sum(coalesce(uncached_input, 0) + coalesce(cache_read, 0) + coalesce(cache_write, 0)), 0)
    ::BIGINT AS input_tokens,
  coalesce(sum(coalesce(output, 0) + coalesce(reasoning, 0)), 0)::BIGINT AS output_tokens,
  arg_max(hex16(trace_hi) || hex16(trace_lo), start_ns) AS trace_id,
  arg_max(hex16(span_id), start_ns) AS span_hex
FROM finished_spans
WHERE start_ns >= $from_ns AND start_ns < $to_ns AND unpriced IS NOT NULL
  AND ($model IS NULL OR list_contains($model::VARCHAR[], model))
  AND ($service IS NULL OR list_contains($service::VARCHAR[], service))
GROUP BY model, provider, unpriced ORDER BY calls DESC, model, provider, reason LIMIT $limit
