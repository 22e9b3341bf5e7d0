"""Refuses users' SQL that would make values large without reading much.

The database looks for an interrupt, and counts its memory, between pieces of about two thousand
rows. Within one piece a function runs to its end: ``repeat('x', 1000000000)`` takes as long and as
much as it likes. So what a statement can make of a value is bounded before it runs, from its tree:
each function that makes more than it was given has a factor, and the product of all factors in the
statement has a limit. That a later one works on what an earlier one made is thereby counted,
through whatever names it went. What aggregates gather counts towards the database's memory, and
is left to that.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from alexobs.errors import AlexobsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

    Node = dict[str, Any]

# So many times larger than what it is made of may a value become.
MAX_FACTOR: Final = 1000
# Elements of a list, and characters of a text, that a function makes in a row; FROM has no bound.
MAX_MADE: Final = 1000
# A constant within a function that runs for each element of a list.
_MAX_CONSTANT: Final = 100
_FACTORS: Final = {
    **dict.fromkeys(("hex", "to_hex", "base64", "to_base64", "regexp_escape"), 2),
    **dict.fromkeys(("bin", "to_binary", "to_base"), 8),
    **dict.fromkeys(("json", "to_json", "json_quote", "array_to_json", "row_to_json"), 6),
    "url_encode": 3,
}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_JOINS: Final = _words("""
    || concat concat_ws path_join overlay list_concat list_cat array_concat array_cat list_append
    array_append array_push_back list_prepend array_prepend array_push_front list_zip array_zip
    list_value list_pack array_value struct_pack struct_insert struct_concat struct_update row
    map map_concat map_from_entries json_object json_array json_merge_patch union_value
    array_to_string list_string_agg array_to_string_comma_default variant_group_array
""")
# In a statement with none of these + adds numbers; otherwise it may join lists.
_LISTS: Final = re.compile(
    r"(list|array|range|generate_s|string_split|string_to|str_split|split|regexp_|map|json|from_json|"
    r"histogram|quantile|approx|grade|enum_range|struct)",
    re.IGNORECASE,
)
_LIST_COLUMNS: Final = _words("""
    input_messages output_messages system_instructions tool_definitions tool_arguments tool_result
    bounds buckets
""")
_SUBSTITUTES: Final = frozenset({"replace", "regexp_replace"})
# What each makes is as long as one of its arguments, counted from 1, says.
_MAKERS: Final = {
    "range": (1, 2), "generate_series": (1, 2), "list_resize": (2,), "array_resize": (2,),
    "lpad": (2,), "rpad": (2,), "repeat": (2,), "bitstring": (2,), "bar": (4,), "to_base": (3,),
}  # fmt: skip
_REFUSED: Final = {
    **dict.fromkeys(("printf", "format"), "Use || or concat."),
    **dict.fromkeys(("query", "query_table"), "Write the query itself."),
    "json_execute_serialized_sql": "Write the query itself.",
    **dict.fromkeys(("json_pretty", "pg_sleep"), "Leave it out."),
}
_GATHERERS: Final = _words("""
    list array_agg string_agg group_concat listagg histogram map_agg variant_group_array
    json_group_array json_group_object json_group_structure
""")


class GrowthError(AlexobsError):
    """A statement that might make values too large; the message says by what, and what to do."""


def check(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    """Refuse `text`, one SELECT, when values may become too large.

    Raises:
        GrowthError: they may, or its tree cannot be had.
    """
    found = connection.execute("SELECT json_serialize_sql($1::VARCHAR)", [text]).fetchall()
    try:
        tree = json.loads(found[0][0])
    except RecursionError:
        raise GrowthError("the statement is nested too deeply") from None
    if tree["error"]:
        raise GrowthError(str(tree.get("error_message", "the statement cannot be checked")))
    joins = _JOINS | {"+"} if _has_lists(tree["statements"]) else _JOINS
    if _factor(tree["statements"], joins) > MAX_FACTOR:
        raise GrowthError(
            "what joins, repeats and encodes values here may make them more than "
            f"{MAX_FACTOR:,} times larger. Use fewer of them, or one concat_ws."
        )


def _factor(tree: Any, joins: frozenset[str]) -> int:
    """Return the product of all factors in a tree, as far as it matters."""
    product = 1
    waiting = [tree]
    while waiting and product <= MAX_FACTOR:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, dict):
            own, inner = _look_at(node, joins)
            product *= own
            waiting += inner
    return product


def _look_at(node: Node, joins: frozenset[str]) -> tuple[int, list[Any]]:
    """Return a node's own factor, and what below it is to be looked at."""
    kind = node.get("class") or node.get("type")
    if kind == "FUNCTION":
        return _factor_of(node, joins), node["arguments"] + [node["filter"], node["order_bys"]]
    if kind == "TABLE_FUNCTION":
        _refuse(node["function"])
        return 1, [node["function"]["arguments"]]
    if kind == "LAMBDA":
        _check_lambda(node, joins)
        return 1, []
    if kind == "RECURSIVE_CTE_NODE":
        if _factor([node["left"], node["right"]], joins) > 1:
            raise GrowthError("a recursive query may not join, repeat or encode values")
        return 1, []
    if node.get("type") == "ARRAY_CONSTRUCTOR":
        return max(_varying(node["children"]), 2), node["children"]
    if kind == "WINDOW" and _name(node) in _GATHERERS:
        raise GrowthError(
            f"{_name(node)} over a window holds many rows for each row: use it with GROUP BY"
        )
    return 1, list(node.values())


def _has_lists(tree: Any) -> bool:
    in_from = {
        id(node["function"]) for node in _nodes(tree) if node.get("type") == "TABLE_FUNCTION"
    }
    return any(
        node.get("type") == "ARRAY_CONSTRUCTOR"
        or _LISTS.match(node.get("type_name", ""))
        or (_LISTS.match(node.get("function_name", "")) and id(node) not in in_from)
        or not _LIST_COLUMNS.isdisjoint(node.get("column_names", ()))
        for node in _nodes(tree)
    )


def _factor_of(call: Node, joins: frozenset[str]) -> int:
    """Return how many times larger than what it is made of a function's value may be."""
    _refuse(call)
    name, given = _name(call), [one["expression"] for one in call["arguments"]]
    factor = _FACTORS.get(name, 1)
    if name in joins:
        factor = max(_varying(given), 1 if name in {"||", "concat", "+"} else 2)
    elif name in _SUBSTITUTES and len(given) > 2:
        factor = max(1, len(_constant(name, given[2])))
    for place in _MAKERS.get(name, ()):
        if place <= len(given):
            made = _whole(name, given[place - 1])
            factor *= made if name == "repeat" else 1
    return max(factor, 1)


def _varying(given: list[Node]) -> int:
    """A constant is as long as the statement; only what varies may have been made before."""
    return sum(one["class"] != "CONSTANT" for one in given)


def _refuse(call: Node) -> None:
    name = _name(call)
    if name in _REFUSED:
        raise GrowthError(f"{name} is not taken here: {_REFUSED[name]}")


def _check_lambda(node: Node, joins: frozenset[str]) -> None:
    """What runs for each element may not make more of it, nor bring in anything from outside."""
    own = {one["column_names"][0] for one in _nodes(node["lhs"]) if "column_names" in one}
    for inner in _nodes(node["expr"]):
        kind = inner.get("class")
        if kind == "COLUMN_REF" and inner["column_names"][0] not in own:
            raise GrowthError("a lambda may use its own parameters only")
        if kind in {"LAMBDA", "SUBQUERY"}:
            raise GrowthError("a lambda may hold neither another one nor a subquery")
        if kind == "CONSTANT" and len(_text(inner)) > _MAX_CONSTANT:
            raise GrowthError(f"a constant in a lambda has {_MAX_CONSTANT} characters at most")
        if inner.get("type") == "ARRAY_CONSTRUCTOR":
            raise GrowthError("a lambda may not make lists")
        if kind == "FUNCTION" and (_name(inner) in _MAKERS or _factor_of(inner, joins) > 1):
            raise GrowthError(f"{_name(inner)} is not taken in a lambda: it would make lists large")


def _nodes(tree: Any) -> Iterator[Node]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node


def _name(call: Node) -> str:
    return str(call["function_name"]).lower()


def _text(constant: Node) -> str:
    return str(constant.get("literal", constant.get("value")))


def _constant(name: str, node: Node) -> str:
    if node["class"] != "CONSTANT" or not isinstance(node.get("literal"), dict):
        raise GrowthError(f"{name} takes a constant for what it puts in")
    return str(node["literal"].get("text", ""))


def _whole(name: str, node: Node) -> int:
    """Return the constant that says how much is made."""
    text = _constant_number(node)
    if text is None or text > MAX_MADE:
        hint = ", or stand in FROM" if name in {"range", "generate_series"} else ""
        raise GrowthError(f"{name}: how much it makes must be a number up to {MAX_MADE:,}{hint}")
    return text


def _constant_number(node: Node) -> int | None:
    text = str((node.get("literal") or {}).get("text", ""))
    return int(text) if node["class"] == "CONSTANT" and text.isdecimal() else None
