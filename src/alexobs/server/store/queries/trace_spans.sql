-- All spans of one trace, by start.
SELECT hex16(span_id) AS span_id, CASE WHEN parent_id <> 0 THEN hex16(parent_id) END AS parent_id,
  start_ns, duration_ns, name, kind, status, status_message, error_type, service, model, provider,
  operation, session_id, agent, tool_name, iteration,
  uncached_input, cache_read, cache_write, output, reasoning, cost, unpriced, ttft_s
FROM span_rows WHERE trace_lo = $trace_lo AND trace_hi = $trace_hi
ORDER BY start_ns, span_id
