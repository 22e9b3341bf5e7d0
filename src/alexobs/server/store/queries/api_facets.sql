-- Values that filters can take, with the number of spans (users: traces) that have them.
WITH minutes AS (
  SELECT * FROM rollup
  WHERE ($from_minute IS NULL OR minute >= $from_minute)
    AND ($to_minute IS NULL OR minute < $to_minute)
), counted AS (
  SELECT 'model' AS facet, model AS value, sum(spans) AS spans FROM minutes GROUP BY ALL
  UNION ALL SELECT 'tool', tool_name, sum(spans) FROM minutes GROUP BY ALL
  UNION ALL SELECT 'service', service, sum(spans) FROM minutes GROUP BY ALL
  UNION ALL SELECT 'agent', agent, sum(spans) FROM minutes GROUP BY ALL
  UNION ALL SELECT 'status', status, sum(spans) FROM minutes GROUP BY ALL
  UNION ALL SELECT 'user', user_id, count(DISTINCT (trace_hi, trace_lo)) FROM trace_parts
    WHERE user_id IS NOT NULL AND ($from_minute IS NULL OR start_ns >= $from_minute * 60000000000)
      AND ($to_minute IS NULL OR start_ns < $to_minute * 60000000000)
    GROUP BY ALL
)
SELECT facet, value, spans::BIGINT AS count FROM counted WHERE value IS NOT NULL AND value <> ''
QUALIFY row_number() OVER (PARTITION BY facet ORDER BY spans DESC, value) <= 200
ORDER BY facet, spans DESC, value
