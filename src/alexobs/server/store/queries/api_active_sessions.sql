-- Sessions in which something ran at $to_ns.
SELECT count(DISTINCT session_id) AS sessions FROM (
  SELECT session_id FROM running_spans
  WHERE start_ns < $to_ns AND ($service IS NULL OR list_contains($service::VARCHAR[], service))
  UNION ALL
  SELECT session_id FROM trace_parts
  WHERE start_ns < $to_ns AND end_ns > $to_ns
    AND ($service IS NULL OR list_contains($service::VARCHAR[], service))
)
