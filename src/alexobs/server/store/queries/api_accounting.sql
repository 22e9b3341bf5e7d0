-- What each process last said of what became of its records.
SELECT resource_id, any_value(resources.service) AS service,
  any_value(resources.instance) AS instance, any_value(resources.attributes) AS resource,
  metric, point_rows.attributes AS labels, arg_max(value, time_ns)::BIGINT AS value,
  max(time_ns) AS last_ns
FROM point_rows LEFT JOIN resources USING (resource_id)
WHERE list_contains($metrics::VARCHAR[], metric)
  AND ($from_ns IS NULL OR time_ns >= $from_ns) AND ($to_ns IS NULL OR time_ns < $to_ns)
GROUP BY resource_id, metric, labels ORDER BY resource_id, metric, labels
