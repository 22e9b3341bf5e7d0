-- LLM and tool calls of one session by start, $limit of them after a place.
-- A span without a session of its own belongs to its trace's.
WITH own AS (
  SELECT DISTINCT trace_hi, trace_lo FROM (
    SELECT trace_hi, trace_lo FROM trace_parts WHERE session_id = $session
    UNION ALL SELECT trace_hi, trace_lo FROM running_spans WHERE session_id = $session)
), calls AS (
  SELECT trace_hi, trace_lo, span_id, parent_id, start_ns, duration_ns, name, kind, status,
    coalesce(nullif(concat_ws(': ', error_type, nullif(status_message, '')), ''),
      CASE WHEN status = 'error' THEN 'error' END) AS error,
    service, model, provider, tool_name AS tool, agent, iteration, ttft_s * 1000 AS ttft_ms,
    uncached_input, cache_read, cache_write, output, reasoning, cost, unpriced,
    input_messages, output_messages, tool_arguments, tool_result,
    start_ns - max(start_ns + coalesce(duration_ns, 0)) OVER (
      ORDER BY start_ns, span_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS idle_ns
  FROM span_rows SEMI JOIN own USING (trace_hi, trace_lo)
  WHERE start_ns >= $from_ns AND (session_id = $session OR session_id IS NULL)
    AND kind IN ('llm', 'embedding', 'tool')
)
SELECT hex16(trace_hi) || hex16(trace_lo) AS trace_id, hex16(span_id) AS span_hex,
  CASE WHEN parent_id <> 0 THEN hex16(parent_id) END AS parent_span_id,
  greatest(coalesce(idle_ns, 0), 0) AS idle_ns, * EXCLUDE (trace_hi, trace_lo, parent_id, idle_ns)
FROM calls
WHERE $after_ns IS NULL OR start_ns > $after_ns
  OR (start_ns = $after_ns AND span_id > $after_id::UBIGINT)
ORDER BY start_ns, span_id LIMIT $limit
