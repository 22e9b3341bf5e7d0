-- The first task of each of $sessions, whose spans start from $from_ns on.
SELECT session_id, arg_min(attributes['alex.task'], start_ns) AS task
FROM span_rows
WHERE start_ns >= $from_ns AND kind = 'session' AND list_contains($sessions::VARCHAR[], session_id)
GROUP BY session_id
