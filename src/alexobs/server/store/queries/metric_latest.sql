-- The newest point of each series of metrics whose name begins with $prefix, since $since_ns.
SELECT p.metric, p.type, p.unit, p.description, p.monotonic, p.service, r.instance, p.attributes,
  p.value, p.count, p.sum, p.bounds, p.buckets, p.time_ns
FROM point_rows p LEFT JOIN resources r USING (resource_id)
WHERE p.time_ns >= $since_ns AND starts_with(p.metric, $prefix) AND p.temporality IS DISTINCT FROM 'delta'
QUALIFY row_number() OVER (
  PARTITION BY p.metric, p.resource_id, p.scope, p.attributes ORDER BY p.time_ns DESC
) = 1
ORDER BY p.metric, p.service, r.instance, p.attributes
