-- Version 2 of the data file. What brings an older file to it is in migrations/, applied in order.
-- Statements end with a semicolon at the end of a line.

CREATE TABLE meta (key VARCHAR PRIMARY KEY, value VARCHAR);

-- One row per distinct resource (process); `attributes` is JSON text.
CREATE TABLE resources (
  resource_id UBIGINT PRIMARY KEY, service VARCHAR, instance VARCHAR, attributes VARCHAR,
  first_seen_ns BIGINT
);

-- Finished spans. Ids are numbers, because comparing 8 bytes is several times faster than 16
-- hexadecimal digits; the public views show them as text. parent_id 0: a root.
-- Token buckets are disjoint. Content columns hold the hashes of rows in message_rows, in order.
-- Attributes that have no column of their own: texts in `attributes`, all other values as JSON
-- text in `attributes_json`.
CREATE TABLE finished_spans (
  seq BIGINT, trace_hi UBIGINT, trace_lo UBIGINT, span_id UBIGINT, parent_id UBIGINT,
  start_ns BIGINT, duration_ns BIGINT, name VARCHAR, kind VARCHAR, otel_kind UTINYINT,
  status VARCHAR, status_code UTINYINT, status_message VARCHAR, error_type VARCHAR,
  service VARCHAR, resource_id UBIGINT, scope VARCHAR,
  model VARCHAR, response_model VARCHAR, provider VARCHAR, operation VARCHAR,
  session_id VARCHAR, run_id VARCHAR, parent_run_id VARCHAR, user_id VARCHAR, agent VARCHAR,
  tool_name VARCHAR, tool_call_id VARCHAR, iteration BIGINT, attempts BIGINT,
  uncached_input BIGINT, cache_read BIGINT, cache_write BIGINT, output BIGINT, reasoning BIGINT,
  cost DOUBLE, price_id VARCHAR, price_date VARCHAR, unpriced VARCHAR, ttft_s DOUBLE,
  input_messages UBIGINT[], output_messages UBIGINT[], system_instructions UBIGINT[],
  tool_definitions UBIGINT[], tool_arguments UBIGINT[], tool_result UBIGINT[],
  attributes MAP(VARCHAR, VARCHAR), attributes_json MAP(VARCHAR, VARCHAR),
  events VARCHAR, links VARCHAR, trace_state VARCHAR, flags UINTEGER, dropped UINTEGER
);

-- Spans that have been announced and have not ended; duration_ns is NULL, status 'running'.
CREATE TABLE running_spans AS FROM finished_spans LIMIT 0;

CREATE VIEW span_rows AS
  SELECT * FROM finished_spans UNION ALL SELECT * FROM running_spans;

-- Contents, once each: `body` is the JSON text of one message, part, definition or value.
CREATE TABLE message_rows (hash UBIGINT, first_seen_ns BIGINT, body VARCHAR USING COMPRESSION zstd);

-- What each commit added to each trace; a trace is the sum of its parts.
CREATE TABLE trace_parts (
  seq BIGINT, trace_hi UBIGINT, trace_lo UBIGINT, start_ns BIGINT, end_ns BIGINT,
  spans BIGINT, errors BIGINT, llm_calls BIGINT, tool_calls BIGINT,
  root_span_id UBIGINT, root_name VARCHAR, root_kind VARCHAR, root_status VARCHAR,
  service VARCHAR, session_id VARCHAR, user_id VARCHAR, agent VARCHAR, model VARCHAR,
  uncached_input BIGINT, cache_read BIGINT, cache_write BIGINT, output BIGINT, reasoning BIGINT,
  cost DOUBLE, unpriced BIGINT
);

-- What each commit added to each minute (Unix time / 60); a minute is the sum of its rows.
CREATE TABLE rollup (
  seq BIGINT, minute BIGINT, service VARCHAR, kind VARCHAR, model VARCHAR, provider VARCHAR,
  agent VARCHAR, tool_name VARCHAR, status VARCHAR,
  spans BIGINT, duration_ns HUGEINT,
  uncached_input BIGINT, cache_read BIGINT, cache_write BIGINT, output BIGINT, reasoning BIGINT,
  cost DOUBLE, unpriced BIGINT
);

-- Durations of LLM calls and tools; bucket b holds durations up to 1.02^b µs, so that a
-- percentile taken from it is within 1 % of the true one.
CREATE TABLE rollup_latency (
  seq BIGINT, minute BIGINT, service VARCHAR, kind VARCHAR, model VARCHAR, tool_name VARCHAR,
  status VARCHAR, bucket SMALLINT, spans BIGINT
);

-- The same by hour (Unix time / 3600), one row each, of the commits up to the one that `meta`
-- names; made when the minutes are summed up.
CREATE TABLE rollup_latency_hours (
  hour BIGINT, service VARCHAR, kind VARCHAR, model VARCHAR, tool_name VARCHAR, status VARCHAR,
  bucket SMALLINT, spans BIGINT
);

CREATE TABLE log_rows (
  seq BIGINT, time_ns BIGINT, severity UTINYINT, severity_text VARCHAR, body VARCHAR,
  event_name VARCHAR, service VARCHAR, resource_id UBIGINT, scope VARCHAR,
  trace_hi UBIGINT, trace_lo UBIGINT, span_id UBIGINT, session_id VARCHAR,
  attributes MAP(VARCHAR, VARCHAR), attributes_json MAP(VARCHAR, VARCHAR)
);

-- `attributes` is JSON text with sorted keys, so that it names a series.
CREATE TABLE point_rows (
  seq BIGINT, time_ns BIGINT, start_ns BIGINT, metric VARCHAR, type VARCHAR, unit VARCHAR,
  description VARCHAR, monotonic BOOLEAN, temporality VARCHAR, service VARCHAR,
  resource_id UBIGINT, scope VARCHAR, attributes VARCHAR,
  value DOUBLE, count UBIGINT, sum DOUBLE, min DOUBLE, max DOUBLE,
  bounds DOUBLE[], buckets UBIGINT[]
);

CREATE MACRO hex16(id) AS lower(lpad(hex(id), 16, '0'));

-- The public views. Their columns are documented and stay.
CREATE VIEW spans AS SELECT
  hex16(trace_hi) || hex16(trace_lo) AS trace_id, hex16(span_id) AS span_id,
  CASE WHEN parent_id <> 0 THEN hex16(parent_id) END AS parent_span_id,
  make_timestamp_ns(start_ns) AS start_time, make_timestamp_ns(start_ns + duration_ns) AS end_time,
  duration_ns / 1e9 AS duration_s, name, kind, status, status_message, error_type, service,
  model, response_model, provider, operation, session_id, run_id, parent_run_id, user_id, agent,
  tool_name, iteration, attempts,
  uncached_input + cache_read + cache_write AS input_tokens, output + reasoning AS output_tokens,
  uncached_input AS uncached_input_tokens, cache_read AS cache_read_tokens,
  cache_write AS cache_write_tokens, reasoning AS reasoning_tokens,
  cost AS cost_usd, price_id, price_date, unpriced, ttft_s,
  input_messages, output_messages, system_instructions, tool_definitions, tool_arguments,
  tool_result, map_concat(attributes, attributes_json) AS attributes, events, links
FROM span_rows;

CREATE VIEW logs AS SELECT
  make_timestamp_ns(time_ns) AS time, severity, severity_text AS level, body, event_name, service,
  scope, CASE WHEN trace_hi <> 0 OR trace_lo <> 0
    THEN hex16(trace_hi) || hex16(trace_lo) END AS trace_id,
  CASE WHEN span_id <> 0 THEN hex16(span_id) END AS span_id, session_id,
  map_concat(attributes, attributes_json) AS attributes
FROM log_rows;

CREATE VIEW metric_points AS SELECT
  make_timestamp_ns(time_ns) AS time, make_timestamp_ns(start_ns) AS start_time, metric, type,
  unit, service, scope, attributes, value, count, sum, min, max, bounds, buckets, temporality,
  monotonic
FROM point_rows;

CREATE VIEW sessions AS SELECT
  session_id, make_timestamp_ns(min(start_ns)) AS start_time,
  make_timestamp_ns(max(end_ns)) AS end_time, any_value(service) AS service,
  any_value(user_id) AS user_id, any_value(agent) AS agent,
  count(DISTINCT (trace_hi, trace_lo)) AS traces, sum(spans) AS spans, sum(errors) AS errors,
  sum(llm_calls) AS llm_calls, sum(tool_calls) AS tool_calls,
  sum(uncached_input + cache_read + cache_write) AS input_tokens,
  sum(output + reasoning) AS output_tokens, sum(cost) AS cost_usd, sum(unpriced) AS unpriced_calls
FROM trace_parts WHERE session_id IS NOT NULL GROUP BY session_id;

CREATE VIEW messages AS SELECT hash, any_value(body) AS body FROM message_rows GROUP BY hash;
