"""Many loans at once: a table in, the same numbers as POST /v1/scores out, row by row."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model.credit_file import Fault
from model.portrait import Value
from service.scores import MOST_TEXT, YES_NO, Scores, value_of

RATED = ("pd_12m", "score", "grade")
REASONS = ("reasons_zh", "reasons_en")


def score_table(source: Path, to: Path, scores: Scores, *, reasons: bool = True) -> int:
    """Write the rows of a CSV or Parquet file with their scores added; returns how many.

    Without reasons whole columns are scored at once, which is many times faster.

    A feature the file has no column for is missing in every row, but a file without any is refused.
    Raises Fault or ValueError naming column, row and value.
    """
    from model.columns import read_table

    categories = [name for name, column in scores.columns.items() if column.kind != "number"]
    table = read_table(source, categories)
    if to.suffix.lower() not in (".csv", ".parquet"):
        raise ValueError(f"--out: got {to.name!r}, expected a name that ends in .csv or .parquet")
    known = [name for name in scores.names if name in table]
    if not known:
        raise ValueError(
            f"{source}: has none of the scorecard's columns; expected "
            f"{', '.join(scores.names[:12])}"
        )
    taken = [name for name in (*RATED, *REASONS) if name in table]
    if taken:
        raise ValueError(f"{source}: has a column {taken[0]!r} already; expected one without")
    columns = [_values(scores, table, name) for name in scores.names]
    added = _reasoned(scores, columns) if reasons else _rated(scores, columns)
    table = read_table(source, as_text=None)  # a CSV file's columns are given back as they are
    table = table.assign(**added)
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        if to.suffix.lower() == ".csv":
            table.to_csv(to, index=False)
        else:
            table.to_parquet(to, index=False)
    except OSError as error:
        raise ValueError(f"--out: {to}: {error.strerror}; expected a file to write") from None
    return len(table)


def _reasoned(scores: Scores, columns: Sequence[Sequence[Value]]) -> dict[str, Any]:
    """What every loan gets, row by row, with reasons."""
    scored = [scores.score(row) for row in zip(*columns, strict=True)]
    return {
        **{name: [getattr(one, name) for one in scored] for name in RATED},
        "reasons_zh": ["；".join(reason.text_zh for reason in one.reasons) for one in scored],
        "reasons_en": ["; ".join(reason.text_en for reason in one.reasons) for one in scored],
    }


def _rated(scores: Scores, columns: Sequence[Sequence[Value]]) -> dict[str, Any]:
    """What every loan gets, column by column."""
    from model.batch import Batch

    found = Batch(scores.scorer).rate(dict(zip(scores.names, columns, strict=True)))
    return {name: getattr(found, name) for name in RATED}


def _values(scores: Scores, table: Any, name: str) -> list[Any]:
    """One feature of every row, as the scorer takes it."""
    from model.columns import feature
    from model.schema import ColumnSchema

    column = scores.columns[name]
    if name not in table:
        return [value_of(column, None, name)] * len(table)
    if column.kind == "number":
        read = feature(name, table[name], ColumnSchema(type="number"))
        values = read.tolist()
        if column.unit == YES_NO:
            return [value_of(column, None if v != v else v, f"{name}, row {i}")
                    for i, v in enumerate(values, 1)]  # fmt: skip
        return values
    read = feature(name, table[name], ColumnSchema(type="category"))
    texts = [None if text != text else text for text in read.astype(object).tolist()]
    long = next((i for i, text in enumerate(texts, 1) if len(text or "") > MOST_TEXT), None)
    if long:
        raise Fault(f"{name}, row {long}", "a long text", f"at most {MOST_TEXT} characters")
    return texts
