"""Writes Grafana's dashboards from `dashboard_panels.py`.

python scripts/dashboards.py            write them
python scripts/dashboards.py --check    fail when one is not as it would be written
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from dashboard_panels import DASHBOARDS, LOKI, PROMETHEUS, WIDTH, Dashboard, Panel

FOLDER = Path(__file__).resolve().parent.parent / "deployments/observability/grafana/dashboards"


def render(dashboard: Dashboard) -> dict[str, Any]:
    """Return a dashboard as Grafana reads it."""
    kinds = sorted({panel.kind for panel in dashboard.panels})
    return {
        "__requires": [
            {"type": "grafana", "id": "grafana", "name": "Grafana", "version": "10.0.0"},
            *({"type": "panel", "id": kind, "name": kind, "version": ""} for kind in kinds),
        ],
        "id": None,
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.about,
        "tags": ["alexobs"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": dashboard.refresh,
        "time": {"from": dashboard.past, "to": "now"},
        "timepicker": {"refresh_intervals": ["5s", "10s", "30s", "1m", "5m", "15m"]},
        "annotations": {"list": []},
        "links": [
            {"type": "dashboards", "title": "ALEX", "tags": ["alexobs"], "asDropdown": True}
            | {"includeVars": True, "keepTime": True, "targetBlank": False}
            | {"icon": "external link", "tooltip": "The other dashboards"}
        ],
        "templating": {"list": [_source(), *map(_variable, dashboard.variables)]},
        "panels": list(_placed(dashboard.panels)),
    }


def _source() -> dict[str, Any]:
    """Return the variable that lets a dashboard be imported where Prometheus has another id."""
    return {"name": "datasource", "type": "datasource", "query": "prometheus", "hide": 2}


def _variable(name: str) -> dict[str, Any]:
    metric, label = {
        "model": ("alex_llm_requests_total", "model"),
        "tool": ("alex_tool_executions_total", "tool_name"),
    }[name]
    query = f"label_values({metric}, {label})"
    return {
        "name": name,
        "label": name.capitalize(),
        "type": "query",
        "datasource": PROMETHEUS,
        "definition": query,
        "query": {"query": query, "refId": name},
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
        "refresh": 2,
        "sort": 1,
    }


def _placed(panels: list[Panel]) -> Any:
    x = y = 0
    for number, panel in enumerate(panels, 1):
        if x + panel.width > WIDTH:
            x, y = 0, y + 8
        yield _panel(number, panel, {"h": 8, "w": panel.width, "x": x, "y": y})
        x += panel.width


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "title": panel.title,
        "description": panel.about,
        "type": panel.kind,
        "datasource": panel.source,
        "gridPos": place,
        "targets": [
            _target(chr(ord("A") + at), panel, *query) for at, query in enumerate(panel.queries)
        ],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel),
    }


def _target(ref: str, panel: Panel, legend: str, expression: str) -> dict[str, Any]:
    target: dict[str, Any] = {
        "refId": ref,
        "datasource": panel.source,
        "expr": expression,
        "legendFormat": legend,
    }
    if panel.source is LOKI:
        return target | {"queryType": "range"}
    if panel.kind == "table":
        target["format"] = "table"
    shape = {"instant": panel.instant, "range": not panel.instant}
    return target | shape | {"exemplar": panel.links_to_traces}


def _defaults(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    for color, value in zip(("yellow", "red"), panel.steps, strict=True):
        if value is not None:
            steps.append({"color": color, "value": value})
    custom: dict[str, Any] = {}
    if panel.kind == "timeseries":
        mode = "dashed" if len(steps) > 1 else "off"
        custom = {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 40 if panel.stacked else 8,
            "showPoints": "auto",
            "spanNulls": 60_000,
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
            "thresholdsStyle": {"mode": mode},
        }
    color = "thresholds" if panel.kind == "gauge" else "palette-classic"
    return {
        "unit": panel.unit,
        "min": 0,
        "color": {"mode": color},
        "thresholds": {"mode": "absolute", "steps": steps},
        "custom": custom,
    }


def _options(panel: Panel) -> dict[str, Any]:
    reduced = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    by_kind: dict[str, dict[str, Any]] = {
        "timeseries": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "gauge": {"reduceOptions": reduced, "showThresholdMarkers": True},
        "piechart": {
            "pieType": "donut",
            "reduceOptions": reduced,
            "displayLabels": ["percent"],
            "legend": {
                "displayMode": "table",
                "placement": "right",
                "values": ["value", "percent"],
                "showLegend": True,
            },
        },
        "table": {"showHeader": True},
        "logs": {"showTime": True, "enableLogDetails": True, "sortOrder": "Descending"},
    }
    return by_kind[panel.kind]


def text(dashboard: Dashboard) -> str:
    """Return a dashboard's file."""
    return json.dumps(render(dashboard), indent=2) + "\n"


def main() -> int:
    """Write the files, or say which are not current."""
    parser = argparse.ArgumentParser(description="Write Grafana's dashboards.")
    parser.add_argument("--check", action="store_true", help="only say which are not current")
    check = parser.parse_args().check
    stale = []
    for dashboard in DASHBOARDS:
        path = FOLDER / f"{dashboard.uid}.json"
        wanted = text(dashboard)
        if not path.exists() or path.read_text(encoding="utf-8") != wanted:
            stale.append(path.name)
            if not check:
                path.write_text(wanted, encoding="utf-8")
    if check and stale:
        print(f"not current: {', '.join(stale)}; run scripts/dashboards.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
