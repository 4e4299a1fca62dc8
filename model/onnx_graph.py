"""The scorecard as an ONNX graph, for the runtimes that serve models in other languages.

Everything is computed in double precision, as in the scorer: a step is the number of cuts below a
value, its points are looked up, and so are the cells of two-way tables.
"""

from collections.abc import Sequence
from math import inf
from typing import Any

from model.points import OUTPUTS, FeaturePoints, PairPoints, Points, refuse_names
from model.table import Axis, Column, ScorecardError

POINTS = "points"
OPSET, ML_OPSET, IR = 15, 3, 8
"""Versions of ONNX that every runtime since 2022 reads; fixed, so that the bytes are, too."""


def graph(found: Points) -> bytes:
    """An ONNX model that gives every loan its probability, score, grade and points by feature.

    One input for each feature, of the same name, with one value a row, [N, 1]: numbers as double
    (NaN: missing; yes/no as 1 and 0), categories as string (empty: missing). Outputs, all [N] but
    the last: pd_12m and score_exact (double), score (int64, half to even), grade (string), and
    points (double, [N, features] in the order of the inputs), which with the reference score in the
    metadata add up to score_exact; a two-way table's points are shared equally by its features.
    Needs the package onnx. Raises ScorecardError for features named like an output.
    """
    from onnx import TensorProto, helper

    refuse_names(found, (*OUTPUTS, POINTS))
    names = [feature.column.name for feature in found.features]
    if "" in names:
        raise ScorecardError("columns: got the name '', expected one that ONNX can hold")
    made = _Graph(names)
    parts = {f.column.name: [made.look_up(f.all, made.steps(f))] for f in found.features}
    for pair in found.pairs:
        half = made.cell(pair, {f.column.name: f.column for f in found.features})
        for axis in (pair.table.first, pair.table.second):
            parts[axis.feature].append(half)
    sums = [made.node("Sum", *ps) if len(ps) > 1 else ps[0] for ps in parts.values()]
    made.node("Concat", *sums, to=POINTS, axis=1)
    _answers(made, found)
    doubles, texts = TensorProto.DOUBLE, TensorProto.STRING
    inputs = [
        helper.make_tensor_value_info(
            f.column.name,
            doubles if f.column.kind == "number" else texts,
            ["N", 1],
            doc_string=" / ".join(
                filter(None, (f.column.label_zh, f.column.label_en, f.column.unit))
            ),
        )
        for f in found.features
    ]
    kinds = dict(zip(OUTPUTS, (doubles, doubles, TensorProto.INT64, texts), strict=True))
    outputs = [helper.make_tensor_value_info(name, kind, ["N"]) for name, kind in kinds.items()]
    outputs.append(helper.make_tensor_value_info(POINTS, doubles, ["N", len(names)]))
    model = helper.make_model(
        helper.make_graph(made.nodes, "scorecard", inputs, outputs, made.tables),
        producer_name="yidaitong",
        ir_version=IR,
        opset_imports=[
            helper.make_opsetid("", OPSET),
            helper.make_opsetid("ai.onnx.ml", ML_OPSET),
        ],
    )
    facts = {
        "name": found.card.name,
        "version": found.version,
        "reference_score": repr(found.reference_score),
    }
    helper.set_model_props(model, facts)
    return bytes(model.SerializeToString(deterministic=True))


def _answers(made: "_Graph", found: Points) -> None:
    """From points to the other outputs."""
    reference = made.table([found.reference_score], [])
    added = made.node("ReduceSum", POINTS, made.table([1]), keepdims=0)
    score = made.node("Add", added, reference, to="score_exact")
    made.node("Cast", made.node("Round", score), to="score", kind=int)
    beyond = made.node("Sub", score, made.table([found.even_score], []))
    odds = made.node("Exp", made.node("Div", beyond, made.table([found.points_per_logit], [])))
    one = made.table([1.0], [])
    pd_12m = made.node("Div", one, made.node("Add", one, odds), to="pd_12m")
    bounds = [band.pd_12m_below for band in found.card.grades[:-1]]
    column = made.node("Unsqueeze", pd_12m, made.table([1]))
    reached = made.count("GreaterOrEqual", column, bounds)
    grades = made.table([band.grade for band in found.card.grades])
    grade = made.node("Gather", grades, reached)
    made.node("Squeeze", grade, made.table([1]), to="grade")


class _Graph:
    """Nodes and tables as they are added; each is known by a name that no feature has."""

    def __init__(self, taken: Sequence[str]) -> None:
        self.nodes: list[Any] = []
        self.tables: list[Any] = []
        self._prefix = "_"
        while any(name.startswith(self._prefix) for name in taken):
            self._prefix += "_"
        self._known: dict[object, str] = {}

    def _new(self) -> str:
        return f"{self._prefix}{len(self.nodes) + len(self.tables)}"

    def node(
        self, op: str, *inputs: str, to: str = "", kind: type | None = None, **attributes: Any
    ) -> str:
        """Add a node; the name of what it gives. `kind` is what Cast casts to."""
        from onnx import TensorProto, helper

        if kind is int:
            attributes["to"] = TensorProto.INT64
        domain = "ai.onnx.ml" if op == "LabelEncoder" else ""
        to = to or self._new()
        self.nodes.append(helper.make_node(op, inputs, [to], domain=domain, **attributes))
        return to

    def table(
        self, values: Sequence[float] | Sequence[str], shape: Sequence[int] | None = None
    ) -> str:
        """Add a constant, a list unless a shape is given; the same one only once."""
        from onnx import TensorProto, helper

        kinds = {int: TensorProto.INT64, float: TensorProto.DOUBLE, str: TensorProto.STRING}
        kind, shape = type(values[0]), [len(values)] if shape is None else shape
        key = (kind, tuple(map(repr, values)), tuple(shape))
        if key not in self._known:
            self._known[key] = self._new()
            stored: Any = [one.encode() if isinstance(one, str) else one for one in values]
            self.tables.append(helper.make_tensor(self._known[key], kinds[kind], shape, stored))
        return self._known[key]

    def look_up(self, values: Sequence[float], index: str) -> str:
        """The value at each row's index, [N, 1]."""
        return self.node("Gather", self.table(list(map(float, values))), index)

    def count(self, op: str, value: str, bounds: Sequence[float]) -> str:
        """How many bounds each row's value is above (Greater) or has reached, [N, 1]."""
        stored = list(map(float, bounds)) or [inf]
        above = self.node(op, value, self.table(stored, [1, len(stored)]))
        counted = self.node("Cast", above, kind=int)
        return self.node("ReduceSum", counted, self.table([1]), keepdims=1)

    def steps(self, feature: FeaturePoints) -> str:
        """Where each row's value stands in FeaturePoints.all."""
        column, listed = feature.column, len(feature.steps)
        if column.kind == "number":
            return self._number(column.name, column.cuts)
        places = {category: i for i, category in enumerate(column.categories)}
        return self._category(column.name, places, listed, listed + 1)

    def band(self, column: Column, axis: Axis) -> str:
        """Which band of one side of a two-way table each row's value falls in."""
        if column.kind == "number":
            return self._number(column.name, axis.cuts)
        places = {category: i for i, group in enumerate(axis.groups) for category in group}
        return self._category(column.name, places, axis.bands, axis.bands)

    def cell(self, pair: PairPoints, columns: dict[str, Column]) -> str:
        """Half the points of a two-way table, one of its rows after the other."""
        first, second = pair.table.first, pair.table.second
        width = self.table([second.bands + 1], [])
        row = self.node("Mul", self.band(columns[first.feature], first), width)
        at = self.node("Add", row, self.band(columns[second.feature], second))
        return self.look_up([cell / 2.0 for cells in pair.cells for cell in cells], at)

    def _number(self, name: str, cuts: Sequence[float]) -> str:
        """The step of a number, a missing one's after the last; asked for once."""
        if (key := (name, *cuts)) not in self._known:
            missing = self.table([len(cuts) + 1], [])
            counted = self.count("Greater", name, cuts)
            self._known[key] = self.node("Where", self.node("IsNaN", name), missing, counted)
        return self._known[key]

    def _category(self, name: str, places: dict[str, int], other: int, missing: int) -> str:
        """The place of a text: an empty one is missing, one that is not listed is `other`."""
        places = {**places, "": missing}
        return self.node(
            "LabelEncoder",
            name,
            keys_strings=list(places),
            values_int64s=list(places.values()),
            default_int64=other,
        )
