"""POST /v1/scores: the features of one loan as flat JSON in, its score with exact reasons out.

Works with every scorecard: one trained on a lender's own table takes the table's columns, one
trained on credit files takes the features of the portrait. Nothing is recorded.
"""

import json
from collections.abc import Sequence
from difflib import get_close_matches
from math import isfinite, nan
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from model import artifact
from model.credit_file import Fault
from model.features import FEATURES, NOT_SCORED
from model.portrait import Value
from model.reasons import Reason
from model.scorer import Scorer
from model.table import OWN_TABLE, Column, ScorecardFile
from service.application import refuse_duplicate_keys

MOST_TEXT = 500
"""Longest text a category may be, in characters."""
YES_NO = "yes/no"
_decode = msgspec.json.Decoder().decode


class ScoreVersions(Struct, frozen=True, kw_only=True):
    """What a score was made with: the first 16 characters of the scorecard's SHA-256."""

    scorecard: str


class Score(Struct, frozen=True, kw_only=True):
    """What the scorecard says of one loan.

    `contributions` are points against the reference loan, and `reference_score` plus their sum is
    the score before rounding. `reasons` are the features that lower the score, strongest first;
    when none does, those that raise it. `missing` had no value, `unseen` a category that the
    scorecard does not have: both are scored as such.
    """

    pd_12m: float
    score: int
    grade: str
    reasons: list[Reason]
    reference_score: float
    contributions: dict[str, float]
    missing: list[str]
    unseen: list[str]
    versions: ScoreVersions


class Scores:
    """A scorecard that answers for single loans given as feature name -> value."""

    def __init__(self, card: ScorecardFile, version: str) -> None:
        self.card, self.versions = card, ScoreVersions(scorecard=version)
        self.columns = {column.name: column for column in card.columns}
        self.names = list(self.columns)
        idle = [one for one in FEATURES if one.name not in {*self.columns, *NOT_SCORED}]
        self.idle = {} if card.columns[0].source == OWN_TABLE else {one.name: one for one in idle}
        self.scorer = Scorer(card, {name: at for at, name in enumerate(self.names)})
        self._seen = {name: frozenset(column.categories) for name, column in self.columns.items()}

    @classmethod
    def load(cls, folder: Path) -> "Scores":
        """The scorecard of an artefact; raises ScorecardError."""
        return cls(*artifact.load(folder))

    def parse(self, body: bytes) -> list[Value]:
        """Read a posted object as a row in the order of `names`.

        A feature that is not there is missing; one of the portrait that changes no score is passed
        over. Raises Fault naming the feature, the value got and
        what was expected.
        """
        try:
            posted = _decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _not_finite(body) or Fault(
                "body", body[:80].decode("utf-8", "replace"), f"valid JSON in UTF-8 ({error})"
            ) from None
        except RecursionError:
            raise Fault("body", "deeply nested JSON", "one flat object") from None
        if not isinstance(posted, dict):
            raise Fault("body", _shown(posted), "one flat object: feature name -> value")
        refuse_duplicate_keys(body)
        for name in posted:
            if name not in self.columns and name not in self.idle:
                raise Fault(name[:200], _shown(posted[name]), self._unknown(name))
        return [value_of(column, posted.get(name), name) for name, column in self.columns.items()]

    def _unknown(self, name: str) -> str:
        names = [*self.names, *self.idle]
        close = get_close_matches(name[:200], names, 1)
        lower = [known for known in names if known.lower() == name.lower()]
        if meant := lower or close:
            return f"a feature of the scorecard; did you mean {meant[0]!r}?"
        return "a feature of the scorecard; see the schema at /openapi.json"

    def score(self, values: Sequence[Value]) -> Score:
        """Score one row in the order of `names`."""
        scorer = self.scorer
        assessed = scorer.assess(values)
        points = [*assessed.contributions.values()]
        teller = scorer.teller
        reasons = teller.lowering(values, points, {}) or teller.strongest(values, points, {})
        row = list(zip(self.names, values, strict=True))
        return Score(
            pd_12m=assessed.pd_12m,
            score=assessed.score,
            grade=assessed.grade,
            reasons=reasons,
            reference_score=assessed.reference_score,
            contributions=assessed.contributions,
            missing=[name for name, value in row if value is None or value != value],
            unseen=[
                name for name, value in row
                if isinstance(value, str) and value not in self._seen[name]
            ],
            versions=self.versions,
        )  # fmt: skip

    def example(self) -> dict[str, Any]:
        """A loan near the reference: of each feature the step whose effect is nearest the mean."""
        return {name: _typical(column) for name, column in self.columns.items()}

    def request_schema(self) -> dict[str, Any]:
        """JSON Schema of what is posted, from the scorecard's own features."""
        return {
            "title": "Features",
            "type": "object",
            "description": "Feature name -> value; a feature left out or null is a missing value.",
            "properties": {
                **{name: _property(column) for name, column in self.columns.items()},
                **{
                    name: {
                        "description": f"{one.label_zh} / {one.label_en}. Changes no score here."
                    }
                    for name, one in self.idle.items()
                },
            },
            "additionalProperties": False,
        }


def own_table(folder: Path) -> Scores | None:
    """The scores of an artefact trained on a lender's own table; None of another or of none."""
    if not (folder / artifact.SCORECARD).exists():
        return None
    card, version = artifact.load(folder)
    return Scores(card, version) if card.columns[0].source == OWN_TABLE else None


def value_of(column: Column, value: object, at: str) -> Value:
    """One value as the scorer takes it; raises Fault at `at` when it is not of the feature's type.

    Missing is NaN for a number and None for a category; an empty text is missing.
    """
    if column.kind != "number":
        if value is None or value == "":
            return None
        if not isinstance(value, str) or len(value) > MOST_TEXT:
            listed = ", ".join(repr(one) for one in column.categories[:5])
            more = ", ..." if len(column.categories) > 5 else ""
            expected = f"a text of at most {MOST_TEXT} characters, such as {listed}{more}, or null"
            raise Fault(at, _shown(value), expected)
        return value
    if value is None:
        return nan
    if column.unit == YES_NO:
        if not isinstance(value, bool) and value not in (0, 1):
            raise Fault(at, _shown(value), "true, false or null")
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Fault(at, _shown(value), "a number or null")
    try:
        number = float(value)
    except OverflowError:
        number = float("inf")
    if not isfinite(number):
        raise Fault(at, _shown(value), "a finite number or null")
    return number


def _not_finite(body: bytes) -> Fault | None:
    """The feature that holds NaN, Infinity or a number beyond what a float can hold, if any."""
    try:
        posted = json.loads(body)
    except (ValueError, RecursionError):
        return None
    for name, value in posted.items() if isinstance(posted, dict) else ():
        if isinstance(value, float) and not isfinite(value):
            return Fault(name[:200], str(value), "a finite number or null")
    return None


def _shown(value: object) -> object:
    """A value short enough to show; containers are only named."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    if isinstance(value, int) and abs(value) >= 2**63:
        return "a number of more than 18 digits"
    if isinstance(value, str) and len(value) > 80:
        return value[:80] + "..."
    return value


def _typical(column: Column) -> float | str | bool | None:
    steps = column.contributions
    at = min(range(len(steps)), key=lambda step: abs(steps[step] - column.reference))
    if column.kind != "number":
        return column.categories[at] if column.categories else None
    if column.unit == YES_NO:
        return at > 0
    return column.cuts[min(at, len(column.cuts) - 1)] if column.cuts else 0.0


_DIRECTIONS = {
    1: "A higher value may only raise pd_12m.",
    -1: "A higher value may only lower pd_12m.",
}


def _property(column: Column) -> dict[str, Any]:
    said = [f"{column.label_zh} / {column.label_en}" + (f", {column.unit}" if column.unit else "")]
    if column.kind == "number":
        kind: Any = ["boolean", "null"] if column.unit == YES_NO else ["number", "null"]
        if column.direction:
            said.append(_DIRECTIONS[column.direction])
        return {"type": kind, "description": ". ".join(said)}
    listed = ", ".join(column.categories[:20]) + (", ..." if len(column.categories) > 20 else "")
    said.append(f"Seen in training: {listed}")
    return {
        "type": ["string", "null"],
        "maxLength": MOST_TEXT,
        "description": ". ".join(said),
    }
