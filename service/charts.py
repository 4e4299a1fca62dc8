"""The report's charts, as what plotly draws: pure functions from figures to traces and layout."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import shorten
from typing import Any

import numpy as np

from model.drift import Drift
from model.fairness import Kind
from model.points import FeaturePoints, PairPoints
from model.validation import Bin

Chart = dict[str, Any]
INK, GREY, PALE = "#1b2530", "#8a959b", "#d5dcd9"
OURS, OTHER, GOLD, RED = "#2f7a70", "#5b6fb5", "#b8892b", "#c0594d"
MOST_POINTS = 200
"""Points drawn of a curve."""


def chart(*data: Chart, **layout: Any) -> Chart:
    """Traces with the look that all charts share."""
    return {"data": list(data), "layout": {"showlegend": len(data) > 1, **layout}}


def line(name: str, x: Any, y: Any, color: str, **more: Any) -> Chart:
    """A line, thinned to what a screen can show."""
    at = np.unique(np.linspace(0, len(x) - 1, min(len(x), MOST_POINTS)).astype(int))
    return {
        "type": "scatter", "mode": "lines", "name": name, "line": {"color": color, "width": 2},
        "x": [x[i] if isinstance(x[i], str) else _round(x[i]) for i in at],
        "y": [_round(y[i]) for i in at], **more,
    }  # fmt: skip


def dots(
    name: str, x: Sequence[Any], shares: Sequence[tuple[float, float, float]], color: str
) -> Chart:
    """Shares with their bounds."""
    return {
        "type": "scatter", "mode": "markers", "name": name, "x": list(x),
        "y": [_round(of[0]) for of in shares], "marker": {"color": color, "size": 8},
        "error_y": {
            "type": "data", "symmetric": False, "thickness": 1.4, "width": 3, "color": color,
            "array": [_round(of[2] - of[0]) for of in shares],
            "arrayminus": [_round(of[0] - of[1]) for of in shares],
        },
    }  # fmt: skip


def roc(curves: Sequence[tuple[str, Any, Any, str]]) -> Chart:
    """True against false alarms for every cut-off."""
    chance = line("chance 随机", [0.0, 1.0], [0.0, 1.0], PALE, showlegend=False, hoverinfo="skip")
    percent = {"tickformat": ".0%", "range": [0, 1.01]}
    return chart(
        chance,
        *(line(name, x, y, color) for name, x, y, color in curves),
        xaxis={"title": {"text": "of loans repaid 正常贷款占比"}, **percent},
        yaxis={"title": {"text": "of loans that default 违约贷款占比"}, **percent},
    )


def apart(scores_good: Any, scores_bad: Any) -> Chart:
    """How the scores of loans that default run below those of loans repaid; KS marked."""
    both = np.unique(np.concatenate([scores_good, scores_bad]))
    good, bad = (
        np.searchsorted(np.sort(of), both, side="right") / len(of)
        for of in (scores_good, scores_bad)
    )
    widest = int(np.argmax(bad - good))
    at = float(both[widest])
    gap = line("KS", [at, at], [good[widest], bad[widest]], INK, mode="lines+markers")
    gap["line"]["dash"] = "dot"
    return chart(
        line("default 违约", both, bad, RED),
        line("repaid 正常", both, good, OURS),
        gap,
        xaxis={"title": {"text": "score 评分"}},
        yaxis={"title": {"text": "at or below 累计占比"}, "tickformat": ".0%"},
    )


def calibration(sides: Sequence[tuple[str, Sequence[Bin], str]]) -> Chart:
    """Expected against observed, by tenths with 95 % bounds; on the line is right."""
    every = [bin for _, bins, _ in sides for bin in bins]
    top = max(max(bin.expected, bin.observed_high) for bin in every)
    right = line("expected 预期", [0.0, top], [0.0, top], PALE, showlegend=False, hoverinfo="skip")
    observed = [
        dots(
            name,
            [_round(bin.expected) for bin in bins],
            [(bin.observed, bin.observed_low, bin.observed_high) for bin in bins],
            color,
        )
        for name, bins, color in sides
    ]
    percent = {"tickformat": ".0%", "rangemode": "tozero"}
    return chart(
        right,
        *observed,
        xaxis={"title": {"text": "expected 预期违约率"}, **percent},
        yaxis={"title": {"text": "observed 实际违约率"}, **percent},
    )


def ladder(rungs: Sequence[tuple[str, float, float, float]], ceiling: float | None) -> Chart:
    """Approved at equal risk, AUC and KS as sources are added one by one."""
    names = [name for name, *_ in rungs]
    approved = bars("approved at equal risk 同等风险批准率", names, [one[3] for one in rungs], PALE)
    approved |= {
        "text": [f"{one[3]:.0%}" for one in rungs], "textposition": "outside", "cliponaxis": False,
    }  # fmt: skip
    curves = [
        {
            "type": "scatter", "mode": "lines+markers+text", "name": name, "x": names,
            "y": [_round(one[i]) for one in rungs], "yaxis": "y2",
            "line": {"color": color, "width": 2.5}, "marker": {"size": 8},
            "text": [f"{one[i]:.2f}" for one in rungs], "textposition": "top center",
            "textfont": {"color": color}, "cliponaxis": False,
        }
        for i, name, color in ((1, "AUC", OURS), (2, "KS", GOLD))
    ]  # fmt: skip
    known = (
        [
            line(
                f"truth's AUC 真值上限 {ceiling:.2f}",
                names,
                [ceiling] * len(names),
                RED,
                yaxis="y2",
            )
        ]
        if ceiling
        else []
    )
    for one in known:
        one["line"] |= {"dash": "dash", "width": 1.5}
    return chart(
        approved,
        *curves,
        *known,
        yaxis={"tickformat": ".0%", "range": [0, 1.12], "dtick": 0.2},
        yaxis2={
            "overlaying": "y",
            "side": "right",
            "range": [0, 1.12],
            "dtick": 0.2,
            "showgrid": False,
            "tickmode": "linear",
        },
        xaxis={"automargin": True},
    )


def bars(name: str, x: Sequence[Any], y: Sequence[float], color: str, **more: Any) -> Chart:
    """Columns."""
    return {
        "type": "bar", "name": name, "x": list(x), "y": [_round(one) for one in y],
        "marker": {"color": color}, **more,
    }  # fmt: skip


def ranking(names: Sequence[str], values: Sequence[float], title: str) -> Chart:
    """Names by size, the largest on top."""
    trace = bars("", [], [], OURS) | {
        "orientation": "h", "x": [_round(one) for one in values[::-1]], "y": list(names[::-1]),
    }  # fmt: skip
    return chart(trace, xaxis={"title": {"text": title}}, yaxis={"automargin": True})


def shape(
    feature: FeaturePoints, labels: Sequence[str], early: Sequence[float], late: Sequence[float]
) -> Chart:
    """Points of each step above how many loans stand on it, earlier and later ones."""
    points = {
        "type": "scatter", "mode": "lines+markers", "name": "points 分值", "x": list(labels),
        "y": [_round(one) for one in feature.all],
        "line": {"color": OURS, "width": 2, "shape": "hvh"}, "marker": {"size": 5},
    }  # fmt: skip
    return chart(
        bars("fitted on 建模", labels, early, PALE, yaxis="y2"),
        bars("held out 验证", labels, late, "#c9b98a", yaxis="y2"),
        points,
        showlegend=False,
        bargap=0.15,
        margin={"l": 34, "r": 8, "t": 6, "b": 8},
        xaxis={"tickfont": {"size": 9}, "automargin": True, "type": "category"},
        yaxis={
            "tickfont": {"size": 9},
            "zeroline": True,
            "overlaying": "y2",
            "nticks": 5,
            "tickmode": "auto",
        },
        yaxis2={
            "range": [0, 2.4 * max(*early, *late)],
            "showticklabels": False,
            "showgrid": False,
            "side": "right",
        },
    )


def heat(pair: PairPoints, rows: Sequence[str], columns: Sequence[str]) -> Chart:
    """Points that two features add only together."""
    most = max(abs(cell) for row in pair.cells for cell in row) or 1.0
    trace = {
        "type": "heatmap", "x": list(columns), "y": list(rows),
        "z": [[round(cell, 1) for cell in row] for row in pair.cells],
        "zmin": -most, "zmax": most, "showscale": False, "xgap": 1, "ygap": 1,
        "colorscale": [[0, RED], [0.5, "#f7f7f5"], [1, OURS]],
        "text": [[f"{round(cell):+d}" if round(cell) else "0" for cell in row]
                 for row in pair.cells],
        "texttemplate": "%{text}", "textfont": {"size": 10},
    }  # fmt: skip
    return chart(
        trace,
        xaxis={"type": "category", "automargin": True, "tickfont": {"size": 9}},
        yaxis={"type": "category", "automargin": True, "tickfont": {"size": 9}},
        margin={"l": 8, "r": 8, "t": 6, "b": 8},
    )


def over_time(
    names: Sequence[str], observed: Sequence[tuple[float, float, float]], expected: Sequence[float]
) -> Chart:
    """Default rates by time with their bounds, beside what was expected."""
    told = {
        "type": "scatter", "mode": "lines+markers", "name": "expected 预期", "x": list(names),
        "y": [_round(one) for one in expected], "line": {"color": OURS, "width": 2},
    }  # fmt: skip
    return chart(
        dots("observed 实际", names, observed, RED),
        told,
        xaxis={"type": "category"},
        yaxis={"tickformat": ".1%", "rangemode": "tozero"},
    )


def auc_over_time(names: Sequence[str], aucs: Sequence[float | None]) -> Chart:
    """AUC by time; times with too few defaults left open."""
    told = {
        "type": "scatter", "mode": "lines+markers", "name": "AUC", "x": list(names),
        "y": [None if one is None else _round(one) for one in aucs], "line": {"color": OURS},
        "connectgaps": False,
    }  # fmt: skip
    return chart(told, xaxis={"type": "category"}, yaxis={"range": [0.45, 1.0]})


def drifts(names: Sequence[str], moved: Sequence[Drift]) -> Chart:
    """The stability index beside what chance alone reaches, the largest excess on top."""
    found = bars("PSI", [], [], OURS) | {
        "orientation": "h", "y": list(names[::-1]), "x": [_round(one.psi) for one in moved[::-1]],
        "marker": {"color": [RED if one.moved else OURS for one in moved[::-1]]},
    }  # fmt: skip
    chance = {
        "type": "scatter", "mode": "markers", "name": "95 % of chance 随机波动上限",
        "y": list(names[::-1]), "x": [_round(one.by_chance) for one in moved[::-1]],
        "marker": {"symbol": "line-ns-open", "size": 14, "color": INK, "line": {"width": 2}},
    }  # fmt: skip
    return chart(found, chance, yaxis={"automargin": True}, xaxis={"rangemode": "tozero"})


def kinds(found: Sequence[Kind]) -> Chart:
    """Approval on top, default observed and expected below, one kind of firm beside another."""
    names = [f"{_in_two_lines(kind.name)}<br>{kind.loans:,}" for kind in found]
    approved = dots("approved 批准率", names, [kind.approved for kind in found], OTHER)
    expected = {
        "type": "scatter", "mode": "markers", "name": "expected 预期违约率", "x": names,
        "y": [_round(kind.expected) for kind in found], "yaxis": "y2",
        "marker": {"symbol": "line-ew-open", "size": 16, "color": OURS, "line": {"width": 3}},
    }  # fmt: skip
    observed = dots("observed 实际违约率", names, [kind.defaulted for kind in found], RED)
    return chart(
        approved,
        expected,
        observed | {"yaxis": "y2"},
        xaxis={
            "type": "category",
            "anchor": "y2",
            "automargin": True,
            "tickfont": {"size": 10},
            "range": [-0.6, len(names) - 0.4],
        },
        yaxis={"domain": [0.56, 1], "tickformat": ".0%", "range": [0, 1.05]},
        yaxis2={"domain": [0, 0.46], "tickformat": ".0%", "rangemode": "tozero"},
    )


def _in_two_lines(name: str) -> str:
    first, _, rest = name.partition(" ")
    return f"{first}<br>{shorten(rest, 13, placeholder='…')}" if len(name) > 9 and rest else name


def _round(value: Any) -> float:
    return round(float(value), 5)
