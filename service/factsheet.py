"""The fact sheet of a world: published figures beside its own, as table, Markdown and a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from rich.console import Group
from rich.table import Table
from rich.text import Text

from service import charts
from service.charts import GREY, INK, OURS, PALE, RED, Chart
from service.rendering import rendered

GROUPS = {
    "firms": ("企业", "Firms"),
    "invoices": ("发票与纳税", "Invoices and tax"),
    "records": ("公共记录", "Public records"),
    "loans": ("贷款", "Loans"),
    "epidemic": ("2020年疫情", "The epidemic of 2020"),
}
VERDICTS = {True: ("在内", "inside"), False: ("在外", "OUTSIDE"), None: ("无法判断", "cannot say")}
NOT_JUDGED = ("不评判", "not judged")
_STYLES = {True: "green", False: "bold red", None: "dim"}
_COLORS = {True: OURS, False: RED, None: GREY}
_PERCENT = ("share", "rate", "growth")


class Line(Struct, frozen=True, kw_only=True):
    """One fact: what was published, how near is near enough and why, what the world has."""

    code: str
    group: str
    zh: str
    label: str
    en: str
    unit: str
    source: str
    why: str
    published: tuple[float, float]
    bounds: tuple[float, float]
    value: float | None
    own: float
    n: int
    inside: bool | None
    judged: bool = True

    @property
    def verdict(self) -> tuple[str, str]:
        """Whether it is inside, in Chinese and English."""
        return VERDICTS[self.inside] if self.judged else NOT_JUDGED

    @property
    def family(self) -> str:
        """What facts that can share an axis have in common: the start of the code, and the unit."""
        return f"{self.code.partition('-')[0]}-{self.unit}"

    @property
    def name(self) -> str:
        """The fact on an axis, in two lines."""
        return f"{self.zh}<br><i>{self.label}</i>"


class Checked(Struct, frozen=True, kw_only=True):
    """One check: what must hold on all rows, what was found."""

    code: str
    zh: str
    en: str
    expected: str
    found: str
    passed: bool | None


class Tenth(Struct, frozen=True, kw_only=True):
    """A tenth of the applications by true probability: defaults expected and seen."""

    n: int
    expected: float
    observed: float
    error: float


class Sheet(Struct, frozen=True, kw_only=True):
    """All that the fact sheet of a world tells."""

    about: dict[str, Any]
    lines: list[Line]
    checks: list[Checked]
    tenths: list[Tenth]

    @property
    def met(self) -> tuple[int, int]:
        """Facts inside, of those the world can say."""
        said = [one.inside for one in self.lines if one.inside is not None]
        return sum(said), len(said)

    @property
    def failed(self) -> list[Checked]:
        """Checks that do not hold."""
        return [one for one in self.checks if one.passed is False]

    def of(self, group: str) -> list[Line]:
        """The facts of a group."""
        return [one for one in self.lines if one.group == group]


def sheet(
    world: Path,
    lines: Sequence[dict[str, Any]],
    checks: Sequence[dict[str, Any]],
    tenths: Sequence[dict[str, Any]],
) -> Sheet:
    """The fact sheet of a world, from what was measured on it as plain fields."""
    return Sheet(
        about=msgspec.json.decode((world / "world.json").read_bytes()),
        lines=msgspec.convert(list(lines), list[Line]),
        checks=msgspec.convert(list(checks), list[Checked]),
        tenths=msgspec.convert(list(tenths), list[Tenth]),
    )


def number(value: float, unit: str) -> str:
    """A figure as people read it.

    >>> number(0.0739, "rate"), number(6_950_000.0, "yuan"), number(1.24, "times")
    ('7.39 %', '6.95 million', '1.24')
    """
    if unit in _PERCENT:
        sign = "+" if unit == "growth" and value > 0 else ""
        return f"{sign}{100 * value:.{2 if unit == 'rate' or abs(value) < 0.02 else 1}f} %"
    if unit == "yuan":
        return f"{value / 1e6:,.2f} million" if abs(value) >= 1e6 else f"{value:,.0f}"
    if unit == "log":
        return f"{value:+.2f}"
    return f"{value:.3g}"


def span(ends: tuple[float, float], unit: str) -> str:
    """A figure, or a range of figures."""
    low, high = (number(end, unit) for end in ends)
    return low if low == high else f"{low} to {high}"


def world_figure(one: Line) -> str:
    """The world's figure with its sampling error."""
    if one.value is None:
        return "–"
    own = number(one.own, "share" if one.unit in ("growth", "rate") else one.unit).lstrip("+")
    return f"{number(one.value, one.unit)} ± {own}"


def tables(sheet: Sheet) -> Group:
    """The fact sheet for a terminal: facts by group, checks, and how many hold."""
    shown: list[Any] = []
    for group, (zh, en) in GROUPS.items():
        table = Table(title=f"{zh} {en}", title_justify="left", expand=True)
        for column, ratio in (("fact", 8), ("published", 5), ("tolerated", 5), ("world, 95 %", 5)):
            right = "left" if column == "fact" else "right"
            table.add_column(column, justify=right, ratio=ratio)  # type: ignore[arg-type]
        table.add_column("", min_width=7)
        for one in sheet.of(group):
            table.add_row(
                Text(f"{one.label} {one.zh}"), span(one.published, one.unit),
                span(one.bounds, one.unit), world_figure(one), one.verdict[1],
                style=_STYLES[one.inside],
            )  # fmt: skip
        shown.append(table)
    table = Table(title="检查 Checks", title_justify="left", expand=True)
    for column in ("check", "expected", "found", ""):
        table.add_column(column, ratio=3 if column in ("check", "found") else 1)
    words = {True: "holds", False: "BROKEN", None: "cannot say"}
    for check in sheet.checks:
        table.add_row(
            Text(f"{check.en} {check.zh}"), check.expected, Text(check.found),
            words[check.passed], style=_STYLES[check.passed],
        )  # fmt: skip
    return Group(*shown, table, Text(summary(sheet), style="bold"))


def summary(sheet: Sheet) -> str:
    """One sentence: facts inside, checks that hold."""
    inside, said = sheet.met
    share = f" ({inside / said:.0%})" if said else ""
    apart = sum(not one.judged for one in sheet.lines)
    silent = len(sheet.lines) - said - apart
    rest = f"; {silent} more this world is too small or too short for" if silent else ""
    rest += f"; {apart} of another population are told, not judged" if apart else ""
    held = sum(one.passed is True for one in sheet.checks)
    told = sum(one.passed is not None for one in sheet.checks)
    return f"{inside} of {said} published facts inside{share}{rest}; {held} of {told} checks hold."


def markdown(sheet: Sheet) -> str:
    """The fact sheet as a Markdown page."""
    return "\n".join(_markdown(sheet)) + "\n"


def _markdown(sheet: Sheet) -> Iterator[str]:
    about, sources = sheet.about, _sources(sheet)
    yield "# The world against the facts"
    yield ""
    yield (
        f"A world of {about['firms']:,} firms and {about['months']} months from "
        f"{about['first_month']}, seed {about['seed']}, measured by `yidaitong facts`."
    )
    yield ""
    yield f"**{summary(sheet)}**"
    yield ""
    yield (
        "A fact is inside when the world's figure, with its own 95 % sampling error (±), lies in "
        "the tolerated range: what was published and a tolerance argued from the source. Where "
        "that error is larger than the range, the world cannot say. What was published of another "
        "population than firms that issue VAT invoices and ask banks for loans is not judged."
    )
    for group, (zh, en) in GROUPS.items():
        yield from ("", f"## {en} {zh}", "")
        yield "| fact | published | tolerated, and why | world | n | |"
        yield "|---|--:|---|--:|--:|---|"
        for one in sheet.of(group):
            cells = (
                f"{one.en} {one.zh}", f"{span(one.published, one.unit)} [{sources[one.source]}]",
                f"{span(one.bounds, one.unit)}: {one.why}", world_figure(one),
                f"{one.n:,}" if one.n else "",
                f"**{one.verdict[1].lower()}**" if one.inside is False else one.verdict[1],
            )  # fmt: skip
            yield f"| {' | '.join(cells)} |"
    yield from ("", "## Checks 检查", "", "| check | expected | found | |", "|---|---|---|---|")
    words = {True: "holds", False: "**broken**", None: "cannot say"}
    for check in sheet.checks:
        yield (
            f"| {check.en} {check.zh} | {check.expected} | {check.found} | {words[check.passed]} |"
        )
    if sheet.tenths:
        yield from ("", "Defaults by tenths of the true probability, all applications:", "")
        yield from ("| tenth | applications | expected | seen | 95 % of chance |",
                    "|--:|--:|--:|--:|--:|")  # fmt: skip
        for at, tenth in enumerate(sheet.tenths, 1):
            yield (
                f"| {at} | {tenth.n:,} | {tenth.expected:.2%} | {tenth.observed:.2%} "
                f"| ± {1.96 * tenth.error:.2%} |"
            )
    yield from ("", "## Sources", "")
    yield from (f"{at}. {source}" for source, at in sources.items())


def _sources(sheet: Sheet) -> dict[str, int]:
    """Source -> its number, in the order in which they are met."""
    return {one: at for at, one in enumerate(dict.fromkeys(x.source for x in sheet.lines), 1)}


def families(lines: Sequence[Line]) -> dict[str, list[Line]]:
    """Facts that can share an axis: at least three of one kind, the others by unit."""
    kinds: dict[str, list[Line]] = {}
    for one in lines:
        kinds.setdefault(one.family, []).append(one)
    found: dict[str, list[Line]] = {}
    for family, members in kinds.items():
        for one in members:
            alone = len(members) < 3
            found.setdefault(f"other-{one.unit}" if alone else family, []).append(one)
    return found


def beside(lines: Sequence[Line]) -> Chart:
    """Published and tolerated ranges as bars, the world as dots, one fact a row."""
    lines = list(lines)[::-1]
    names = [one.name for one in lines]
    known = [one for one in lines if one.value is not None]
    percent = all(one.unit in _PERCENT for one in lines)
    far = max(one.bounds[1] for one in lines) > 20 * max(min(one.bounds[0] for one in lines), 1e-9)
    return charts.chart(
        _segments("容差 tolerated", names, [one.bounds for one in lines], PALE),
        _segments("公布值 published", names, [one.published for one in lines], INK),
        {
            "type": "scatter", "mode": "markers", "name": "模拟 world",
            "x": [one.value for one in known], "y": [one.name for one in known],
            "error_x": {"type": "data", "array": [one.own for one in known], "thickness": 1.4,
                        "width": 3, "color": GREY},
            "marker": {"size": 9, "color": [_COLORS[one.inside] for one in known],
                       "line": {"color": "#fff", "width": 1}},
            "text": [f"{one.en}<br>{world_figure(one)}" for one in known],
            "hovertemplate": "%{text}<extra></extra>",
        },
        xaxis={"tickformat": ".1~%" if percent else "", "type": "log" if far and
               all(one.unit == "yuan" for one in lines) else "linear"},
        yaxis={"type": "category", "categoryarray": names, "range": [-0.6, len(names) - 0.4]},
        height=48 + 38 * len(names),
        showlegend=False,
    )  # fmt: skip


def _segments(
    name: str, names: Sequence[str], ends: Sequence[tuple[float, float]], color: str
) -> Chart:
    """Ranges as thick strokes; a single figure as a tick."""
    x, y = [], []
    for label, (low, high) in zip(names, ends, strict=True):
        x += [low, high, None]
        y += [label, label, None]
    dark = color == INK
    return {
        "type": "scatter", "mode": "lines+markers" if dark else "lines", "name": name, "x": x,
        "y": y, "line": {"color": color, "width": 3 if dark else 13}, "hoverinfo": "skip",
        "marker": {"symbol": "line-ns-open", "size": 13, "color": color, "line": {"width": 2}},
    }  # fmt: skip


def calibration(tenths: Sequence[Tenth]) -> Chart:
    """Defaults seen against expected by tenths of the true probability."""
    top = max(one.expected for one in tenths) * 1.1
    right = charts.line("预期 expected", [0.0, top], [0.0, top], PALE, showlegend=False)
    seen = [
        (one.observed, one.observed - 1.96 * one.error, one.observed + 1.96 * one.error)
        for one in tenths
    ]
    percent = {"tickformat": ".0%", "rangemode": "tozero"}
    return charts.chart(
        right,
        charts.dots("实际 seen", [round(one.expected, 5) for one in tenths], seen, OURS),
        xaxis={"title": {"text": "真值预期 expected by the truth"}, **percent},
        yaxis={"title": {"text": "实际 seen"}, **percent},
        height=320,
    )


def drawn(sheet: Sheet) -> dict[str, Chart]:
    """Every chart of the page by the name of its place."""
    found = {
        f"{group}-{family}": beside(lines)
        for group in GROUPS
        for family, lines in families(sheet.of(group)).items()
    }
    if sheet.tenths:
        found["calibration"] = calibration(sheet.tenths)
    return found


def html(sheet: Sheet) -> str:
    """The fact sheet as one page that fetches nothing."""
    from plotly.offline import get_plotlyjs

    drawing = msgspec.json.encode(drawn(sheet)).decode().replace("</", "<\\/")
    return rendered(
        "factsheet.html",
        sheet=sheet,
        groups=GROUPS,
        families={group: list(families(sheet.of(group))) for group in GROUPS},
        sources=_sources(sheet),
        summary=summary(sheet),
        span=span,
        figure=world_figure,
        charts=drawing,
        plotly=get_plotlyjs(),
    )
