"""What became of every record, as each process last told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from alexobs.server.api.windows import bounds_ns, decoded, ms

if TYPE_CHECKING:
    from alexobs.server.app import Context

_RECORDS: Final = "alexobs.records"
_DROPPED: Final = "alexobs.records.dropped"
_WAITING: Final = "alexobs.records.waiting"
_REDACTIONS: Final = "alexobs.redactions"
_FAULTS: Final = "alexobs.faults"
_OUTCOMES: Final = ("created", "exported", "sampled_out", "dropped")


def accounting(context: Context, values: dict[str, Any]) -> dict[str, Any]:
    """Answer ``/api/accounting``."""
    rows = context.store.query(
        "api_accounting",
        metrics=[_RECORDS, _DROPPED, _WAITING, _REDACTIONS, _FAULTS],
        **bounds_ns(values),
    ).dicts()
    processes: dict[int, dict[str, Any]] = {}
    for row in rows:
        process = processes.setdefault(row["resource_id"], _process_of(row))
        process["last_ms"] = max(process["last_ms"], ms(row["last_ns"]))
        _enter(process, row["metric"], decoded(row["labels"]) or {}, row["value"] or 0)
    found = sorted(processes.values(), key=lambda process: -process["last_ms"])
    for process in found:
        for account in process["signals"].values():
            account["balanced"] = account["created"] == (
                account["exported"] + account["sampled_out"] + account["dropped"]
                + account["waiting"]
            )  # fmt: skip
    return {"processes": found}


def _process_of(row: dict[str, Any]) -> dict[str, Any]:
    resource = decoded(row["resource"]) or {}
    pid = resource.get("process.pid")
    host = resource.get("host.name")
    return {
        "service": row["service"],
        "instance": row["instance"],
        "host": None if host is None else str(host),
        "pid": pid if isinstance(pid, int) else None,
        "last_ms": 0.0,
        "signals": {},
        "redactions": {},
        "faults": {},
    }


def _enter(process: dict[str, Any], metric: str, labels: dict[str, Any], value: int) -> None:
    if metric in {_REDACTIONS, _FAULTS}:
        of = "redactions" if metric == _REDACTIONS else "faults"
        process[of][str(labels.get("rule" if metric == _REDACTIONS else "where", ""))] = value
        return
    account = process["signals"].setdefault(str(labels.get("signal", "")), _empty())
    if metric == _DROPPED:
        account["dropped_by_reason"][str(labels.get("reason", ""))] = value
    elif metric == _WAITING:
        account["waiting"] = value
    elif labels.get("outcome") in _OUTCOMES:
        account[labels["outcome"]] = value


def _empty() -> dict[str, Any]:
    counts = dict.fromkeys((*_OUTCOMES, "waiting"), 0)
    return {**counts, "balanced": True, "dropped_by_reason": {}}
