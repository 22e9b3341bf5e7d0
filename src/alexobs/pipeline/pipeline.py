"""The threads behind the signals: one works on records, one delivers batches.

The worker prices, meters, redacts, encodes and spools; the sender talks to the back end. They are
two, because a back end that hangs must not keep records from being metered and from reaching
the disk (decision record 0002).
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from alexobs.pipeline.accounting import SIGNALS, Accounting, SignalAccount
from alexobs.pipeline.assemble import cut_long_texts
from alexobs.pipeline.queue import GATHER, RecordQueue
from alexobs.records import Batch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from alexobs.config.model import PipelineConfig
    from alexobs.exporters.base import Exporter
    from alexobs.logs.sink import LogSink
    from alexobs.pipeline.assemble import BatchRedactor
    from alexobs.pipeline.delivery import Delivery
    from alexobs.pipeline.stages import Stages
    from alexobs.records import LogRecord, MetricData, Resource, Signal, SpanData

LOOK_S = 0.025  # after being woken: what comes first is seldom alone
TICK_S = 1.0  # between two rounds of periodic tasks
SLICE_GOAL_S = 0.002  # of work before other threads get the interpreter
MAX_SLICE = 256  # records
PAUSE_S = 0.00005  # long enough for a waiting thread to take the interpreter
ENCODE_CHUNK = 128  # records encoded in one go
LOG_SLICE = 256  # lines written in one go, 0.5 ms
LOG_FLUSH_S = 1.0  # that a slow reader of the log stream may hold up a flush

# A slice is measured by the worker's own CPU: on a busy machine it also waits for its turn, and
# slices that shrank for that cost three times as much a record. Windows counts CPU in 16 ms.
_cpu_s = (
    time.thread_time
    if time.get_clock_info("thread_time").resolution < SLICE_GOAL_S / 10
    else time.perf_counter
)


class _Encoded:
    """Parts of one request, encoded and not yet handed to the delivery."""

    __slots__ = ("_parts", "count", "size_bytes")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.count = 0
        self.size_bytes = 0

    def add(self, count: int, part: bytes) -> None:
        self._parts.append(part)
        self.count += count
        self.size_bytes += len(part)

    def take(self) -> tuple[int, bytes]:
        """Return how many records there are and their request, and start anew."""
        count, body = self.count, b"".join(self._parts)
        self._parts, self.count, self.size_bytes = [], 0, 0
        return count, body


class Pipeline:
    """Takes records from the signals and brings them to the back end.

    Args:
        config: bounds and times.
        resource: the process, for the exporters.
        fault: takes faults of ours.
        tick: periodic tasks (config watching, metric export), called about once a second.
        unsampled: spans that ended unsampled without coming here; see `tracing.Runtime`.

    Attributes:
        sink: writes log lines; the worker drains it.
        lock: guards the books; the delivery shares it, so that the identity always holds.
        put: takes a record from any thread, at once.
    """

    def __init__(
        self,
        config: PipelineConfig,
        *,
        resource: Resource,
        fault: Callable[[str, BaseException], None],
        tick: Callable[[float], None] | None = None,
        unsampled: Callable[[], int] = int,
    ) -> None:
        self._unsampled = unsampled
        self._config = config
        self._resource = resource
        self._fault = fault
        self.sink: LogSink | None = None
        self._tick = tick
        self.accounting = Accounting()
        self.lock = threading.RLock()
        self._wake = threading.Event()
        self._send_wake = threading.Event()
        self.queue = RecordQueue(config.queue_max_records, config.queue_max_bytes, self.wake)
        self.put = self.queue.put
        self._stages: Stages | None = None
        self._exporters: Mapping[Signal, Exporter] = {}
        self._delivery: Delivery | None = None
        self._staged_spans: list[SpanData] = []
        self._staged_logs: list[LogRecord] = []
        self._waiting_since = 0.0  # the oldest record in the queue or staged, as the worker saw it
        self._max_length = 1 << 30
        self._encoded = {"traces": _Encoded(), "logs": _Encoded()}
        self._slice = 64
        self._record_s = SLICE_GOAL_S / self._slice
        self._stopping = False
        self._threads: list[threading.Thread] = []
        self._start_lock = threading.Lock()

    # -- configuration -------------------------------------------------------------------------

    def configure(
        self,
        stages: Stages,
        exporters: Mapping[Signal, Exporter],
        delivery: Delivery | None,
        config: PipelineConfig,
        max_length: int,
    ) -> None:
        """Use these from the next record on; what waits is finished with the old ones first."""
        with self.lock:
            if self._stages is not None:
                self._work_off()
                self._stage(self._stages.flush_tail())
                self.encode_staged(pause=False)
            self._stages = stages
            self._exporters = exporters
            self._delivery = delivery
            self._config = config
            self._max_length = max_length
            self.queue.resize(config.queue_max_records, config.queue_max_bytes)

    # -- threads -------------------------------------------------------------------------------

    def wake(self) -> None:
        """Wake the worker, and start it when it does not run yet."""
        if not self._threads:
            self._start()
        self._wake.set()

    def _start(self) -> None:
        with self._start_lock:
            if self._threads or self._stopping:
                return
            threads = [
                threading.Thread(target=self._run_worker, name="alexobs-worker", daemon=True),
                threading.Thread(target=self._run_sender, name="alexobs-sender", daemon=True),
            ]
            try:
                for thread in threads:
                    thread.start()
            except RuntimeError as fault:  # the interpreter is shutting down
                self._fault("start", fault)
                return
            self._threads = threads

    def _run_worker(self) -> None:
        stages = self._stages
        if stages is not None:
            stages.assembler.warm_up()  # without the lock, which a scrape may wait for
        next_tick = time.monotonic() + TICK_S
        while not self._stopping:
            now = time.monotonic()
            try:
                self._round(now)
                if now >= next_tick:
                    next_tick = now + TICK_S
                    if self._tick is not None:
                        self._tick(now)
            except Exception as fault:
                self._fault("worker", fault)
            if self._wake.wait(self._rest_s(next_tick)) and not self._stopping:
                self._wake.clear()
                time.sleep(LOOK_S)

    def _rest_s(self, next_tick: float) -> float:
        """Return for how long nothing is due, unless more comes in."""
        sink = self.sink
        if sink is not None and sink.blocked:
            return LOOK_S
        now = time.monotonic()
        if not self._waiting_since:
            self.queue.idle = True  # first, so that what is put from now on wakes
            if len(self.queue):
                self._mark_waiting(now)
        until = next_tick
        if self._waiting_since:
            until = min(until, self._waiting_since + self._config.linger_s)
        return max(until - now, PAUSE_S)

    def _round(self, now: float) -> None:
        """Do what is due, in slices.

        Records gather first: one alone, with cold caches, costs three times as much as one of
        many, and sending comes after `linger_s` anyway.
        """
        due = bool(self._waiting_since) and now - self._waiting_since >= self._config.linger_s
        if due or len(self.queue) >= GATHER:
            while self._work_slice():
                time.sleep(PAUSE_S)
                if len(self.queue) < self._slice:
                    break
        self._drain_lines()
        if due:
            self.encode_staged(pause=True)

    def _drain_lines(self) -> None:
        sink = self.sink
        while sink is not None and (sink.waiting or sink.blocked) and sink.drain(LOG_SLICE):
            time.sleep(PAUSE_S)

    def _run_sender(self) -> None:
        while not self._stopping:
            delivery = self._delivery
            wait_s = TICK_S
            if delivery is not None:
                try:
                    wait_s = delivery.step(time.monotonic()) - time.monotonic()
                except Exception as fault:
                    self._fault("sender", fault)
            self._send_wake.wait(min(max(wait_s, 0.0), 60.0) if wait_s > 0 else 0.0)
            self._send_wake.clear()

    # -- work ----------------------------------------------------------------------------------

    def _work_slice(self) -> int:
        with self.lock:
            stages = self._stages
            if stages is None:
                return 0
            started = _cpu_s()
            records = self.queue.take(self._slice)
            if not records:
                return 0
            self._stage(stages.process(records))
            self._measure_slice(_cpu_s() - started, len(records))
            full = len(self._staged_spans) >= self._config.batch_max_records
        if full:
            self.encode_staged(pause=False)
        return len(records)

    def _measure_slice(self, elapsed_s: float, records: int) -> None:
        """Let the next slices be as long as fits the goal, by what a record costs."""
        share = min(1.0, records / self._slice) / 2  # a few records say less than many
        self._record_s += share * (elapsed_s / records - self._record_s)
        self._slice = max(1, min(MAX_SLICE, int(SLICE_GOAL_S / max(self._record_s, 1e-7))))

    def work_off(self) -> None:
        """Work on everything that waits in the queue, in the calling thread.

        A scrape calls this, so that metrics never lag behind what has ended.
        """
        with self.lock:
            self._work_off()

    def _work_off(self) -> None:
        for _ in range(len(self.queue) + 1):
            if not self._work_slice():
                return

    def _stage(self, spans: list[SpanData]) -> None:
        if not spans:
            return
        if "traces" not in self._exporters:
            self.accounting.dropped("traces", "no_exporter", len(spans))
            return
        self._staged_spans += spans
        self._mark_waiting(time.monotonic())

    def stage_logs(self, records: Sequence[LogRecord]) -> None:
        """Take log records, redacted already, for the back end."""
        with self.lock:
            if "logs" not in self._exporters:
                return
            self.accounting.created("logs", len(records))
            self._staged_logs += records
            self._mark_waiting(time.monotonic())

    def send_metrics(self, metrics: Sequence[MetricData]) -> None:
        """Encode and spool the points of `metrics`."""
        count = sum(len(metric.points) for metric in metrics)
        with self.lock:
            exporter = self._exporters.get("metrics")
            if exporter is None or not count:
                return
            self.accounting.created("metrics", count)
            self._submit(
                "metrics", exporter, count, exporter.encode_metrics(metrics, self._resource)
            )

    def announce(self, records: Sequence[LogRecord], redactor: BatchRedactor | None) -> None:
        """Send events about running spans: at once, unspooled, and not part of the accounts."""
        exporter = self._exporters.get("logs")
        delivery = self._delivery
        if exporter is None or delivery is None:
            return
        if redactor is not None:
            clean = redactor.batch([record.attributes for record in records])
            for record, attributes in zip(records, clean, strict=True):
                record.attributes = attributes
        body = exporter.encode_logs(records, self._resource)
        if body is not None:
            delivery.announce(Batch("logs", exporter.encoding, len(records), body))
            self._send_wake.set()

    def _mark_waiting(self, now: float) -> None:
        if not self._waiting_since:
            self._waiting_since = now

    def encode_staged(self, *, pause: bool) -> None:
        """Encode what is staged and hand it to the delivery; `pause` lets other threads in."""
        while self._encode_some():
            if pause:
                time.sleep(PAUSE_S)

    def _encode_some(self) -> bool:
        """Encode a chunk of each signal; tell whether more is staged."""
        with self.lock:
            more = self._encode_chunk("traces", self._staged_spans)
            more = self._encode_chunk("logs", self._staged_logs) or more
            if not more:
                self._waiting_since = 0.0
            return more

    def _encode_chunk(self, signal: Signal, staged: list[Any]) -> bool:
        encoded = self._encoded[signal]
        exporter = self._exporters.get(signal)
        # Parts of an OTLP request make one when they are put end to end, by protobuf's rules;
        # other formats are encoded in one piece.
        joins = exporter is not None and exporter.encoding == "otlp"
        settings = self._config
        if staged:
            size = ENCODE_CHUNK if joins else settings.batch_max_records
            chunk = staged[:size]
            del staged[:size]
            self._encode(signal, chunk, encoded)
        full = (
            encoded.count + ENCODE_CHUNK > settings.batch_max_records
            or encoded.size_bytes > settings.batch_max_bytes
        )
        if encoded.count and (full or not joins or not staged):
            self._submit(signal, exporter, *encoded.take())
        return bool(staged)

    def _encode(self, signal: Signal, records: Sequence[Any], encoded: _Encoded) -> None:
        exporter = self._exporters.get(signal)
        if exporter is None:
            self.accounting.dropped(signal, "no_exporter", len(records))
            return
        encode = exporter.encode_spans if signal == "traces" else exporter.encode_logs
        try:
            body = encode(records, self._resource) or b""
            limit = self._max_length
            # No text in it can be longer than the whole.
            if signal == "traces" and len(body) > limit and cut_long_texts(records, limit):
                body = encode(records, self._resource) or b""
            encoded.add(len(records), body)
        except Exception as fault:
            self._fault("encode", fault)
            if len(records) == 1:
                self.accounting.dropped(signal, "failed", 1)
                return
            middle = len(records) // 2
            self._encode(signal, records[:middle], encoded)
            self._encode(signal, records[middle:], encoded)

    def _submit(
        self, signal: Signal, exporter: Exporter | None, count: int, body: bytes | None
    ) -> None:
        delivery = self._delivery
        if delivery is None or exporter is None or body is None:
            self.accounting.dropped(signal, "no_exporter", count)
            return
        delivery.submit(Batch(signal, exporter.encoding, count, body))
        self._send_wake.set()

    # -- ends ----------------------------------------------------------------------------------

    def flush(self, timeout_s: float) -> bool:
        """Bring everything that has ended to the back end; True when nothing waits any more."""
        deadline = time.monotonic() + timeout_s
        self.spool_all()
        delivery = self._delivery
        if delivery is not None:
            try:
                delivery.drain(deadline)
            except Exception as fault:
                self._fault("drain", fault)
        return not any(account.waiting for account in self.accounts().values())

    def spool_all(self) -> None:
        """Work off, encode and spool everything that has ended, without waiting for delivery."""
        self.work_off()
        if self.sink is not None:  # after the queue: calls that were worked off have log lines
            self.sink.hand_over(LOG_FLUSH_S)
        with self.lock:
            self.encode_staged(pause=False)

    def finish_traces(self) -> None:
        """Decide the traces that wait for their end (tail sampling): the process ends."""
        with self.lock:
            if self._stages is not None:
                self._work_off()
                self._stage(self._stages.flush_tail())

    def shutdown(self, timeout_s: float) -> bool:
        """Flush, stop the threads and release files; True when nothing is left behind."""
        deadline = time.monotonic() + timeout_s
        self.finish_traces()
        delivered = self.flush(max(0.0, deadline - time.monotonic()))
        self._stopping = True
        self._wake.set()
        self._send_wake.set()
        current = threading.current_thread()
        for thread in self._threads:
            if thread is not current:
                thread.join(max(0.0, deadline - time.monotonic()) + 0.05)
        if self._delivery is not None:
            self._delivery.close()
        return delivered

    def after_fork_in_child(self, resource: Resource) -> None:
        """Start clean in a forked child: what the parent has recorded, the parent sends."""
        self._resource = resource
        self.lock = threading.RLock()
        self._start_lock = threading.Lock()
        self._wake = threading.Event()
        self._send_wake = threading.Event()
        self._threads = []
        self._staged_spans, self._staged_logs, self._waiting_since = [], [], 0.0
        self._encoded = {"traces": _Encoded(), "logs": _Encoded()}
        self.accounting.clear()
        self.queue.clear_after_fork()
        if self._stages is not None:
            self._stages.tail.clear()

    def accounts(self) -> dict[Signal, SignalAccount]:
        """Return where the records of each signal are, at one moment."""
        with self.lock:
            queued = {signal: encoded.count for signal, encoded in self._encoded.items()}
            queued["traces"] += len(self.queue) + len(self._staged_spans)
            if self._stages is not None:
                queued["traces"] += self._stages.tail.waiting
            queued["logs"] += len(self._staged_logs)
            waiting = self._delivery.waiting() if self._delivery is not None else {}
            return {
                signal: self._account(signal, queued.get(signal, 0) + waiting.get(signal, 0))
                for signal in SIGNALS
            }

    def _account(self, signal: Signal, waiting: int) -> SignalAccount:
        counts = self.accounting
        dropped = dict(counts.dropped_count[signal])
        created = counts.created_count[signal]
        sampled_out = counts.sampled_out_count[signal]
        if signal == "logs" and self.sink is not None and self.sink.dropped:
            created += self.sink.dropped
            dropped["queue_full"] = self.sink.dropped
        if signal == "traces":
            unsampled = self._unsampled()
            created = self.queue.created + unsampled - counts.uncounted
            sampled_out += unsampled
            if self.queue.dropped:
                dropped["queue_full"] = self.queue.dropped
        return SignalAccount(
            created=created,
            exported=counts.exported_count[signal],
            sampled_out=sampled_out,
            dropped=dropped,
            waiting=waiting,
            replayed=counts.replayed_count[signal],
        )
