-- The newest traces, from $before_ns back. $limit rows.
SELECT hex16(trace_hi) || hex16(trace_lo) AS trace_id, min(start_ns) AS start_ns,
  max(end_ns) AS end_ns, sum(spans) AS spans, sum(errors) AS errors,
  any_value(root_name) AS name, any_value(root_kind) AS kind, any_value(root_status) AS status,
  arg_min(service, start_ns) AS service, any_value(session_id) AS session_id,
  sum(llm_calls) AS llm_calls, sum(tool_calls) AS tool_calls,
  sum(uncached_input + cache_read + cache_write) AS input_tokens,
  sum(output + reasoning) AS output_tokens, sum(cost) AS cost, sum(unpriced) AS unpriced
FROM trace_parts GROUP BY trace_hi, trace_lo
HAVING $before_ns IS NULL OR min(start_ns) < $before_ns
ORDER BY start_ns DESC LIMIT $limit
