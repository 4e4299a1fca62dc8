"""The columns of a lender's own table: read from a file, recognised, turned into features.

A CSV file is read as text first, so that a category is always the text that stands in the file and
never depends on which other rows stand beside it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from model.schema import ColumnSchema, Type
from model.steps import MOST_CATEGORIES

IDENTIFIER_SHARE = 0.9
"""Texts of which more than this share are distinct name the loan, they do not describe it."""

_DATE_FORMATS = (
    "ISO8601",
    "%d-%b-%y",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%d.%m.%Y",
    "%Y/%m/%d",
    "%Y年%m月%d日",
)
_TIME_NAME = re.compile(
    r"(^|_)(year|fy|date|dt|month|quarter|vintage|cohort)(_|$)|年份|年月|日期|月份"
)
_CODE_NAME = re.compile(
    r"(^|_)(id|uuid|guid|key|nr|ssn|iban|phone|mobile|email|zip|zipcode|postcode)(_|$)"
    r"|(^|_)(code|naics|sic)\d*(_|$)|编号|证号|代码|电话|手机|邮编"
)


_AMOUNT = re.compile(
    r"\s*\(?\s*-?\s*[$€£¥￥]?\s*-?(?P<number>(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)\s*\)?\s*"
)


def read_table(path: Path, as_text: Collection[str] | None = ()) -> pd.DataFrame:
    """The rows of a CSV (UTF-8 or GB 18030) or Parquet file.

    `as_text` names the columns of a CSV file that stay text though they read as numbers; None: all.
    Raises ValueError naming the file and what was expected.
    """
    try:
        if path.suffix.lower() == ".parquet":
            table = _read_parquet(path)
        elif path.suffix.lower() == ".csv":
            table = _read_csv(path, as_text)
        else:
            raise ValueError(f"{path}: expected a name that ends in .csv or .parquet")
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}; expected a CSV or Parquet file") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, csv.Error) as error:
        raise ValueError(f"{path}: {str(error).strip()}; expected a CSV file") from None
    table.columns = [str(name) for name in table.columns]
    if table.empty:
        raise ValueError(f"{path}: no rows; expected a header and one row per loan")
    for name in table.columns:
        if not 0 < len(name) <= 200:
            raise ValueError(f"{path}: a column is named {name[:40]!r}; expected 1 to 200 letters")
    return table.reset_index(drop=True)


def _read_parquet(path: Path) -> pd.DataFrame:
    with path.open("rb") as file:
        try:
            return pd.read_parquet(file)
        except (OSError, ValueError, NotImplementedError) as error:
            said = str(error).partition("\n")[0]
            raise ValueError(f"{path}: {said}; expected a Parquet file") from None


def _read_csv(path: Path, as_text: Collection[str] | None) -> pd.DataFrame:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            with path.open(encoding=encoding, newline="") as file:
                header = next(csv.reader(file), [])
            twice = sorted({name for name in header if header.count(name) > 1})
            if twice:
                raise ValueError(f"{path}: columns {twice} appear twice, expected distinct names")
            table = pd.read_csv(path, dtype=str, encoding=encoding, index_col=False)
            break
        except UnicodeDecodeError:
            continue
    else:
        raise ValueError(f"{path}: neither UTF-8 nor GB 18030; expected a CSV file in UTF-8")
    if as_text is None:
        return table
    return table.assign(
        **{name: _plain(table[name]) for name in table.columns if name not in as_text}
    )


def _plain(values: pd.Series[Any]) -> pd.Series[Any]:
    """Text of a CSV file as numbers or yes/no where all of it reads so."""
    seen = set(values.dropna().unique()[:10])
    if seen and seen <= {"True", "False", "true", "false", "TRUE", "FALSE"}:
        return values.str.lower().map({"true": 1.0, "false": 0.0}).astype("boolean")
    try:
        return pd.Series(_floats(values), index=values.index)
    except ValueError:
        return values


def _floats(values: pd.Series[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Numbers, exactly as Python reads each; NaN where missing."""
    texts = values.astype(object)
    return texts.where(texts.notna(), np.nan).to_numpy(dtype=object).astype(np.float64)


def _unsigned(value: Any) -> Any:
    """An amount such as `$60,000.00` or `(1,200.50)` as the number it is; all else as it is."""
    if not isinstance(value, str) or not (found := _AMOUNT.fullmatch(value)):
        return value
    negative = value.strip().startswith("(") != ("-" in value)
    return float(found["number"].replace(",", "")) * (-1.0 if negative else 1.0)


def _amounts(texts: pd.Series[Any]) -> bool:
    """Whether all texts are amounts, and some show that a comma parts thousands."""
    if not texts.map(_AMOUNT.fullmatch).notna().all():
        return False
    return bool(texts.str.contains(r"[$€£¥￥]|,\d{3}\.|,\d{3},").any())


def recognise(name: str, values: pd.Series[Any]) -> ColumnSchema:
    """What a column is by its name and values, and why it is left out when it is."""
    present = values.dropna()
    try:
        distinct = present.nunique()
    except TypeError:
        return _left_out("other", "lists or objects; expected numbers, texts or yes/no")
    if distinct == 0 or (distinct == 1 and len(present) == len(values)):
        return _left_out("constant", "the same in every row" if distinct else "empty in every row")
    if pd.api.types.is_bool_dtype(values.dtype):
        return ColumnSchema(type="number", unit="yes/no")
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return _left_out(
            "date", "a date: give it as --time, or make a number of it (an age, a span)"
        )
    if pd.api.types.is_timedelta64_dtype(values.dtype):
        return _left_out("other", "a span of time; write it as a number of days")
    if pd.api.types.is_numeric_dtype(values.dtype) or _decimal(present):
        return _number(name, _floats(present), distinct)
    return _text(present.astype(str), distinct)


def _left_out(kind: Type, why: str) -> ColumnSchema:
    return ColumnSchema(type=kind, leave_out=why)


def _decimal(present: pd.Series[Any]) -> bool:
    return pd.api.types.infer_dtype(present) == "decimal"


def _snake(name: str) -> str:
    return re.sub(r"[\s.-]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)).lower()


def named_as_code(name: str) -> bool:
    """The name of a column says that its numbers are codes."""
    return bool(_CODE_NAME.search(_snake(name)))


def _number(name: str, numbers: np.ndarray[Any, Any], distinct: int) -> ColumnSchema:
    whole = bool((numbers == np.floor(numbers)).all())
    if whole and distinct >= 0.99 * len(numbers) and len(numbers) >= 50:
        counted = bool((np.diff(numbers) > 0).all() or (np.diff(numbers) == -1).all())
        if counted or named_as_code(name):
            return _left_out("identifier", "one whole number per row: it names the loan")
    low, high = numbers.min(), numbers.max()
    bounds = ((1900, 2100), (190001, 210012), (19000101, 21001231))
    if whole and _TIME_NAME.search(_snake(name)) and any(a <= low and high <= b for a, b in bounds):
        return _left_out("date", "a time: what it says of past loans does not go on into new ones")
    return ColumnSchema(type="number")


def _text(texts: pd.Series[Any], distinct: int) -> ColumnSchema:
    if _dates(texts).notna().mean() >= 0.95:
        return _left_out(
            "date", "a date: give it as --time, or make a number of it (an age, a span)"
        )
    if _amounts(texts):
        return ColumnSchema(type="number")
    if distinct > IDENTIFIER_SHARE * len(texts) and len(texts) >= 50:
        return _left_out("identifier", "nearly every row has a text of its own: it names the loan")
    if distinct > MOST_CATEGORIES:
        why = f'{distinct:,} distinct texts; type = "category" uses the {MOST_CATEGORIES} commonest'
        if pd.to_numeric(texts, errors="coerce").notna().all():
            why += ', type = "number" the numbers they read as'
        elif texts.map(_AMOUNT.fullmatch).notna().mean() >= 0.9:
            why += f"; if they are amounts (the first is {texts.iloc[0]!r}), write plain numbers"
        return _left_out("text", why)
    return ColumnSchema(type="category")


def _dates(texts: pd.Series[Any]) -> pd.Series[Any]:
    """Texts as dates in the first usual format that reads most of them; NaT where it does not."""
    best = pd.Series(pd.NaT, index=texts.index)
    if texts.str.len().median() < 8:  # a number of few digits is no date
        return best
    for form in _DATE_FORMATS:
        read = pd.to_datetime(texts, format=form, errors="coerce", utc=True)
        if read.notna().sum() > best.notna().sum():
            best = read
        if read.notna().all():
            break
    return best


def times(name: str, values: pd.Series[Any]) -> pd.Series[Any]:
    """A time column in an order: dates, or numbers such as a year; missing stays missing.

    Raises ValueError when it reads as neither.
    """
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return values
    present = values.dropna()
    if pd.api.types.is_numeric_dtype(values.dtype) or _decimal(present):
        return pd.Series(_floats(values), index=values.index)
    read = _dates(present.astype(str))
    bad = present[read.isna()]
    if len(bad) > 0.01 * len(present) or present.empty:
        found = repr(str(bad.iloc[0])[:40]) if len(bad) else "nothing"
        raise ValueError(
            f"--time {name}: row {bad.index[0] + 1 if len(bad) else 1} holds {found}, expected "
            "dates such as 2024-01-31, or numbers such as a year"
        )
    return read.reindex(values.index)


def feature(name: str, values: pd.Series[Any], column: ColumnSchema) -> pd.Series[Any]:
    """A column as the scorecard takes it: float64, or texts as categories; missing stays missing.

    Raises ValueError naming column, row and value when it is not of its type.
    """
    if column.type == "number":
        try:
            numbers = values if _is_plain(values) else values.astype(object).map(_unsigned)
            return pd.Series(_floats(numbers), index=values.index, name=name)
        except (TypeError, ValueError):
            row = next(i for i, value in enumerate(values) if not _reads_as_number(value))
            raise ValueError(
                f"column {name}, row {row + 1}: got {str(values.iloc[row])[:40]!r}, "
                "expected a number"
            ) from None
    texts = _texts(values)
    if column.type == "ordered":
        listed = column.categories or []
        strange = sorted({str(text) for text in texts.dropna().unique()} - set(listed))
        if strange:
            raise ValueError(f"column {name}: got {strange[:5]}, expected one of {listed}")
        return pd.Series(
            pd.Categorical(texts, categories=listed, ordered=True), index=values.index, name=name
        )
    return pd.Series(pd.Categorical(texts), index=values.index, name=name)


def _texts(values: pd.Series[Any]) -> pd.Series[Any]:
    """Values as texts; a whole number without its point, an empty text as missing."""

    def text(value: Any) -> str | None:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool):
            return str(value).lower()
        return str(value) or None

    objects = values.astype(object)
    return objects.where(objects.notna(), None).map(text, na_action="ignore")


def _is_plain(values: pd.Series[Any]) -> bool:
    return pd.api.types.is_numeric_dtype(values.dtype)


def _reads_as_number(value: Any) -> bool:
    try:
        float(_unsigned(value))
    except (TypeError, ValueError):
        return bool(pd.isna(value))
    return True
