-- Spans that were announced: what was known of them before is replaced. `batch` holds them.
DELETE FROM running_spans USING batch
WHERE running_spans.span_id = batch.span_id AND running_spans.trace_lo = batch.trace_lo
  AND running_spans.trace_hi = batch.trace_hi;

INSERT INTO running_spans BY NAME SELECT $seq AS seq, * FROM batch;
