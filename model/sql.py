"""The scorecard as one SELECT, to score loans where they lie: SQLite, DuckDB, PostgreSQL.

SQL has no NaN that means missing (PostgreSQL and DuckDB put it above every number), so a missing
number must be NULL in the table, as must a missing category; an empty text counts as missing, too.
"""

from collections.abc import Sequence

from model.credit_file import Fault
from model.points import OUTPUTS, YES_NO, FeaturePoints, PairPoints, Points, refuse_names
from model.table import Axis, Column, ScorecardError

ADDENDS = 40
"""Terms in one pair of parentheses: a sum of hundreds is too deep for some parsers."""
FURTHEST = 700.0
"""Log-odds beyond which a probability is 0 or 1: EXP of more is an error in some databases."""


def query(found: Points, table: str) -> str:
    """SQL that gives every loan of a table its probability, score and grade.

    The answer has the table's own columns, then score_exact (double), pd_12m (double), score
    (score_exact rounded, half to even) and grade (text). The table has one column for each feature,
    of the same name: numbers in a numeric type, a yes/no as boolean or 0 and 1, categories as text.
    EXP and ROUND are all it needs; SQLite has EXP when it is built with its mathematical functions,
    as it usually is. `table` may be schema.table. Raises Fault for an impossible table name and
    ScorecardError for features that SQL could not tell apart or from the answer.
    """
    refuse_names(found, OUTPUTS)
    _refuse_twins(found)
    columns = {feature.column.name: feature.column for feature in found.features}
    terms = [_feature(feature) for feature in found.features]
    terms += [_pair(pair, columns) for pair in found.pairs]
    groups = [terms[i : i + ADDENDS] for i in range(0, len(terms), ADDENDS)]
    total = "\n      + ".join("(\n" + _block("+ ", group) + "\n      )" for group in groups)
    even, per_logit = found.even_score, found.points_per_logit
    grades = " ".join(
        f'WHEN rated."pd_12m" < {_number(band.pd_12m_below)} THEN {_text(band.grade)}'
        for band in found.card.grades[:-1]
    )
    last = _text(found.card.grades[-1].grade)
    grade = f"CASE {grades} ELSE {last} END" if grades else last
    return f"""-- {_comment(found.card.name)}, version {_comment(found.version)}
SELECT rated.*,
  {grade} AS "grade"
FROM (
  SELECT scored.*,
    CASE WHEN scored."score_exact" > {_number(even + FURTHEST * per_logit)} THEN 0.0E0
      WHEN scored."score_exact" < {_number(even - FURTHEST * per_logit)} THEN 1.0E0
      ELSE 1.0E0 / (1.0E0 + EXP((scored."score_exact" - {_number(even)}) / {_number(per_logit)}))
    END AS "pd_12m",
    CAST(CASE WHEN ABS(ROUND(scored."score_exact") - scored."score_exact") = 0.5E0
      THEN 2.0E0 * ROUND(scored."score_exact" / 2.0E0)
      ELSE ROUND(scored."score_exact") END AS BIGINT) AS "score"
  FROM (
    SELECT loan.*,
      CAST({_number(found.reference_score)}
      + {total} AS DOUBLE PRECISION) AS "score_exact"
    FROM {_table(table)} AS loan
  ) AS scored
) AS rated;
"""


def _block(joint: str, terms: Sequence[str]) -> str:
    return "\n".join(f"        {joint if i else '  '}{term}" for i, term in enumerate(terms))


def _feature(feature: FeaturePoints) -> str:
    column, steps = feature.column, [_number(step) for step in feature.steps]
    missing, unknown = _number(feature.missing), _number(feature.unknown)
    if column.kind == "number":
        return _steps(column, column.cuts, [*steps, missing])
    return _category(column, dict(zip(column.categories, steps, strict=True)), unknown, missing)


def _pair(pair: PairPoints, columns: dict[str, Column]) -> str:
    """A CASE over the first feature's bands with one over the second's in each."""
    first, second = pair.table.first, pair.table.second
    across = [
        _bands(columns[second.feature], second, [_number(cell) for cell in row])
        for row in pair.cells
    ]
    return _bands(columns[first.feature], first, across)


def _bands(column: Column, axis: Axis, values: Sequence[str]) -> str:
    """CASE over one side of a two-way table; the last value is for the last band."""
    if column.kind == "number":
        return _steps(column, axis.cuts, values)
    groups = zip(axis.groups, values[:-1], strict=True)
    listed = {category: value for group, value in groups for category in group}
    return _category(column, listed, values[-1], values[-1])


def _steps(column: Column, cuts: Sequence[float], values: Sequence[str]) -> str:
    """CASE over a number's steps; the value after the last step's is for NULL."""
    name = f"loan.{_name(column.name)}"
    of = f"CAST({name} AS INTEGER)" if column.unit == YES_NO else name
    below = zip(cuts, values[:-2], strict=True)
    whens = [f"WHEN {of} <= {_number(cut)} THEN {value}" for cut, value in below]
    whens.insert(0, f"WHEN {name} IS NULL THEN {values[-1]}")
    return f"CASE {' '.join(whens)} ELSE {values[-2]} END"


def _category(column: Column, values: dict[str, str], other: str, missing: str) -> str:
    """CASE over a text's values; NULL and an empty text are missing."""
    of = f"loan.{_name(column.name)}"
    whens = [f"WHEN {of} IS NULL OR {of} = '' THEN {missing}"]
    whens += [f"WHEN {of} = {_text(text)} THEN {value}" for text, value in values.items()]
    return f"CASE {' '.join(whens)} ELSE {other} END"


def _number(value: float) -> str:
    """A number with an exponent, which makes it a floating-point number everywhere."""
    text = repr(value)
    text = text if "e" in text else f"{text}E0"
    return f"({text})" if value < 0 else text


def _text(value: str) -> str:
    if "\0" in value:
        raise ScorecardError(f"columns: got the text {value!r}, expected none with a zero byte")
    return "'" + value.replace("'", "''") + "'"


def _name(value: str) -> str:
    if not value or "\0" in value:
        raise ScorecardError(f"columns: got the name {value!r}, expected one that SQL can hold")
    return '"' + value.replace('"', '""') + '"'


def _table(name: str) -> str:
    parts = name.split(".")
    if not all(parts) or "\0" in name:
        raise Fault("--table", name, "the name of a table, such as loans or risk.loans")
    return ".".join(_name(part) for part in parts)


def _comment(text: str) -> str:
    """On one line, so that a name cannot end the comment."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def _refuse_twins(found: Points) -> None:
    """SQL does not tell `Income` from `income`; raises ScorecardError."""
    seen: dict[str, str] = {}
    for feature in found.features:
        name = feature.column.name
        if (twin := seen.setdefault(name.casefold(), name)) != name:
            raise ScorecardError(
                f"columns: got {twin!r} and {name!r}, expected names that differ in more than case"
            )
