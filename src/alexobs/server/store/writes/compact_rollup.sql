-- One row per minute and combination again, of the minutes from $since on.
CREATE TEMP TABLE compacted AS SELECT
  max(seq) AS seq, minute, service, kind, model, provider, agent, tool_name, status,
  sum(spans)::BIGINT AS spans, sum(duration_ns)::HUGEINT AS duration_ns,
  sum(uncached_input)::BIGINT AS uncached_input, sum(cache_read)::BIGINT AS cache_read,
  sum(cache_write)::BIGINT AS cache_write, sum(output)::BIGINT AS output,
  sum(reasoning)::BIGINT AS reasoning, sum(cost) AS cost, sum(unpriced)::BIGINT AS unpriced
FROM rollup WHERE minute >= $since
GROUP BY minute, service, kind, model, provider, agent, tool_name, status
ORDER BY minute;

DELETE FROM rollup WHERE minute >= $since;

INSERT INTO rollup BY NAME FROM compacted;

DROP TABLE compacted;
