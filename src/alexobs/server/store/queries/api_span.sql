-- One span with everything; the finished one when it was announced as running as well.
SELECT span_rows.*, hex16(span_rows.parent_id) AS parent_hex, resources.attributes AS resource
FROM span_rows LEFT JOIN resources USING (resource_id)
WHERE trace_lo = $trace_lo AND trace_hi = $trace_hi AND span_id = $span_id
ORDER BY duration_ns NULLS LAST LIMIT 1
