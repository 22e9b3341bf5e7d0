"""Metrics: the OpenTelemetry Metrics API on our own aggregation, and the built-in instruments."""

from alexobs.metrics.builtin import MetricsCollector
from alexobs.metrics.provider import Meter, MeterProvider

__all__ = ["Meter", "MeterProvider", "MetricsCollector"]
