"""Makes one commit of many requests."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from alexobs import semconv
from alexobs.server.ingest import logs, points, proto
from alexobs.server.ingest.columns import SpanColumns
from alexobs.server.ingest.contents import Contents
from alexobs.server.ingest.decode import plain_form
from alexobs.server.ingest.frames import frames_of
from alexobs.server.ingest.resources import Senders
from alexobs.server.ingest.wire import UnusualMessageError
from alexobs.server.store import Group

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alexobs.server.ingest.decode import Checked
    from alexobs.server.ingest.frames import Frames
    from alexobs.server.ingest.normalise import Normaliser
    from alexobs.server.store import Store


class GroupBuilder:
    """Turns checked requests into a `Group`; belongs to one thread at a time."""

    def __init__(self, store: Store, normaliser: Normaliser) -> None:
        self._store = store
        self._normaliser = normaliser
        self._senders = Senders()

    def build(self, requests: Sequence[Checked], number: int) -> Group:
        """Return what is to be committed of `requests`: nothing that is stored already.

        Its spans are claimed under `number`, which has to be released.
        """
        group = Group(time_ns=time.time_ns())
        contents = Contents()
        encoded = b"".join(request.payload for request in requests if request.signal == "traces")
        if encoded:
            group.spans = self._spans(encoded, contents, group, number)
        parsed = [request.payload for request in requests if request.signal == "logs"]
        if parsed:
            group.logs, running = logs.tables(parsed, self._senders, group)
            if running:
                group.running = self._running(running, contents, group)
        parsed = [request.payload for request in requests if request.signal == "metrics"]
        if parsed:
            group.points = points.table(parsed, self._senders, group)
        group.messages = contents.bodies
        return group

    def _spans(
        self, encoded: bytes, contents: Contents, group: Group, number: int
    ) -> pa.Table | None:
        try:
            frames = frames_of(encoded)
            columns = SpanColumns(frames)
        except UnusualMessageError:
            frames = frames_of(plain_form(encoded))
            columns = SpanColumns(frames)
        identity = columns.identity
        fresh = np.nonzero(~self._store.seen.repeated(*identity))[0]
        if len(fresh) < len(frames.starts):
            if not len(fresh):
                return None
            frames = frames.pick(fresh)
            columns = SpanColumns(frames)
        table = self._table(frames, columns.decode(contents, self._normaliser), group)
        self._store.seen.claim(number, *columns.identity)
        return table

    def _running(self, running: list[Any], contents: Contents, group: Group) -> pa.Table | None:
        request = proto.TraceRequest()
        for resource, span in running:
            resource_spans = request.resource_spans.add()
            resource_spans.resource.CopyFrom(resource)
            resource_spans.scope_spans.add().spans.append(span)
        frames = frames_of(request.SerializeToString())
        columns = SpanColumns(frames)
        fresh = np.nonzero(~self._store.seen.repeated(*columns.identity))[0]
        if not len(fresh):
            return None
        frames = frames.pick(fresh)
        columns = SpanColumns(frames)
        table = self._table(frames, columns.decode(contents), group)
        return table.set_column(
            table.column_names.index("status"), "status", pa.array(["running"] * len(table))
        )

    def _table(self, frames: Frames, columns: dict[str, Any], group: Group) -> pa.Table:
        senders = [self._senders.resource(encoded) for encoded in frames.resources]
        group.resources += [sender.row(group.time_ns) for sender in senders]
        ids = np.array([sender.resource_id for sender in senders], dtype=np.uint64)
        scopes = [self._senders.scope(encoded) for encoded in frames.scopes]
        columns["service"] = _repeated(frames.resource, [sender.service for sender in senders])
        columns["resource_id"] = pa.array(ids[frames.resource])
        columns["scope"] = _repeated(frames.scope, scopes)
        if columns["status"].null_count:
            outcomes = [semconv.SUCCESS, semconv.SUCCESS, semconv.ERROR]
            plain = _repeated(columns["status_code"].to_numpy(), outcomes)
            columns["status"] = _filled(columns["status"], plain)
        if columns["kind"].null_count:
            plain = _repeated(np.zeros(len(frames.starts), dtype=np.int32), ["span"])
            columns["kind"] = _filled(columns["kind"], plain)
        return pa.table(columns)


def _filled(values: pa.Array, instead: pa.Array) -> pa.Array:
    import pyarrow.compute  # noqa: PLC0415 - 9 MB and 50 ms that a server without work does not need

    functions: Any = pyarrow.compute  # made at run time, unseen by type checkers
    return functions.coalesce(values.cast(pa.string()), instead.cast(pa.string()))


def _repeated(indexes: Any, values: list[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(
        pa.array(indexes.astype(np.int32)), pa.array(values, pa.string())
    )
