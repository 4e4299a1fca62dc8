"""The frontier: how many are approved against how many of them default, for every cut-off.

One curve for the scorecard as it is, and one for each source as if it gave no answer, over the same
applications. The score alone decides here, no rule: the distance between two curves is what a
source is worth to it.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from model.credit_file import SOURCES
from model.features import SOURCE_LABELS
from model.portrait import portrait
from service.backtest import Chunk, Parts, cases
from service.decide import Engine
from service.rendering import drawn, rendered

BINS = 400
EDGES = [10 ** (-4 + 4 * (i + 1) / BINS) for i in range(BINS)]
"""Upper ends of the bins of pd_12m, 0.01 % to 100 %, evenly spaced by their logarithms."""
SHOWN_FROM = 0.05
"""Share approved from which a curve is drawn: before, a default more or less is everything."""
ALL = "all"


class Curve(Struct):
    """Applications with a known outcome by bin of pd_12m, and how many of them defaulted."""

    known: list[int]
    defaults: list[int]

    def add(self, other: "Curve") -> None:
        """Add the counts of another curve."""
        for mine, theirs in ((self.known, other.known), (self.defaults, other.defaults)):
            mine[:] = [a + b for a, b in zip(mine, theirs, strict=True)]


class Point(Struct, frozen=True):
    """One cut-off: approve below this pd_12m; share approved and share of those that default."""

    pd_12m: float
    approved: float
    default_rate: float


class Frontier(Struct, frozen=True):
    """Curves by source left out ("all": none), and how many applications they are made of."""

    applications: int
    curves: dict[str, Curve]

    def points(self, left_out: str) -> list[Point]:
        """The curve of a source left out, one point for every cut-off at which it changes."""
        curve, known, defaults, found = self.curves[left_out], 0, 0, []
        total = sum(curve.known)
        for edge, more, bad in zip(EDGES, curve.known, curve.defaults, strict=True):
            known, defaults = known + more, defaults + bad
            if more:
                found.append(Point(edge, known / total, defaults / known))
        return found

    def at_approval(self, left_out: str, approved: float) -> Point:
        """The point of a curve nearest to a share approved."""
        return min(self.points(left_out), key=lambda point: abs(point.approved - approved))

    def at_default_rate(self, left_out: str, rate: float) -> Point | None:
        """The point that approves most while no more than this share of the approved default."""
        kept = [point for point in self.points(left_out) if point.default_rate <= rate]
        return max(kept, key=lambda point: point.approved, default=None)


def frontier(
    chunks: Iterable[Chunk], parts: Parts, every: int = 1, workers: int = 2
) -> Iterator[Frontier]:
    """The frontier of one chunk after another, to be merged; of one application in `every`."""
    if workers == 1:
        _start(parts)
        yield from map(partial(_counted, every=every), chunks)
        return
    with ProcessPoolExecutor(workers, initializer=_start, initargs=(parts,)) as pool:
        yield from pool.map(partial(_counted, every=every), list(chunks))


def merged(parts: Iterable[Frontier]) -> Frontier:
    """All chunks together."""
    applications, curves = 0, _empty()
    for part in parts:
        applications += part.applications
        for name, curve in part.curves.items():
            curves[name].add(curve)
    return Frontier(applications, curves)


def _empty() -> dict[str, Curve]:
    return {name: Curve([0] * BINS, [0] * BINS) for name in (ALL, *SOURCES)}


_engines: list[Engine] = []


def _start(parts: Parts) -> None:
    _engines[:] = [parts.load()]


def _counted(chunk: Chunk, every: int) -> Frontier:
    (engine,), curves, applications = _engines, _empty(), 0
    for at, (_, credit_file, _, defaulted) in enumerate(cases(chunk)):
        if defaulted is None or at % every:
            continue
        applications += 1
        for name, curve in curves.items():
            told = credit_file if name == ALL else replace(credit_file, **{name: None})
            _, pd_12m, _ = engine.scorer.rate(portrait(told))
            place = min(bisect_right(EDGES, pd_12m), BINS - 1)
            curve.known[place] += 1
            curve.defaults[place] += defaulted
    return Frontier(applications, curves)


def page(found: Frontier, cut_off: float) -> str:
    """The frontier as a page that needs no network, with what each source is worth as a table."""
    from plotly.graph_objects import Figure, Scatter

    figure = Figure()
    for name in found.curves:
        points = [point for point in found.points(name) if point.approved >= SHOWN_FROM]
        figure.add_trace(
            Scatter(
                x=[point.approved for point in points],
                y=[point.default_rate for point in points],
                customdata=[point.pd_12m for point in points],
                name=label(name),
                mode="lines",
                line={"width": 4, "color": "#1c2430"} if name == ALL else {"width": 1.6},
                hovertemplate="approve pd below %{customdata:.2%}<br>approved %{x:.1%}, "
                "of which %{y:.2%} default",
            )
        )
    figure.update_layout(
        xaxis={"title": "approved 批准率", "tickformat": ".0%"},
        yaxis={"title": "default rate of the approved 违约率", "tickformat": ".1%"},
    )
    return rendered(
        "frontier.html",
        chart=drawn(figure, "32rem"),
        applications=f"{found.applications:,}",
        cut_off=f"{cut_off:.0%}",
        rows=rows(found, cut_off),
    )


def worth(found: Frontier, cut_off: float) -> list[tuple[str, Point, Point | None]]:
    """Per source left out: the point of equal approval, and that of equal default rate.

    Both against all sources at a cut-off of pd_12m.
    """
    points = found.points(ALL)
    base = max([point for point in points if point.pd_12m <= cut_off] or points[:1],
               key=lambda point: point.pd_12m)  # fmt: skip
    return [
        (
            name,
            found.at_approval(name, base.approved),
            found.at_default_rate(name, base.default_rate),
        )
        for name in found.curves
    ]


def label(left_out: str) -> str:
    """A curve's name in English and Chinese."""
    if left_out == ALL:
        return "all sources 全部数据"
    zh, en = SOURCE_LABELS[left_out]
    return f"without {en} 无{zh}"


def rows(found: Frontier, cut_off: float) -> list[tuple[str, str, str]]:
    """What each source is worth, in words: sources, default rate, share approved."""
    return [
        (
            label(name),
            f"{equal.default_rate:.2%}",
            "-" if same_risk is None else f"{same_risk.approved:.1%}",
        )
        for name, equal, same_risk in worth(found, cut_off)
    ]


def write(found: Frontier, out: Path, cut_off: float) -> None:
    """Write the page."""
    out.write_text(page(found, cut_off), "utf-8")
