-- What a commit does with new finished spans. `batch` holds them; $seq numbers the commit.

INSERT INTO finished_spans BY NAME SELECT $seq AS seq, * FROM batch;

INSERT INTO trace_parts BY NAME SELECT
  $seq AS seq, trace_hi, trace_lo, min(start_ns) AS start_ns, max(start_ns + duration_ns) AS end_ns,
  count(*) AS spans, count(*) FILTER (status = 'error') AS errors,
  count(*) FILTER (kind IN ('llm', 'embedding')) AS llm_calls,
  count(*) FILTER (kind = 'tool') AS tool_calls,
  any_value(span_id) FILTER (parent_id = 0) AS root_span_id,
  any_value(name) FILTER (parent_id = 0) AS root_name,
  any_value(kind) FILTER (parent_id = 0) AS root_kind,
  any_value(status) FILTER (parent_id = 0) AS root_status,
  any_value(service) AS service, any_value(session_id) AS session_id,
  any_value(user_id) AS user_id, any_value(agent) AS agent, any_value(model) AS model,
  coalesce(sum(uncached_input), 0) AS uncached_input, coalesce(sum(cache_read), 0) AS cache_read,
  coalesce(sum(cache_write), 0) AS cache_write, coalesce(sum(output), 0) AS output,
  coalesce(sum(reasoning), 0) AS reasoning, coalesce(sum(cost), 0) AS cost,
  count(unpriced) AS unpriced
FROM batch GROUP BY trace_hi, trace_lo;

INSERT INTO rollup BY NAME SELECT
  $seq AS seq, start_ns // 60000000000 AS minute, service, kind, model, provider, agent, tool_name,
  status, count(*) AS spans, sum(duration_ns) AS duration_ns,
  coalesce(sum(uncached_input), 0) AS uncached_input, coalesce(sum(cache_read), 0) AS cache_read,
  coalesce(sum(cache_write), 0) AS cache_write, coalesce(sum(output), 0) AS output,
  coalesce(sum(reasoning), 0) AS reasoning, coalesce(sum(cost), 0) AS cost,
  count(unpriced) AS unpriced
FROM batch GROUP BY ALL;

INSERT INTO rollup_latency BY NAME SELECT
  $seq AS seq, start_ns // 60000000000 AS minute, service, kind, model, tool_name, status,
  ceil(ln(greatest(duration_ns, 1000) / 1000) / ln(1.02))::SMALLINT AS bucket, count(*) AS spans
FROM batch WHERE kind IN ('llm', 'embedding', 'tool') GROUP BY ALL;
