"""The threads behind the signals: one works on records, one delivers batches.

The worker prices, meters, redacts, encodes and spools; the sender talks to the back end. They are
two, because a back end that hangs must not keep records from being metered and from reaching
the disk (decision record 0002).
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from alexobs.pipeline.accounting import SIGNALS, Accounting, SignalAccount
from alexobs.pipeline.outbox import PAUSE_S, Outbox
from alexobs.pipeline.queue import GATHER, RecordQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from alexobs.config.model import PipelineConfig
    from alexobs.exporters.base import Exporter
    from alexobs.logs.sink import LogSink
    from alexobs.pipeline.delivery import Delivery
    from alexobs.pipeline.stages import Stages
    from alexobs.records import Resource, Signal

LOOK_S = 0.025  # after being woken: what comes first is seldom alone
TICK_S = 1.0  # between two rounds of periodic tasks
SLICE_GOAL_S = 0.002  # of work before other threads get the interpreter
MAX_SLICE = 256  # records
LOG_SLICE = 256  # lines written in one go, 0.5 ms
LOG_FLUSH_S = 1.0  # that a slow reader of the log stream may hold up a flush

# A slice is measured by the worker's own CPU: on a busy machine it also waits for its turn, and
# slices that shrank for that cost three times as much a record. Windows counts CPU in 16 ms.
_cpu_s = (
    time.thread_time
    if time.get_clock_info("thread_time").resolution < SLICE_GOAL_S / 10
    else time.perf_counter
)


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
        outbox: what is ready to leave; takes what does not come through the queue.
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
        self._delivery: Delivery | None = None
        self.outbox = Outbox(
            config,
            resource=resource,
            accounting=self.accounting,
            lock=self.lock,
            fault=fault,
            submitted=self._send_wake.set,
        )
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
                self.outbox.stage_spans(self._stages.flush_tail())
                self.outbox.encode(pause=False)
            self._stages = stages
            self._delivery = delivery
            self._config = config
            self.outbox.use(exporters, delivery, config, max_length)
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
        if not self.outbox.waiting_since:
            self.queue.idle = True  # first, so that what is put from now on wakes
            if len(self.queue):
                self.outbox.mark_waiting(now)
        until = next_tick
        if self.outbox.waiting_since:
            until = min(until, self.outbox.waiting_since + self._config.linger_s)
        return max(until - now, PAUSE_S)

    def _round(self, now: float) -> None:
        """Do what is due, in slices.

        Records gather first: one alone, with cold caches, costs three times as much as one of
        many, and sending comes after `linger_s` anyway.
        """
        since = self.outbox.waiting_since
        due = bool(since) and now - since >= self._config.linger_s
        if due or len(self.queue) >= GATHER:
            while self._work_slice():
                time.sleep(PAUSE_S)
                if len(self.queue) < self._slice:
                    break
        self._drain_lines()
        if due:
            self.outbox.encode(pause=True)

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
            self.outbox.stage_spans(stages.process(records))
            self._measure_slice(_cpu_s() - started, len(records))
            full = self.outbox.is_full
        if full:
            self.outbox.encode(pause=False)
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
            self.outbox.encode(pause=False)

    def finish_traces(self) -> None:
        """Decide the traces that wait for their end (tail sampling): the process ends."""
        with self.lock:
            if self._stages is not None:
                self._work_off()
                self.outbox.stage_spans(self._stages.flush_tail())

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
        self.lock = threading.RLock()
        self._start_lock = threading.Lock()
        self._wake = threading.Event()
        self._send_wake = threading.Event()
        self._threads = []
        self.outbox.after_fork_in_child(resource, self.lock, self._send_wake.set)
        self.accounting.clear()
        self.queue.clear_after_fork()
        if self._stages is not None:
            self._stages.tail.clear()

    def accounts(self) -> dict[Signal, SignalAccount]:
        """Return where the records of each signal are, at one moment."""
        with self.lock:
            queued = self.outbox.waiting()
            queued["traces"] += len(self.queue)
            if self._stages is not None:
                queued["traces"] += self._stages.tail.waiting
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
