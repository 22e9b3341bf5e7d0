-- Series of one metric: the last point of each step, $limit series of the most points at most.
WITH steps AS (
  SELECT resource_id, service, attributes, time_ns // $step_ns * $step_ns AS tick,
    arg_max(value, time_ns) AS value, arg_max(count, time_ns) AS count,
    arg_max(sum, time_ns) AS sum
  FROM point_rows
  WHERE metric = $name AND time_ns >= $from_ns AND time_ns < $to_ns
    AND ($service IS NULL OR list_contains($service::VARCHAR[], service))
  GROUP BY ALL
)
SELECT service, any_value(resources.instance) AS instance, steps.attributes,
  list(tick ORDER BY tick) AS times, list(value ORDER BY tick) AS values,
  list(count ORDER BY tick) AS counts, list(sum ORDER BY tick) AS sums
FROM steps LEFT JOIN (SELECT resource_id, instance FROM resources) AS resources USING (resource_id)
GROUP BY resource_id, service, steps.attributes
ORDER BY len(times) DESC, service, steps.attributes LIMIT $limit
