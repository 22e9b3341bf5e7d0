-- Spans that start in a window, as the public view has them.
SELECT * FROM spans
WHERE start_time >= make_timestamp_ns($from_ns) AND start_time < make_timestamp_ns($to_ns)
ORDER BY start_time, trace_id, span_id
