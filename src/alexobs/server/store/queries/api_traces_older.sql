-- Traces with a part from $from_ns on that began before it.
WITH starts AS NOT MATERIALIZED (
  SELECT trace_hi, trace_lo, start_ns FROM trace_parts
  UNION ALL SELECT trace_hi, trace_lo, start_ns FROM running_spans
)
SELECT DISTINCT trace_hi, trace_lo FROM starts
SEMI JOIN (SELECT trace_hi, trace_lo FROM starts WHERE start_ns >= $from_ns)
  USING (trace_hi, trace_lo)
WHERE start_ns < $from_ns ORDER BY trace_hi, trace_lo
