"""The local server: takes OTLP, keeps it in one file, answers questions about it.

::

    OTLP/HTTP 4318 ┐            ┌─ decode + normalise ─┐
    OTLP/gRPC 4317 ┴─ Intake ───┤  (ingest.decode)     ├─► Writer thread ─► commit ─► 200
    page, API 4319 ─► Store.query(…) on a cursor of its own, never blocked by the writer

Modules:
    ``app``       two Starlette applications (OTLP, web) and the process that serves them.
                  ``ROUTE_MODULES`` names the modules whose ``routes(context)`` make up the web
                  application; a `Context` carries the store, the writer's figures and settings.
    ``security``  loopback rule, token, Host and Origin check, headers, the error shape.
    ``ingest``    ``proto`` (OTLP messages without generated code), ``decode`` (request body to
                  checked bytes), ``normalise`` (all dialects to one), ``columns`` (bytes to Arrow),
                  ``writer`` (groups, commits, acknowledges), ``http``, ``grpc``.
    ``scrape``    ``/metrics`` for Prometheus.
    ``store``     the only package that imports duckdb; see `alexobs.server.store`.

The store's interface (`alexobs.server.store.Store`), for everything that reads::

    store.query("trace_spans", trace_id="32 hex digits") -> Result(columns, rows)
    store.arrow("trace_spans", trace_id=...)             -> pyarrow.Table
    store.sql("select …", max_rows=1000, timeout_s=5.0)  -> Result; read-only, no files, no network
    store.messages([hash, …])                            -> {hash: JSON text}
    store.export(folder, "parquet" or "jsonl")           -> rows by view, as of one moment
    store.retention, store.size_bytes()                  -> what is kept, and what it takes
    store.committed                                      -> sequence number of the last commit
    store.wait(after, timeout_s)                         -> the next one, for live views

A named query is a file ``store/queries/<name>.sql`` with parameters as ``$name``; add files there,
each with a golden test. Parameters called ``trace_id`` and ``span_id`` are hexadecimal text and
reach SQL as ``$trace_hi``, ``$trace_lo`` and ``$span_id``. Times are Unix nanoseconds.

Tables (``store/schema.sql``): ``span_rows`` (a view: finished and running spans), ``trace_parts``
(one row per trace and commit: sum them up), ``rollup`` and ``rollup_latency`` (per minute),
``log_rows``, ``point_rows``, ``message_rows``, ``resources``. Every row carries ``seq``, the commit
it came with. Public views: ``spans``, ``logs``, ``metric_points``, ``sessions``, ``messages``.
"""
