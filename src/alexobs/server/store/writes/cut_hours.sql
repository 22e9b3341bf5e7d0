-- The hours after minutes before $since have been deleted: the one of $since holds what is left.
DELETE FROM rollup_latency_hours WHERE hour <= $since // 60;

INSERT INTO rollup_latency_hours BY NAME SELECT
  minute // 60 AS hour, service, kind, model, tool_name, status, bucket, sum(spans)::BIGINT AS spans
FROM rollup_latency
WHERE minute >= $since AND minute < $since // 60 * 60 + 60
  AND seq <= (SELECT value::BIGINT FROM meta WHERE key = 'rollup_latency_hours')
GROUP BY ALL;
