-- Log lines that match all filters, $limit of them after a place in the order.
SELECT time_ns, rowid AS row_number, severity, severity_text, body, event_name, service, scope,
  CASE WHEN trace_hi <> 0 OR trace_lo <> 0 THEN hex16(trace_hi) || hex16(trace_lo) END AS trace_id,
  CASE WHEN span_id <> 0 THEN hex16(span_id) END AS span_id, session_id, attributes,
  attributes_json
FROM log_rows
WHERE ($from_ns IS NULL OR time_ns >= $from_ns) AND ($to_ns IS NULL OR time_ns < $to_ns)
  AND ($severity IS NULL OR severity >= $severity)
  AND ($service IS NULL OR list_contains($service::VARCHAR[], service))
  AND ($session IS NULL OR session_id = $session)
  AND ($trace_hi IS NULL OR (trace_hi = $trace_hi AND trace_lo = $trace_lo))
  AND ($span_id IS NULL OR log_rows.span_id = $span_id)
  AND ($after_seq IS NULL OR seq > $after_seq)
  AND ($until_seq IS NULL OR seq <= $until_seq)
  AND ($q IS NULL OR contains(lower(body), lower($q)) OR contains(lower(event_name), lower($q))
    OR contains(lower(array_to_string(map_values(attributes), ' ')), lower($q))
    OR contains(lower(array_to_string(map_values(attributes_json), ' ')), lower($q)))
  AND ($after_ns IS NULL OR $sign * time_ns > $sign * $after_ns::BIGINT
    OR (time_ns = $after_ns AND $sign * rowid > $sign * $after_row::BIGINT))
ORDER BY $sign * time_ns, $sign * rowid LIMIT $limit
