-- One row per trace again, of what began from $since (ns) on.
CREATE TEMP TABLE compacted AS SELECT
  max(seq) AS seq, trace_hi, trace_lo, min(start_ns) AS start_ns, max(end_ns) AS end_ns,
  sum(spans)::BIGINT AS spans, sum(errors)::BIGINT AS errors, sum(llm_calls)::BIGINT AS llm_calls,
  sum(tool_calls)::BIGINT AS tool_calls, any_value(root_span_id) AS root_span_id,
  any_value(root_name) AS root_name, any_value(root_kind) AS root_kind,
  any_value(root_status) AS root_status, any_value(service) AS service,
  any_value(session_id) AS session_id, any_value(user_id) AS user_id, any_value(agent) AS agent,
  any_value(model) AS model, sum(uncached_input)::BIGINT AS uncached_input,
  sum(cache_read)::BIGINT AS cache_read, sum(cache_write)::BIGINT AS cache_write,
  sum(output)::BIGINT AS output, sum(reasoning)::BIGINT AS reasoning, sum(cost) AS cost,
  sum(unpriced)::BIGINT AS unpriced
FROM trace_parts WHERE start_ns >= $since
GROUP BY trace_hi, trace_lo ORDER BY min(start_ns);

DELETE FROM trace_parts WHERE start_ns >= $since;

INSERT INTO trace_parts BY NAME FROM compacted;

DROP TABLE compacted;
