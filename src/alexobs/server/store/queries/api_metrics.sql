-- The metrics that there are.
SELECT metric AS name, any_value(type) AS type, any_value(unit) AS unit,
  any_value(description) AS description, any_value(temporality) AS temporality,
  any_value(monotonic) AS monotonic, list_sort(list(DISTINCT service)) AS services,
  count(DISTINCT (resource_id, attributes)) AS series, count(*) AS points,
  max(time_ns) AS last_ns
FROM point_rows
WHERE ($q IS NULL OR contains(lower(metric), lower($q)) OR contains(lower(description), lower($q)))
  AND ($service IS NULL OR list_contains($service::VARCHAR[], service))
GROUP BY metric ORDER BY metric LIMIT 5000
