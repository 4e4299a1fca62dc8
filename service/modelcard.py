"""The model card: what a reviewer asks of a scorecard, as Markdown from its report."""

from __future__ import annotations

from pathlib import Path

from model.table import OWN_TABLE
from service.book import FEWEST_KINDS, MOST_KINDS
from service.report import Report

TEMPLATE = Path(__file__).with_suffix(".md")
MOST_NAMED = 5


def markdown(told: Report) -> str:
    """The card of a measured scorecard."""
    from jinja2 import Environment, StrictUndefined

    measured = told.champion.held_out
    columns = [shape.feature.column for shape in told.shapes]
    made = Environment(undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True)
    return made.from_string(TEMPLATE.read_text("utf-8")).render(
        told=told,
        card=told.book.card,
        measured=measured,
        own=columns[0].source == OWN_TABLE,
        directed=sum(column.direction != 0 for column in columns),
        principal=[column.label_en for column in columns[:MOST_NAMED]],
        inside=sum(
            bin.observed_low <= bin.expected <= bin.observed_high for bin in measured.calibration
        ),
        moved=sum(shape.drift.moved for shape in told.shapes),
        fewest=FEWEST_KINDS,
        most=MOST_KINDS,
    )
