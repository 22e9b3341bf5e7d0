-- Metric points of a window, as the public view has them.
SELECT * FROM metric_points
WHERE time >= make_timestamp_ns($from_ns) AND time < make_timestamp_ns($to_ns)
ORDER BY time, metric, attributes
