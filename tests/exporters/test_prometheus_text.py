"""The two text formats, judged by the parsers of prometheus_client and by promtool."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from alexobs.exporters.prometheus import encode_openmetrics, encode_text
from alexobs.exporters.prometheus_names import family_name
from alexobs.metrics import MeterProvider, MetricsCollector
from alexobs.records import (
    Exemplar,
    HistogramPoint,
    LLMObservation,
    MetricData,
    NumberPoint,
    Resource,
    Scope,
    ToolObservation,
    Usage,
)
from alexobs.semconv import METRICS

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
OWN = Scope("alexobs", "1.0")


def number(name: str, value: float = 1, unit: str = "", **options: Any) -> MetricData:
    kind = options.pop("kind", "sum")
    points = [NumberPoint(options.pop("attributes", {}), 1, 2, value, options.pop("exemplars", ()))]
    return MetricData(
        name=name,
        description=options.pop("description", ""),
        unit=unit,
        kind=kind,
        monotonic=options.pop("monotonic", kind == "sum"),
        temporality="cumulative",
        scope=options.pop("scope", OWN),
        points=points,
    )


def histogram(name: str, unit: str = "", **options: Any) -> MetricData:
    boundaries = options.pop("boundaries", (1.0, 2.5))
    counts = options.pop("counts", (1, 0, 2))
    point = HistogramPoint(
        attributes=options.pop("attributes", {}),
        start_ns=1,
        time_ns=2,
        count=sum(counts),
        sum=options.pop("sum", 7.5),
        min=0,
        max=9,
        boundaries=boundaries,
        counts=counts,
        exemplars=options.pop("exemplars", ()),
    )
    scope = options.pop("scope", OWN)
    return MetricData(name, "", unit, "histogram", False, "cumulative", scope, [point])


def samples(page: bytes, *, openmetrics: bool = False) -> Samples:
    """Return the samples of a page; fails on duplicates and on whatever the parser refuses."""
    found: Samples = {}
    parse = parse_openmetrics if openmetrics else parse_text
    for family in parse(page.decode("utf-8")):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, key
            found[key] = sample.value
    return found


def names(page: bytes) -> set[str]:
    return {name for name, _ in samples(page)}


def full_page() -> list[MetricData]:
    """Return metrics in which every built-in instrument has points."""
    collector = MetricsCollector(MeterProvider())
    call = LLMObservation(
        "gpt-4o",
        "success",
        0.5,
        Usage(10, 5),
        0.01,
        "openai",
        output_chunks=4,
        trace_id=1,
        span_id=2,
    )
    collector.observe_llm(call._replace(time_to_first_chunk_s=0.2))
    collector.observe_llm(call._replace(status="error", cost_usd=None))
    collector.observe_tool(ToolObservation("ls", "success", 0.1, "", 3, 4))
    collector.session_started()
    collector.session_ended(2.0)
    collector.counter("jobs.done", unit="{job}", description='Jobs "done"\\\nso far.').add(1)
    collector.gauge("fill", unit="1").set(0.5)
    return collector.provider.collect(for_prometheus=True)


def test_the_names_of_the_built_in_instruments_are_fixed() -> None:
    page = encode_text(full_page())
    for name in (
        *("alex_llm_requests_total", "alex_llm_tokens_input_total", "alex_llm_tokens_output_total"),
        *("alex_llm_latency_bucket", "alex_llm_latency_sum", "alex_llm_latency_count"),
        *("alex_cost_total", "alex_cost_unpriced_total", "alex_tool_executions_total"),
        *("alex_tool_duration_bucket", "alex_tool_duration_sum", "alex_tool_duration_count"),
        *("alex_sessions_active", "gen_ai_client_operation_duration_seconds_bucket"),
        *("gen_ai_client_token_usage_bucket", "gen_ai_execute_tool_duration_seconds_count"),
    ):
        assert name in names(page)
    labels = frozenset({("model", "gpt-4o"), ("status", "success")})
    assert samples(page)[("alex_llm_requests_total", labels)] == 1
    assert (
        len({line for line in page.splitlines() if line.startswith(b"# TYPE")}) == len(METRICS) + 2
    )


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (number("http.server.requests", unit="{request}"), "http_server_requests_total"),
        (number("a.total"), "a_total"),
        (number("total"), "total_total"),
        (number("a.seconds.total", unit="s"), "a_seconds_total"),
        (number("cpu.time", unit="s"), "cpu_time_seconds_total"),
        (number("level", monotonic=False, unit="By"), "level_bytes"),
        (number("ratio", kind="gauge", unit="1"), "ratio"),
        (number("fill", kind="gauge", unit="1"), "fill_ratio"),
        (number("speed", kind="gauge", unit="By/s"), "speed_bytes_per_second"),
        (number("rate", kind="gauge", unit="{call}/s"), "rate_per_second"),
        (number("spent", unit="USD"), "spent_USD_total"),
        (number("alex.cost.total", unit="USD"), "alex_cost_total"),
        (number("alex.x", kind="gauge", unit="s"), "alex_x"),
        (number("a..b--c__d/e", kind="gauge"), "a_b_c_d_e"),
        (number("9lives", kind="gauge"), "_9lives"),
    ],
)
def test_names_follow_the_one_rule(metric: MetricData, expected: str) -> None:
    assert names(encode_text([metric])) == {expected}
    assert samples(encode_openmetrics([metric]), openmetrics=True)


def test_histograms_are_cumulative_and_end_in_inf() -> None:
    lines = encode_text([histogram("h", attributes={"k": "v"})]).decode().splitlines()
    assert lines[2:] == [
        'h_bucket{k="v",le="1.0"} 1',
        'h_bucket{k="v",le="2.5"} 1',
        'h_bucket{k="v",le="+Inf"} 3',
        'h_sum{k="v"} 7.5',
        'h_count{k="v"} 3',
    ]


def test_openmetrics_carries_exemplars_and_units_and_ends() -> None:
    exemplars = [Exemplar(2.0, 1_700_000_000_123_456_789, 0xAB, 0xCD, {})]
    page = encode_openmetrics(
        [
            histogram("h", unit="s", exemplars=exemplars),
            number("c", exemplars=exemplars),
            number("alex.x", unit="s"),
        ]
    ).decode()
    tail = f' # {{trace_id="{0xAB:032x}",span_id="{0xCD:016x}"}} 2.0 1700000000.123'
    assert f'h_seconds_bucket{{le="2.5"}} 1{tail}\n' in page
    assert f"c_total 1{tail}\n" in page
    assert "# UNIT h_seconds seconds\n" in page
    assert "# UNIT alex_x" not in page
    assert page.endswith("# EOF\n")
    families = list(parse_openmetrics(page))  # type: ignore[no-untyped-call]
    found = [s.exemplar for family in families for s in family.samples if s.exemplar]
    assert [exemplar.value for exemplar in found] == [2.0, 2.0]


def test_the_text_format_carries_no_exemplars() -> None:
    exemplars = [Exemplar(2.0, 10**18, 1, 2, {})]
    assert b" # {" not in encode_text([histogram("h", exemplars=exemplars)])


def test_negative_buckets_have_no_sum_in_openmetrics() -> None:
    metric = histogram("h", boundaries=(-1.0, 1.0))
    assert "h_sum" in names(encode_text([metric]))
    assert b"h_sum" not in encode_openmetrics([metric])
    samples(encode_openmetrics([metric]), openmetrics=True)


def test_families_of_two_scopes_are_merged_under_one_header_and_told_apart() -> None:
    page = encode_text(
        [
            number("a.b"),
            number("x", scope=Scope("alexobs.self")),
            number("a.b", scope=Scope("lib", "2", "http://s")),
        ]
    )
    assert page.count(b"# TYPE a_b_total") == page.count(b"# HELP a_b_total") == 1
    labels = {("otel_scope_name", "lib"), ("otel_scope_version", "2")}
    labels.add(("otel_scope_schema_url", "http://s"))
    found = samples(page)
    assert ("a_b_total", frozenset()) in found
    assert ("x_total", frozenset()) in found
    assert ("a_b_total", frozenset(labels)) in found


def test_what_would_make_the_page_invalid_is_left_out() -> None:
    clashing = [
        histogram("h"),
        number("h.count", kind="gauge"),
        number("h"),
        number("c", 1),
        number("c", 2),
        number("c", kind="gauge"),
    ]
    for encode, openmetrics in ((encode_text, False), (encode_openmetrics, True)):
        found = samples(encode(clashing), openmetrics=openmetrics)
        assert found[("c_total", frozenset())] == 1
        assert ("h_count", frozenset()) in found


def test_labels_that_become_one_are_joined_and_reserved_ones_renamed() -> None:
    attributes = {"a.b": "2", "a_b": "3", "le": "x", "__name__": "y", "1st": "z", "ключ": "w"}
    (key,) = samples(encode_text([number("c", attributes=attributes)]))
    assert dict(key[1]) == {
        "a_b": "2;3",
        "exported_le": "x",
        "_name_": "y",
        "_1st": "z",
        "_": "w",
    }


def test_values_of_all_kinds() -> None:
    inf = float("inf")
    values = {"a": inf, "b": -inf, "c": float("nan"), "d": 1e300, "e": 2**70, "f": -0.5, "g": True}
    page = encode_text([number(n, v, kind="gauge") for n, v in values.items()])
    found = {name: str(float(value)) for (name, _), value in samples(page).items()}
    assert found == {name: str(float(value)) for name, value in values.items()}
    attributes = {"b": True, "i": 5, "f": 1.5, "l": ("x", 1), "n": None}
    ((_, labels),) = samples(encode_text([number("c", attributes=attributes)]))
    assert dict(labels) == {"b": "true", "i": "5", "f": "1.5", "l": '["x", 1]', "n": "None"}


def test_the_resource_is_target_info() -> None:
    resource = Resource({"service.name": "alex", "service.version": "1.0"})
    labels = frozenset({("service_name", "alex"), ("service_version", "1.0")})
    assert samples(encode_text([], resource)) == {("target_info", labels): 1}
    assert samples(encode_openmetrics([number("c")], resource), openmetrics=True)[
        ("target_info", labels)
    ]


def test_an_empty_page_is_valid() -> None:
    assert encode_text([]) == b""
    assert encode_openmetrics([]) == b"# EOF\n"


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAMES = st.from_regex(r"[a-zA-Z][-_./a-zA-Z0-9]{0,20}", fullmatch=True)
UNITS = st.sampled_from(["", "s", "1", "By", "{token}", "USD", "By/s", "%", "°!", "{a}/h"])


@given(
    st.lists(
        st.tuples(
            NAMES,
            UNITS,
            st.sampled_from(["counter", "level", "gauge", "histogram"]),
            st.dictionaries(TEXTS | NAMES, TEXTS, max_size=4),
            st.floats(0, 1e9) | st.integers(0, 2**70),
            TEXTS,
            st.booleans(),
        ),
        max_size=6,
    )
)
def test_both_formats_are_valid_for_any_names_labels_and_values(drawn: list[Any]) -> None:
    metrics = []
    for name, unit, kind, attributes, value, description, other in drawn:
        options = {"attributes": attributes, "scope": Scope("lib") if other else OWN}
        exemplars = [Exemplar(value, 10**18, 1, 2, {})]
        if kind == "histogram":
            metrics.append(histogram(name, unit, exemplars=exemplars, **options))
        else:
            metrics.append(
                number(
                    name,
                    value,
                    unit,
                    kind="gauge" if kind == "gauge" else "sum",
                    monotonic=kind == "counter",
                    description=description,
                    exemplars=exemplars if kind == "counter" else (),
                    **options,
                )
            )
    text = samples(encode_text(metrics))
    openmetrics = samples(encode_openmetrics(metrics), openmetrics=True)
    assert text == openmetrics
    expected = {
        value
        for key, labels in text
        for label, value in labels
        if label not in {"le", "otel_scope_name"}
    }
    given_texts = {text for *_, attributes, _, _, _ in drawn for text in attributes.values()}
    assert all(set(value.split(";")) <= _pieces(given_texts) for value in expected)


def _pieces(texts: set[str]) -> set[str]:
    return {piece for text in texts for piece in text.split(";")}


@given(NAMES, UNITS)
def test_the_name_of_a_name_is_itself(name: str, unit: str) -> None:
    once = family_name(name, unit, "histogram")
    assert family_name(once, unit, "histogram") == once


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed (Debian: apt install prometheus)")
    return found


def test_promtool_has_nothing_to_say_against_the_page(promtool: str) -> None:
    page = encode_text(full_page(), Resource({"service.name": "alex"}))
    done = subprocess.run(
        [promtool, "check", "metrics"], input=page, capture_output=True, check=False, timeout=30
    )
    assert (done.returncode, done.stderr.decode()) == (0, "")
