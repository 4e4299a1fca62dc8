"""A firm's months as a picture: five curves over time, what happened to it marked across them."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from service.charts import GOLD, GREY, INK, OTHER, OURS, RED

COLORS = {
    "loan": OTHER, "default": RED, "suit": GOLD, "enforcement": GOLD, "dishonest": INK,
    "abnormal": GREY, "closed": INK,
}  # fmt: skip
STYLES = {"loan": "-", "default": "-", "suit": ":"}
HAN_FONTS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "Source Han Sans CN",
    "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei", "SimHei", "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
)  # fmt: skip
"""Fonts with Chinese characters, the first that is there is used."""

Words = Mapping[str, tuple[str, str]]
"""Name -> what it is called in zh and en."""


def drawing_is_installed() -> bool:
    """Whether the library that draws pictures is there."""
    return importlib.util.find_spec("matplotlib") is not None


def han_font() -> str | None:
    """A font that is installed and has Chinese characters; None where there is none."""
    from matplotlib import font_manager

    known = {one.name for one in font_manager.fontManager.ttflist}
    return next((name for name in HAN_FONTS if name in known), None)


def years_table(story: Any, series: Words, kinds: Words) -> Group:
    """A firm year by year for a terminal: flows summed, stocks at each end; then its events."""
    table = Table(title=f"{story.name}  {story.uscc}", title_justify="left")
    told = list(story.series)
    for zh, en in (("年", "year"), ("月", "months"), *(series[name] for name in told)):
        table.add_column(f"{zh}\n{en}", justify="right", overflow="fold")
    for year in story.years:
        figures = (amount(year.values[name]) for name in told)
        table.add_row(year.year, str(year.months), *figures)
    below = Table(show_header=False, padding=(0, 1), box=None)
    for label, value in story.facts.items():
        below.add_row(Text(label, style="dim"), value)
    for event in story.events:
        below.add_row(Text(event.month, style="dim"), f"{' '.join(kinds[event.kind])} {event.says}")
    return Group(table, below)


def amount(value: float) -> str:
    """A number for a narrow column.

    >>> amount(221_004_312.0), amount(455_603.4)
    ('221.00 m', '455,603')
    """
    return f"{value / 1e6:,.2f} m" if abs(value) >= 1e6 else f"{value:,.0f}"


def draw(story: Any, series: Words, kinds: Words, out: Path, font: str | None = None) -> None:
    """Draw a firm's months into a PNG file; labels in Chinese, too, where a font is given."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    known = ["DejaVu Sans"] if font is None else [font, "DejaVu Sans"]
    with rc_context({"font.family": known, "axes.unicode_minus": False}):
        told = list(story.series)
        figure = Figure(figsize=(11, 1.0 + 1.75 * len(told)), layout="constrained")
        axes = figure.subplots(len(told), 1, sharex=True, squeeze=False)[:, 0]
        places = range(len(story.months))
        for axis, name in zip(axes, told, strict=True):
            axis.plot(places, story.series[name], color=OURS, linewidth=1.6)
            axis.fill_between(places, story.series[name], color=OURS, alpha=0.08)
            axis.set_title(label(series[name], font), loc="left", fontsize=10, color=INK)
            axis.set_ylim(bottom=0)
            axis.yaxis.set_major_formatter(short)
            axis.tick_params(labelsize=8, colors="#59636a")
            axis.grid(axis="y", color="#eceeec")
            axis.spines[["top", "right"]].set_visible(False)
        _mark(axes, story, kinds, font)
        halves = [at for at in places if story.months[at].endswith(("-01", "-07"))]
        axes[-1].set_xticks(halves, [story.months[at] for at in halves])
        name = story.name if font else ""
        figure.suptitle(f"{name}  {story.uscc}".strip(), x=0.01, ha="left", fontsize=13, color=INK)
        figure.savefig(out, dpi=110)


def _mark(axes: Any, story: Any, kinds: Words, font: str | None) -> None:
    """Lines across all curves where something happened, a legend of their kinds on top."""
    place = {month: at for at, month in enumerate(story.months)}
    lines: dict[str, Any] = {}
    for event in story.events:
        at = place.get(event.month)
        if at is None and event.kind == "closed" and event.month > story.months[-1]:
            at = len(story.months) - 1
        if at is None:
            continue
        for axis in axes:
            line = axis.axvline(
                at, color=COLORS[event.kind], linestyle=STYLES.get(event.kind, "--"), linewidth=1.4
            )
        lines[event.kind] = line
    if lines:
        names = [label(kinds[kind], font) for kind in lines]
        axes[0].legend(lines.values(), names, loc="lower right", bbox_to_anchor=(1.0, 1.0),
                       ncols=len(lines), fontsize=8, frameon=False)  # fmt: skip


def label(words: Sequence[str], font: str | None) -> str:
    """Words in both languages, or in English alone where no font has the others."""
    zh, en = words
    return f"{zh} {en}" if font else en


def short(value: float, _: object = None) -> str:
    """A number for an axis.

    >>> short(2_500_000.0), short(12_000.0), short(30.0)
    ('2.5m', '12k', '30')
    """
    for size, unit in ((1e6, "m"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
