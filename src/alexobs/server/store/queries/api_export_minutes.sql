-- Minutes (Unix time / 60) of one signal with their number of rows.
WITH times AS (
  SELECT start_ns AS time_ns FROM span_rows WHERE $signal = 'spans'
  UNION ALL SELECT time_ns FROM log_rows WHERE $signal = 'logs'
  UNION ALL SELECT time_ns FROM point_rows WHERE $signal = 'metric_points'
  UNION ALL SELECT first_seen_ns FROM message_rows WHERE $signal = 'messages'
)
SELECT time_ns // 60000000000 AS minute, count(*) AS rows FROM times
WHERE ($from_ns IS NULL OR time_ns >= $from_ns) AND ($to_ns IS NULL OR time_ns < $to_ns)
GROUP BY minute ORDER BY minute
