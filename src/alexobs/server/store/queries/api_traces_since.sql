-- The start of the $parts-th newest part of a trace before $to_ns; no row when there are fewer.
SELECT min(start_ns) AS since_ns, count(*) AS parts FROM (
  SELECT start_ns FROM trace_parts WHERE $to_ns IS NULL OR start_ns < $to_ns
  ORDER BY start_ns DESC LIMIT $parts
)
