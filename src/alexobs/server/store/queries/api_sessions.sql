-- Sessions with activity in a window that match all filters, $limit after a place in the order.
-- $places: only ids and places. $sessions: only these.
-- $lately_ns: ten seconds ago. When something has come since that no root has ended for, it runs.
WITH parts AS NOT MATERIALIZED (
  SELECT trace_hi, trace_lo, start_ns, end_ns, spans, errors, llm_calls, tool_calls, root_status,
    root_span_id, service, session_id, user_id, agent, model,
    uncached_input + cache_read + cache_write AS input_tokens, output + reasoning AS output_tokens,
    cost, unpriced, 0 AS running
  FROM trace_parts WHERE session_id IS NOT NULL
  UNION ALL
  SELECT trace_hi, trace_lo, start_ns, start_ns, 1, 0, (kind IN ('llm', 'embedding'))::BIGINT,
    (kind = 'tool')::BIGINT, NULL, NULL, service, session_id, user_id, agent, model, 0, 0, 0, 0, 1
  FROM running_spans WHERE session_id IS NOT NULL
),
-- if q
tasks AS (
  SELECT session_id, arg_min(attributes['alex.task'], start_ns) AS task
  FROM span_rows WHERE kind = 'session' GROUP BY session_id
),
-- end
chosen AS (
  SELECT session_id, min(start_ns) AS start_ns, max(end_ns) AS end_ns,
    max(end_ns) - min(start_ns) AS duration_ns,
    CASE WHEN sum(running) > 0 OR max(end_ns) FILTER (root_span_id IS NULL)
          > coalesce(max(end_ns) FILTER (root_span_id IS NOT NULL), 0)
        AND max(end_ns) BETWEEN $lately_ns AND $lately_ns + 20000000000 THEN 'running'
      ELSE coalesce(arg_max(root_status, start_ns), CASE WHEN sum(errors) > 0 THEN 'error' END,
        'success') END AS status,
    arg_min(service, start_ns) AS service, any_value(user_id) AS user_id,
    arg_min(agent, start_ns) AS agent, arg_min(model, start_ns) AS model,
    -- if not places
    count(DISTINCT (trace_hi, trace_lo)) AS traces,
    -- end
    sum(spans)::BIGINT AS spans, sum(errors)::BIGINT AS errors,
    sum(llm_calls)::BIGINT AS llm_calls, sum(tool_calls)::BIGINT AS tool_calls,
    sum(input_tokens)::BIGINT AS input_tokens, sum(output_tokens)::BIGINT AS output_tokens,
    sum(cost) AS cost, sum(unpriced)::BIGINT AS unpriced,
    bool_or(list_contains($service::VARCHAR[], service)) AS service_matches,
    bool_or(list_contains($agent::VARCHAR[], agent)) AS agent_matches,
    bool_or(($from_ns IS NULL OR end_ns >= $from_ns) AND ($to_ns IS NULL OR start_ns < $to_ns))
      AS is_active
  FROM parts
    -- if sessions
    SEMI JOIN (SELECT unnest($sessions::VARCHAR[]) AS session_id) USING (session_id)
    -- end
  GROUP BY session_id
), sorted AS (
  SELECT * EXCLUDE (service_matches, agent_matches, is_active), $sign * CASE $sort
      WHEN 'duration' THEN duration_ns::DOUBLE
      WHEN 'cost' THEN cost
      WHEN 'tokens' THEN (input_tokens + output_tokens)::DOUBLE
      WHEN 'spans' THEN spans::DOUBLE
      WHEN 'errors' THEN errors::DOUBLE
      ELSE start_ns::DOUBLE END AS place
  FROM chosen
    -- if q
    LEFT JOIN tasks USING (session_id)
    -- end
  WHERE is_active
    -- if service
    AND service_matches
    -- end
    -- if agent
    AND agent_matches
    -- end
    -- if user
    AND user_id = $user
    -- end
    -- if status
    AND (list_contains($status::VARCHAR[], status)
      OR (list_contains($status::VARCHAR[], 'error') AND errors > 0))
    -- end
    -- if q
    AND (contains(lower(session_id), lower($q)) OR contains(lower(user_id), lower($q))
      OR contains(lower(agent), lower($q)) OR contains(lower(task), lower($q))
      OR contains(lower(model), lower($q)))
    -- end
)
-- if places
SELECT session_id, place
-- end
-- if not places
SELECT *
-- end
FROM sorted
-- if after_place
WHERE place > $after_place OR (place = $after_place AND session_id > $after_session::VARCHAR)
-- end
ORDER BY place, session_id LIMIT $limit
