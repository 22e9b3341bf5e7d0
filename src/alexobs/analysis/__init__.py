"""Alerts, anomalies, costs and regressions over stored telemetry."""
