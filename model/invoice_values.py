"""The cells of an invoice list as values: days, fen, statuses, firms.

Whole columns are arrays of Arrow; what cannot be read comes back marked, never guessed. Each rule
is in docs/invoices.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple
from unicodedata import normalize

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from stdnum.cn import uscc as stdnum_uscc

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

NO_DAY = np.iinfo(np.int32).min
MOST_FEN = 10**15
"""10 million million yuan, the most an amount of a credit file may be."""
UNREAD, BLANK = -1, -2
NOTHING = pa.array(
    ["", "NULL", "null", "None", "N/A", "#N/A", "NaN", "nan", "NaT", "\\N", "-", "--"]
)
"""Texts that mean an empty cell."""

VALID, VOID, RED, REVERSED, UNSURE = 0, 1, 2, 3, 4
STATUS_CODES = {"valid": VALID, "void": VOID, "red": RED, "reversed": REVERSED}
_STATUS_WORDS = {
    VALID: "有效发票 有效 正常 正常发票 正数发票 蓝字 蓝字发票 蓝票 已开具 valid normal ok issued",
    VOID: "作废发票 作废 已作废 废票 无效 无效发票 void voided cancelled canceled invalid",
    RED: "红字 红字发票 红票 负数发票 负数 red redletter creditnote",
    REVERSED: "已红冲 被红冲 已冲红 已红冲全额 已红冲部分 全额红冲 部分红冲 reversed",
    UNSURE: "红冲 冲红",
}
_FLAG_WORDS = {VOID: "是 y yes true t 1 已作废 作废", VALID: "否 n no false f 0 未作废 正常"}
STATUSES, VOID_FLAGS = (
    {said: code for code, listed in known.items() for said in listed.split()}
    for known in (_STATUS_WORDS, _FLAG_WORDS)
)
"""Word without case, spaces and punctuation -> what it says of the invoice."""

STAND_IN, HASHED = "99000000", "98000000"
"""How a stand-in begins: 000000 is no administrative division, so no real firm has such a code."""
_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_SHORT = re.compile(rf"[{_ALPHABET[1:]}][{_ALPHABET}]{{0,8}}")
LOST_DIGITS = re.compile(r"\d(\.\d+)?[eE]\+\d+")
"""A code that a spreadsheet turned into a number: its last digits are gone."""

_EPOCH, _SERIAL_ZERO = date(1970, 1, 1), date(1899, 12, 30)
FIRST_DAY = date(1990, 1, 1)
_DAY_US, _CHINA_US = 86_400_000_000, 8 * 3_600_000_000
_YEAR_FIRST = re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})(\d{6})?")
_YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})")
_NAMED_MONTH = re.compile(r"(\d{1,2})[-/ ]([A-Za-z]{3,9})[-/ ,]+(\d{4})")
_SERIAL = re.compile(r"[1-9]\d{4}(\.\d+)?")
_TIME = r"(?:[Tt]|\s)\s*\d{1,2}\s*[:时]\s*\d{1,2}.*$"
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec"

_PLAIN = r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$"
_GROUPED = re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d*)?")
_COMMA = re.compile(r"[-+]?(\d{1,3}([. ]\d{3})+|\d+)(,\d*)?")
_YUAN_SIGN = re.compile(
    r"^([-+]?)\s*(?:¥|CNY|RMB|人民币)\s*|\s*(?:元|圆|CNY|RMB)\s*$", re.IGNORECASE
)


class Dates(NamedTuple):
    """How dates are read: a strptime pattern if one is stated; whether 3/4/2017 is the third."""

    pattern: str | None = None
    day_first: bool | None = None


class Firm(NamedTuple):
    """A firm as its list names it, and the code its credit file bears."""

    given: str
    uscc: str
    stand_in: str  # "" for a valid USCC, else why another code stands for it


def tidy(text: str) -> str:
    """A text in its usual width, without spaces around it and apostrophes before it."""
    return normalize("NFKC", text).strip().lstrip("'").strip()


def word(text: str) -> str:
    """A word without case, spaces and punctuation, to be looked up."""
    return re.sub(r"[\W_]+", "", normalize("NFKC", text)).lower()


@lru_cache(maxsize=50_000)
def firm_of(text: str) -> Firm | None:
    """The firm of a cell: its USCC, or a stand-in made of the code it was given; None if neither.

    >>> firm_of("E12")
    Firm(given='E12', uscc='99000000000000E12H', stand_in='not a USCC')
    """
    given = tidy(text)
    if not given or len(given) > 200 or LOST_DIGITS.fullmatch(given):
        return None
    compact = re.sub(r"[\s-]+", "", given).upper()
    if stdnum_uscc.is_valid(compact):
        return Firm(compact, compact, "")
    why = "18 characters, but its check digit is wrong" if len(compact) == 18 else "not a USCC"
    if _SHORT.fullmatch(given):
        body = STAND_IN + given.rjust(9, "0")
    else:
        number, letters = int.from_bytes(blake2b(given.encode(), digest_size=8).digest()), ""
        for _ in range(9):
            number, digit = divmod(number, 31)
            letters += _ALPHABET[digit]
        body = HASHED + letters
    return Firm(given, body + stdnum_uscc.calc_check_digit(body), why)


def kind_of_date(text: str) -> str:
    """What form a date is written in, as it is shown to people; "" for none that is known."""
    text = re.sub(_TIME, "", tidy(text))
    forms = {
        _YEAR_FIRST: "year first", _COMPACT: "YYYYMMDD", _NAMED_MONTH: "18-Jul-2017",
        _SERIAL: "Excel serial number",
    }  # fmt: skip
    if found := _YEAR_LAST.fullmatch(text):
        return "D.M.YYYY" if found[2] == "." else "D/M/YYYY or M/D/YYYY"
    return next((form for pattern, form in forms.items() if pattern.fullmatch(text)), "")


def day_first(texts: Collection[str]) -> bool | None:
    """Whether dates such as 3/4/2017 begin with the day; None when none of the texts settles it."""
    found = [_YEAR_LAST.fullmatch(re.sub(_TIME, "", tidy(text))) for text in texts]
    parts = [(int(one[1]), int(one[3])) for one in found if one and one[2] != "."]
    first, second = any(a > 12 for a, _ in parts), any(b > 12 for _, b in parts)
    return None if first == second else first


@lru_cache(maxsize=100_000)
def day_of(text: str, dates: Dates) -> int:
    """One date as days since 1970; NO_DAY when it is none."""
    text = tidy(text)
    try:
        if dates.pattern is not None and (read := _by_pattern(text, dates.pattern)) is not None:
            return read
        text = re.sub(_TIME, "", text).strip()
        if dates.pattern is not None and not _YEAR_FIRST.fullmatch(text):
            return NO_DAY  # a cell of a workbook that is a date comes with its year first
        if (found := _YEAR_FIRST.fullmatch(text)) or (found := _COMPACT.fullmatch(text)):
            day = date(int(found[1]), int(found[2]), int(found[3]))
        elif found := _YEAR_LAST.fullmatch(text):
            one, two, year = int(found[1]), int(found[3]), int(found[4])
            if found[2] == "." or dates.day_first:
                day = date(year, two, one)
            elif dates.day_first is None:
                return NO_DAY
            else:
                day = date(year, one, two)
        elif found := _NAMED_MONTH.fullmatch(text):
            day = date(int(found[3]), _MONTHS.index(found[2][:3].lower()) // 4 + 1, int(found[1]))
        elif _SERIAL.fullmatch(text):
            day = _SERIAL_ZERO + timedelta(days=int(float(text)))
        else:
            return NO_DAY
    except (ValueError, OverflowError):
        return NO_DAY
    return (day - _EPOCH).days


def _by_pattern(text: str, pattern: str) -> int | None:
    try:
        return (datetime.strptime(text, pattern).date() - _EPOCH).days  # noqa: DTZ007
    except ValueError:
        return None


def date_of(day: int) -> date:
    """Days since 1970 as a date."""
    return _EPOCH + timedelta(days=int(day))


def day_number(day: date) -> int:
    """A date as days since 1970."""
    return (day - _EPOCH).days


@lru_cache(maxsize=100_000)
def yuan_of(text: str, decimal: str) -> float | None:
    """One amount as it is written: thousands separated, ¥ or 元 around it, (12.00) below zero."""
    text = tidy(text).replace("\u2212", "-").replace("'", "")
    sign = 1.0
    if text.startswith("(") and text.endswith(")"):
        text, sign = text[1:-1].strip(), -1.0
    text = _YUAN_SIGN.sub(r"\1", _YUAN_SIGN.sub(r"\1", text)).strip()
    if text.endswith("-") and not text.startswith("-"):
        text, sign = text[:-1].strip(), -sign
    text = re.sub(r"^([-+])\s+", r"\1", text)
    if decimal == ",":
        if not _COMMA.fullmatch(text):
            return None
        text = re.sub(r"[. ]", "", text).replace(",", ".")
    else:
        text = re.sub(r"(?<=\d) (?=\d{3}(\D|$))", ",", text)
        if "," in text:
            if not _GROUPED.fullmatch(text):
                return None
            text = text.replace(",", "")
    return sign * float(text) if re.match(_PLAIN, text) and text.isascii() else None


def comma_decimals(texts: Collection[str]) -> str | None:
    """The first amount that only makes sense with a comma before its cents, such as 1.234,56."""
    pattern = re.compile(r"[-+]?(\d{1,3}(\.\d{3})+|\d+),(\d{1,2}|\d{4,})")
    return next((text for text in texts if pattern.fullmatch(tidy(text))), None)


def texts_of(column: Any) -> Any:
    """A column as trimmed texts, empty ones null; (n,)."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_floating(column.type):
        values = column.to_numpy(zero_copy_only=False)
        whole = np.isfinite(values) & (values == np.rint(values)) & (np.abs(values) < 1e15)
        integers = pa.array(np.where(whole, values, 0).astype(np.int64)).cast(pa.string())
        texts = pc.if_else(pa.array(whole), integers, column.cast(pa.string()))
        return pc.if_else(column.is_valid(), texts, None)
    if not pa.types.is_string(column.type):
        column = column.cast(pa.string())
    column = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.is_in(column, NOTHING), None, column)


def _mapped(texts: Any, look: Callable[[str], int], blank: int) -> Ints:
    """Each text looked up once for the whole column; (n,)."""
    encoded = texts.dictionary_encode()
    known = np.array([look(text) for text in encoded.dictionary.to_pylist()] + [blank])
    at = encoded.indices.fill_null(len(known) - 1).to_numpy(zero_copy_only=False)
    found: Ints = known[at].astype(np.int64)
    return found


def days(column: Any, dates: Dates) -> Ints:
    """A column of dates as days since 1970, NO_DAY where one is none; times are dropped."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        shift = _CHINA_US if kind.tz else 0
        moments = column.cast(pa.timestamp("us", kind.tz), safe=False).cast(pa.int64())
        known = moments.is_valid().to_numpy(zero_copy_only=False)
        numbers = moments.fill_null(0).to_numpy(zero_copy_only=False)
        at: Ints = np.where(known, (numbers + shift) // _DAY_US, NO_DAY)
        return at
    if pa.types.is_date(column.type):
        numbers = column.cast(pa.date32()).cast(pa.int32())
        found: Ints = numbers.fill_null(NO_DAY).to_numpy(zero_copy_only=False).astype(np.int64)
        return found
    texts = texts_of(column)
    if dates.pattern is None and (pc.max(pc.utf8_length(texts)).as_py() or 0) > 10:
        texts = pc.replace_substring_regex(texts, _TIME, "")
    return _mapped(texts, lambda text: day_of(text, dates), NO_DAY)


def fen(column: Any, decimal: str, unit_yuan: float) -> tuple[Ints, Bools, Bools]:
    """A column of amounts in fen, which of them are blank, which cannot be read; three of (n,)."""
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        yuan = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        blank = ~column.is_valid().to_numpy(zero_copy_only=False) | np.isnan(yuan)
    else:
        texts = texts_of(column)
        blank = texts.is_null().to_numpy(zero_copy_only=False)
        yuan = _yuan(texts, decimal)
    scaled = np.rint(
        np.nan_to_num(yuan * (unit_yuan * 100.0), nan=0.0, posinf=1e300, neginf=-1e300)
    )
    bad = ~blank & (~np.isfinite(yuan) | (np.abs(scaled) > MOST_FEN))
    return np.where(bad | blank, 0.0, scaled).astype(np.int64), blank, bad


def _yuan(texts: Any, decimal: str) -> NDArray[np.float64]:
    """Texts as yuan; NaN where one is blank or none."""
    if decimal == ".":
        try:
            found: NDArray[np.float64] = texts.cast(pa.float64()).to_numpy(zero_copy_only=False)
            return found
        except pa.ArrowInvalid:
            pass
        grouped = pc.match_substring_regex(texts, f"^{_GROUPED.pattern}$")
        texts = pc.if_else(grouped, pc.replace_substring(texts, ",", ""), texts)
        plainly = pc.match_substring_regex(texts, _PLAIN)
    else:
        plainly = pc.match_substring_regex(texts, r"^[-+]?\d+$")
    yuan = np.array(pc.if_else(plainly, texts, None).cast(pa.float64()), dtype=np.float64)
    rest = np.flatnonzero(~plainly.fill_null(True).to_numpy(zero_copy_only=False))
    for at, text in zip(rest, texts.take(pa.array(rest)).to_pylist(), strict=True):
        read = yuan_of(text, decimal)
        yuan[at] = np.nan if read is None else read
    return yuan


def words(column: Any, known: Mapping[str, int]) -> Ints:
    """A column of words as the codes they stand for; UNREAD for an unknown one, BLANK for none."""
    return _mapped(
        texts_of(column),
        lambda text: known.get(word(text), known.get(text, UNREAD)),
        known.get("", BLANK),
    )


def hashes(column: Any) -> NDArray[np.uint64]:
    """A column of names as numbers that tell them apart, 0 where blank; (n,)."""
    encoded = texts_of(column).dictionary_encode()
    names = [normalize("NFKC", text).upper().strip() for text in encoded.dictionary.to_pylist()]
    known = np.append(_hashed(names), np.uint64(0))
    at = encoded.indices.fill_null(len(known) - 1).to_numpy(zero_copy_only=False)
    found: NDArray[np.uint64] = known[at]
    return found


def keys(parts: list[Any]) -> NDArray[np.uint64]:
    """Invoice numbers (code and numbers together) as numbers that tell them apart, 0 where blank.

    Zeros in front and ".0" behind do not count; a number in scientific notation is none.
    """
    told = []
    for part in parts:
        texts = texts_of(part)
        if pc.any(pc.match_substring_regex(texts, r"[eE'.]")).as_py():
            texts = pc.replace_substring_regex(texts, r"^'|\.0+$", "")
            lost = pc.match_substring_regex(texts, f"^{LOST_DIGITS.pattern}$")
            texts = pc.if_else(lost, None, texts)
        told.append(pc.utf8_ltrim(pc.fill_null(texts, ""), characters="0"))
    joined = pc.binary_join_element_wise(*told, "|") if len(told) > 1 else told[0]
    blank = np.array(pc.equal(pc.replace_substring(joined, "|", ""), ""))
    found = _hashed(joined.to_numpy(zero_copy_only=False))
    found[blank] = 0
    return found


def _hashed(texts: Any) -> NDArray[np.uint64]:
    if not len(texts):
        return np.zeros(0, np.uint64)
    found = pd.util.hash_array(np.asarray(texts, dtype=object), categorize=False)
    return np.where(found == 0, np.uint64(1), found)
