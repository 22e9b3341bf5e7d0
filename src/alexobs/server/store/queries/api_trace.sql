-- One trace's own figures, running spans included; no row when nothing of it is here.
-- $lately_ns: ten seconds ago. When something has come since, but not the root, the trace runs.
WITH parts AS (
  SELECT start_ns, end_ns, spans, errors, llm_calls, tool_calls, root_span_id, root_name,
    root_kind, root_status, service, session_id, user_id, agent, model,
    uncached_input + cache_read + cache_write AS input_tokens, output + reasoning AS output_tokens,
    cost, unpriced, 0 AS running
  FROM trace_parts WHERE trace_lo = $trace_lo AND trace_hi = $trace_hi
  UNION ALL
  SELECT start_ns, NULL, 1, 0, (kind IN ('llm', 'embedding'))::BIGINT, (kind = 'tool')::BIGINT,
    CASE WHEN parent_id = 0 THEN span_id END, CASE WHEN parent_id = 0 THEN name END,
    CASE WHEN parent_id = 0 THEN kind END, NULL, service, session_id, user_id, agent, model,
    0, 0, 0, 0, 1
  FROM running_spans WHERE trace_lo = $trace_lo AND trace_hi = $trace_hi
)
SELECT min(start_ns) AS start_ns,
  CASE WHEN sum(running) = 0 THEN max(end_ns) - min(start_ns) END AS duration_ns,
  sum(spans)::BIGINT AS spans, sum(errors)::BIGINT AS errors,
  sum(llm_calls)::BIGINT AS llm_calls, sum(tool_calls)::BIGINT AS tool_calls,
  CASE WHEN any_value(root_span_id) IS NOT NULL THEN hex16(any_value(root_span_id)) END
    AS root_span_id,
  any_value(root_name) AS name, any_value(root_kind) AS kind,
  CASE WHEN sum(running) > 0 OR any_value(root_span_id) IS NULL
      AND max(end_ns) BETWEEN $lately_ns AND $lately_ns + 20000000000 THEN 'running'
    ELSE coalesce(any_value(root_status), CASE WHEN sum(errors) > 0 THEN 'error' END, 'success')
    END AS status,
  arg_min(service, start_ns) AS service, any_value(session_id) AS session_id,
  any_value(user_id) AS user_id, arg_min(agent, start_ns) AS agent,
  arg_min(model, start_ns) AS model,
  sum(input_tokens)::BIGINT AS input_tokens, sum(output_tokens)::BIGINT AS output_tokens,
  sum(cost) AS cost, sum(unpriced)::BIGINT AS unpriced
FROM parts HAVING count(*) > 0
