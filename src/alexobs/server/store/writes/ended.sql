-- Spans that have ended run no longer. `batch` holds the ended ones.
DELETE FROM running_spans USING batch
WHERE running_spans.span_id = batch.span_id AND running_spans.trace_lo = batch.trace_lo
  AND running_spans.trace_hi = batch.trace_hi;
