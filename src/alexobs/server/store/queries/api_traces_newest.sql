-- The newest traces that start in a window, $limit of them after a place in the order: what
-- api_traces finds without filters on spans and text. Most of the time of both is the planning.
WITH parts AS (
  SELECT trace_hi, trace_lo, start_ns, end_ns, spans, errors, llm_calls, tool_calls, root_span_id,
    root_name, root_kind, root_status, service, session_id, user_id, agent, model,
    uncached_input + cache_read + cache_write AS input_tokens, output + reasoning AS output_tokens,
    cost, unpriced, 0 AS running
  FROM trace_parts
  UNION ALL
  SELECT trace_hi, trace_lo, start_ns, NULL, 1, 0, (kind IN ('llm', 'embedding'))::BIGINT,
    (kind = 'tool')::BIGINT, CASE WHEN parent_id = 0 THEN span_id END,
    CASE WHEN parent_id = 0 THEN name END, CASE WHEN parent_id = 0 THEN kind END, NULL,
    service, session_id, user_id, agent, model, 0, 0, 0, 0, 1
  FROM running_spans
), recent AS (
  SELECT DISTINCT trace_hi, trace_lo FROM parts WHERE start_ns >= $from_ns
), chosen AS (
  SELECT parts.* FROM parts SEMI JOIN recent USING (trace_hi, trace_lo)
), traces AS (
  SELECT trace_hi, trace_lo, min(start_ns) AS start_ns,
    CASE WHEN sum(running) = 0 THEN max(end_ns) - min(start_ns) END AS duration_ns,
    sum(spans)::BIGINT AS spans, sum(errors)::BIGINT AS errors,
    sum(llm_calls)::BIGINT AS llm_calls, sum(tool_calls)::BIGINT AS tool_calls,
    any_value(root_span_id) AS root_span_id, any_value(root_name) AS name,
    any_value(root_kind) AS kind,
    CASE WHEN sum(running) > 0 THEN 'running'
      ELSE coalesce(any_value(root_status), CASE WHEN sum(errors) > 0 THEN 'error' END, 'success')
      END AS status,
    arg_min(service, start_ns) AS service, any_value(session_id) AS session_id,
    any_value(user_id) AS user_id, arg_min(agent, start_ns) AS agent,
    arg_min(model, start_ns) AS model,
    sum(input_tokens)::BIGINT AS input_tokens, sum(output_tokens)::BIGINT AS output_tokens,
    sum(cost) AS cost, sum(unpriced)::BIGINT AS unpriced
  FROM chosen GROUP BY trace_hi, trace_lo
), sorted AS (
  SELECT *, -start_ns::DOUBLE AS place
  FROM traces
  WHERE start_ns >= $from_ns AND ($to_ns IS NULL OR start_ns < $to_ns)
    AND ($status IS NULL OR list_contains($status::VARCHAR[], status)
      OR (list_contains($status::VARCHAR[], 'error') AND errors > 0))
    AND ($session IS NULL OR session_id = $session) AND ($user IS NULL OR user_id = $user)
    AND ($min_duration_ns IS NULL OR duration_ns >= $min_duration_ns)
    AND ($min_cost IS NULL OR cost >= $min_cost)
)
SELECT hex16(trace_hi) || hex16(trace_lo) AS trace_id,
  CASE WHEN root_span_id IS NOT NULL THEN hex16(root_span_id) END AS root_span_id,
  * EXCLUDE (trace_hi, trace_lo, root_span_id)
FROM sorted
WHERE $after_place IS NULL OR place > $after_place OR (place = $after_place
  AND (trace_hi > $after_hi::UBIGINT OR (trace_hi = $after_hi::UBIGINT
    AND trace_lo > $after_lo::UBIGINT)))
ORDER BY place, trace_hi, trace_lo LIMIT $limit
