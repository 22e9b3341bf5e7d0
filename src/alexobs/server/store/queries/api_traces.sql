-- Traces that start in a window and match all filters, $limit of them after a place in the order.
-- $q_json, $q_ascii: $q as it stands within JSON text, which may escape what is not ASCII.
-- $filtered: whether any of the filters on spans is given.
-- $places: only ids and places. $his, $los: only these traces. $older_his, $older_los: those that
-- begin before $from_ns (see api_traces_older); all others have no part before it.
-- $lately_ns: ten seconds ago. A trace of which something has come since, but not its root, runs.
WITH parts AS NOT MATERIALIZED (
  SELECT trace_hi, trace_lo, start_ns, end_ns, spans, errors, llm_calls, tool_calls, root_span_id,
    root_name, root_kind, root_status, service, session_id, user_id, agent, model,
    uncached_input + cache_read + cache_write AS input_tokens, output + reasoning AS output_tokens,
    cost, unpriced, 0 AS running
  FROM trace_parts
  -- if from_ns
  WHERE start_ns >= $from_ns
  -- end
  UNION ALL
  SELECT trace_hi, trace_lo, start_ns, NULL, 1, 0, (kind IN ('llm', 'embedding'))::BIGINT,
    (kind = 'tool')::BIGINT, CASE WHEN parent_id = 0 THEN span_id END,
    CASE WHEN parent_id = 0 THEN name END, CASE WHEN parent_id = 0 THEN kind END, NULL,
    service, session_id, user_id, agent, model, 0, 0, 0, 0, 1
  FROM running_spans
  -- if from_ns
  WHERE start_ns >= $from_ns
  -- end
),
-- if filtered
matching AS (
  SELECT trace_hi, trace_lo FROM span_rows
  WHERE ($from_ns IS NULL OR start_ns >= $from_ns) AND (
    list_contains($model::VARCHAR[], model) OR list_contains($tool::VARCHAR[], tool_name)
    OR list_contains($service::VARCHAR[], service) OR list_contains($agent::VARCHAR[], agent))
  GROUP BY trace_hi, trace_lo
  HAVING ($model IS NULL OR bool_or(list_contains($model::VARCHAR[], model)))
    AND ($tool IS NULL OR bool_or(list_contains($tool::VARCHAR[], tool_name)))
    AND ($service IS NULL OR bool_or(list_contains($service::VARCHAR[], service)))
    AND ($agent IS NULL OR bool_or(list_contains($agent::VARCHAR[], agent)))
),
-- end
-- if q
hits AS (
  SELECT DISTINCT hash FROM message_rows
  WHERE contains(lower(body), $q_json) OR contains(lower(body), $q_ascii)
), found AS (
  SELECT trace_hi, trace_lo FROM span_rows
  WHERE ($from_ns IS NULL OR start_ns >= $from_ns) AND (
    contains(lower(name), lower($q)) OR contains(lower(status_message), lower($q))
    OR contains(lower(error_type), lower($q)) OR contains(lower(model), lower($q))
    OR contains(lower(tool_name), lower($q)) OR contains(lower(agent), lower($q))
    OR contains(lower(session_id), lower($q)) OR contains(lower(user_id), lower($q))
    OR contains(lower(array_to_string(map_values(attributes), ' ')), lower($q))
    OR starts_with(hex16(trace_hi) || hex16(trace_lo), lower($q)))
  UNION
  SELECT trace_hi, trace_lo FROM (
    SELECT trace_hi, trace_lo, unnest(list_concat(input_messages, output_messages,
      system_instructions, tool_arguments, tool_result)) AS hash
    FROM span_rows WHERE $from_ns IS NULL OR start_ns >= $from_ns)
  SEMI JOIN hits USING (hash)
),
-- end
-- if to_ns and not his
recent AS (SELECT trace_hi, trace_lo FROM parts WHERE start_ns < $to_ns),
-- end
traces AS (
  SELECT trace_hi, trace_lo, min(start_ns) AS start_ns,
    CASE WHEN sum(running) = 0 THEN max(end_ns) - min(start_ns) END AS duration_ns,
    sum(spans)::BIGINT AS spans, sum(errors)::BIGINT AS errors,
    sum(llm_calls)::BIGINT AS llm_calls, sum(tool_calls)::BIGINT AS tool_calls,
    any_value(root_span_id) AS root_span_id, any_value(root_name) AS name,
    any_value(root_kind) AS kind,
    CASE WHEN sum(running) > 0 OR any_value(root_span_id) IS NULL
        AND max(end_ns) BETWEEN $lately_ns AND $lately_ns + 20000000000 THEN 'running'
      ELSE coalesce(any_value(root_status), CASE WHEN sum(errors) > 0 THEN 'error' END, 'success')
      END AS status,
    arg_min(service, start_ns) AS service, any_value(session_id) AS session_id,
    any_value(user_id) AS user_id, arg_min(agent, start_ns) AS agent,
    arg_min(model, start_ns) AS model,
    sum(input_tokens)::BIGINT AS input_tokens, sum(output_tokens)::BIGINT AS output_tokens,
    sum(cost) AS cost, sum(unpriced)::BIGINT AS unpriced
  FROM parts
    -- if filtered
    SEMI JOIN matching USING (trace_hi, trace_lo)
    -- end
    -- if q
    SEMI JOIN found USING (trace_hi, trace_lo)
    -- end
    -- if to_ns and not his
    SEMI JOIN recent USING (trace_hi, trace_lo)
    -- end
    -- if older_his
    ANTI JOIN (
      SELECT unnest($older_his::UBIGINT[]) AS trace_hi, unnest($older_los::UBIGINT[]) AS trace_lo
    ) USING (trace_hi, trace_lo)
    -- end
    -- if his
    SEMI JOIN (SELECT unnest($his::UBIGINT[]) AS trace_hi, unnest($los::UBIGINT[]) AS trace_lo)
      USING (trace_hi, trace_lo)
    -- end
  GROUP BY trace_hi, trace_lo
), sorted AS (
  SELECT *, $sign * CASE $sort
      WHEN 'duration' THEN coalesce(duration_ns, epoch_ns(now()) - start_ns)::DOUBLE
      WHEN 'cost' THEN cost
      WHEN 'tokens' THEN (input_tokens + output_tokens)::DOUBLE
      WHEN 'spans' THEN spans::DOUBLE
      WHEN 'errors' THEN errors::DOUBLE
      ELSE start_ns::DOUBLE END AS place
  FROM traces
  WHERE true
    -- if to_ns and not his
    AND start_ns < $to_ns
    -- end
    -- if status
    AND (list_contains($status::VARCHAR[], status)
      OR (list_contains($status::VARCHAR[], 'error') AND errors > 0))
    -- end
    -- if session
    AND session_id = $session
    -- end
    -- if user
    AND user_id = $user
    -- end
    -- if min_duration_ns
    AND duration_ns >= $min_duration_ns
    -- end
    -- if min_cost
    AND cost >= $min_cost
    -- end
)
-- if places
SELECT trace_hi, trace_lo, start_ns, place
-- end
-- if not places
SELECT hex16(trace_hi) || hex16(trace_lo) AS trace_id,
  CASE WHEN root_span_id IS NOT NULL THEN hex16(root_span_id) END AS root_span_id,
  * EXCLUDE (trace_hi, trace_lo, root_span_id)
-- end
FROM sorted
-- if after_place
WHERE place > $after_place OR (place = $after_place
  AND (trace_hi > $after_hi::UBIGINT OR (trace_hi = $after_hi::UBIGINT
    AND trace_lo > $after_lo::UBIGINT)))
-- end
ORDER BY place, trace_hi, trace_lo LIMIT $limit
