-- How much there is, and from when to when.
SELECT (SELECT count(*) FROM finished_spans) AS spans,
  (SELECT count(*) FROM running_spans) AS running_spans,
  (SELECT count(*) FROM log_rows) AS logs, (SELECT count(*) FROM point_rows) AS metric_points,
  (SELECT count(*) FROM message_rows) AS messages,
  (SELECT min(minute) * 60000000000 FROM rollup) AS oldest_ns,
  (SELECT max(start_ns) FROM finished_spans) AS newest_ns
