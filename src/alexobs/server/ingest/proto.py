"""OTLP's messages, described here and built at run time: no generated code, no clash with it.

The classes live in a descriptor pool of their own, so that the official generated ones may be
loaded beside them. Field numbers: opentelemetry-proto 1.x, which keeps them for ever.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

# name: "field number type" …; a star is repeated, a question mark has presence, | is in a oneof.
_MESSAGES: Final = {
    "AnyValue": """|string_value 1 string, |bool_value 2 bool, |int_value 3 int64,
        |double_value 4 double, |array_value 5 .ArrayValue, |kvlist_value 6 .KeyValueList,
        |bytes_value 7 bytes""",
    "ArrayValue": "*values 1 .AnyValue",
    "KeyValueList": "*values 1 .KeyValue",
    "KeyValue": "key 1 string, value 2 .AnyValue",
    "Scope": """name 1 string, version 2 string, *attributes 3 .KeyValue,
        dropped_attributes_count 4 uint32""",
    "Resource": "*attributes 1 .KeyValue, dropped_attributes_count 2 uint32",
    "Status": "message 2 string, code 3 int32",
    "Event": """time_unix_nano 1 fixed64, name 2 string, *attributes 3 .KeyValue,
        dropped_attributes_count 4 uint32""",
    "Link": """trace_id 1 bytes, span_id 2 bytes, trace_state 3 string, *attributes 4 .KeyValue,
        dropped_attributes_count 5 uint32, flags 6 fixed32""",
    "Span": """trace_id 1 bytes, span_id 2 bytes, trace_state 3 string, parent_span_id 4 bytes,
        name 5 string, kind 6 int32, start_time_unix_nano 7 fixed64,
        end_time_unix_nano 8 fixed64, *attributes 9 .KeyValue, dropped_attributes_count 10 uint32,
        *events 11 .Event, dropped_events_count 12 uint32, *links 13 .Link,
        dropped_links_count 14 uint32, status 15 .Status, flags 16 fixed32""",
    "ScopeSpans": "scope 1 .Scope, *spans 2 .Span, schema_url 3 string",
    "ResourceSpans": "resource 1 .Resource, *scope_spans 2 .ScopeSpans, schema_url 3 string",
    "TraceRequest": "*resource_spans 1 .ResourceSpans",
    "LogRecord": """time_unix_nano 1 fixed64, severity_number 2 int32, severity_text 3 string,
        body 5 .AnyValue, *attributes 6 .KeyValue, dropped_attributes_count 7 uint32,
        flags 8 fixed32, trace_id 9 bytes, span_id 10 bytes, observed_time_unix_nano 11 fixed64,
        event_name 12 string""",
    "ScopeLogs": "scope 1 .Scope, *log_records 2 .LogRecord, schema_url 3 string",
    "ResourceLogs": "resource 1 .Resource, *scope_logs 2 .ScopeLogs, schema_url 3 string",
    "LogsRequest": "*resource_logs 1 .ResourceLogs",
    "Exemplar": """time_unix_nano 2 fixed64, |as_double 3 double, span_id 4 bytes,
        trace_id 5 bytes, |as_int 6 sfixed64, *filtered_attributes 7 .KeyValue""",
    "NumberPoint": """start_time_unix_nano 2 fixed64, time_unix_nano 3 fixed64,
        |as_double 4 double, *exemplars 5 .Exemplar, |as_int 6 sfixed64, *attributes 7 .KeyValue,
        flags 8 uint32""",
    "HistogramPoint": """start_time_unix_nano 2 fixed64, time_unix_nano 3 fixed64,
        count 4 fixed64, ?sum 5 double, *bucket_counts 6 fixed64, *explicit_bounds 7 double,
        *exemplars 8 .Exemplar, *attributes 9 .KeyValue, flags 10 uint32, ?min 11 double,
        ?max 12 double""",
    "Buckets": "offset 1 sint32, *bucket_counts 2 uint64",
    "ExponentialPoint": """*attributes 1 .KeyValue, start_time_unix_nano 2 fixed64,
        time_unix_nano 3 fixed64, count 4 fixed64, ?sum 5 double, scale 6 sint32,
        zero_count 7 fixed64, positive 8 .Buckets, negative 9 .Buckets, flags 10 uint32,
        *exemplars 11 .Exemplar, ?min 12 double, ?max 13 double, zero_threshold 14 double""",
    "Quantile": "quantile 1 double, value 2 double",
    "SummaryPoint": """start_time_unix_nano 2 fixed64, time_unix_nano 3 fixed64, count 4 fixed64,
        sum 5 double, *quantile_values 6 .Quantile, *attributes 7 .KeyValue, flags 8 uint32""",
    "Gauge": "*data_points 1 .NumberPoint",
    "Sum": "*data_points 1 .NumberPoint, aggregation_temporality 2 int32, is_monotonic 3 bool",
    "Histogram": "*data_points 1 .HistogramPoint, aggregation_temporality 2 int32",
    "ExponentialHistogram": "*data_points 1 .ExponentialPoint, aggregation_temporality 2 int32",
    "Summary": "*data_points 1 .SummaryPoint",
    "Metric": """name 1 string, description 2 string, unit 3 string, |gauge 5 .Gauge, |sum 7 .Sum,
        |histogram 9 .Histogram, |exponential_histogram 10 .ExponentialHistogram,
        |summary 11 .Summary, *metadata 12 .KeyValue""",
    "ScopeMetrics": "scope 1 .Scope, *metrics 2 .Metric, schema_url 3 string",
    "ResourceMetrics": "resource 1 .Resource, *scope_metrics 2 .ScopeMetrics, schema_url 3 string",
    "MetricsRequest": "*resource_metrics 1 .ResourceMetrics",
    "PartialSuccess": "rejected 1 int64, error_message 2 string",
    "Response": "partial_success 1 .PartialSuccess",
    "Any": "type_url 1 string, value 2 bytes",
    "RPCStatus": "code 1 int32, message 2 string, *details 3 .Any",
    "Duration": "seconds 1 int64, nanos 2 int32",
    "RetryInfo": "retry_delay 1 .Duration",
}
_PACKAGE: Final = "alexobs.otlp"
_FIELD = descriptor_pb2.FieldDescriptorProto


def _build() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name="alexobs/otlp.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for text in fields.split(","):
            _add_field(message, text.split())
        _put_real_oneof_first(message)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in _MESSAGES
    }


def _add_field(message: descriptor_pb2.DescriptorProto, words: list[str]) -> None:
    marked, number, kind = words
    mark, name = (marked[0], marked[1:]) if marked[0] in "*?|" else ("", marked)
    camel = name.replace("_", " ").title().replace(" ", "")
    field = message.field.add(
        name=name,
        number=int(number),
        label=_FIELD.LABEL_REPEATED if mark == "*" else _FIELD.LABEL_OPTIONAL,
        json_name=camel[0].lower() + camel[1:],
    )
    if kind.startswith("."):
        field.type = _FIELD.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}{kind}"
    else:
        field.type = _FIELD.Type.Value(f"TYPE_{kind.upper()}")
    if mark == "|":
        if not message.oneof_decl:
            message.oneof_decl.add(name="choice")
        field.oneof_index = 0
    elif mark == "?":  # proto3's optional is a oneof of its own
        field.proto3_optional = True
        field.oneof_index = len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{name}")


def _put_real_oneof_first(message: descriptor_pb2.DescriptorProto) -> None:
    """Hold what descriptors demand: synthetic oneofs come after the real one."""
    names = [oneof.name for oneof in message.oneof_decl]
    if "choice" in names[1:]:
        raise AssertionError(f"{message.name}: put the oneof before optional fields")


_classes: Final = _build()
AnyValue: Any = _classes["AnyValue"]
KeyValue: Any = _classes["KeyValue"]
TraceRequest: Any = _classes["TraceRequest"]
LogsRequest: Any = _classes["LogsRequest"]
MetricsRequest: Any = _classes["MetricsRequest"]
Response: Any = _classes["Response"]
RPCStatus: Any = _classes["RPCStatus"]
RetryInfo: Any = _classes["RetryInfo"]
Span: Any = _classes["Span"]
Scope: Any = _classes["Scope"]
Resource: Any = _classes["Resource"]
Link: Any = _classes["Link"]
Event: Any = _classes["Event"]

REQUESTS: Final[dict[str, Any]] = {
    "traces": TraceRequest,
    "logs": LogsRequest,
    "metrics": MetricsRequest,
}


def value_of(value: Any) -> Any:
    """Return an ``AnyValue`` as plain Python."""
    kind = value.WhichOneof("choice")
    if kind == "array_value":
        return [value_of(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: value_of(pair.value) for pair in value.kvlist_value.values}
    return None if kind is None else getattr(value, kind)


def attributes_of(pairs: Any) -> dict[str, Any]:
    """Return repeated ``KeyValue`` as a dict; of a key that repeats the last counts."""
    return {pair.key: value_of(pair.value) for pair in pairs}


def set_value(target: Any, value: Any) -> None:
    """Fill an ``AnyValue`` from plain Python."""
    if isinstance(value, str):
        target.string_value = value
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int):
        if -(2**63) <= value < 2**63:
            target.int_value = value
        else:
            target.string_value = str(value)
    elif isinstance(value, float):
        target.double_value = value
    elif isinstance(value, bytes):
        target.bytes_value = value
    elif isinstance(value, (list, tuple)):
        target.array_value.SetInParent()
        for item in value:
            set_value(target.array_value.values.add(), item)
    elif isinstance(value, dict):
        target.kvlist_value.SetInParent()
        set_attributes(target.kvlist_value.values, value)


def set_attributes(target: Any, attributes: dict[str, Any]) -> None:
    """Append `attributes` to a repeated ``KeyValue``."""
    for key, value in attributes.items():
        pair = target.add(key=key)
        set_value(pair.value, value)
        if value is None:
            pair.value.SetInParent()
