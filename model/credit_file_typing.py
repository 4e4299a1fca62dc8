"""Typing faults of a posted credit file that harm nobody, and how they are taken away.

Nothing is looked at here while a request is as it should be: only one that is refused is read
again, and if a rule below applies, tried once more. The rules are told in docs/credit-file.md.
"""

from typing import Any

from model.credit_file import MONTHLY, SOURCES

Plain = dict[str, Any]
"""JSON as Python holds it."""

_HALF_WIDTH = {0xFF01 + i: 0x21 + i for i in range(94)} | {0x3000: 0x20}
_IN_NAMES = {
    wide: half for wide, half in _HALF_WIDTH.items() if chr(half).isalnum() or half == 0x20
}
"""Letters, digits and the space: punctuation is part of a Chinese name as it is."""
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\ufeff"))


def tidy_code(text: str) -> str:
    """A code without spaces, full-width characters and lower-case letters."""
    return "".join(text.translate(_INVISIBLE).translate(_HALF_WIDTH).split()).upper()


def tidy_name(text: str) -> str:
    """A name without spaces around it and without full-width letters, digits and spaces."""
    return text.translate(_INVISIBLE).translate(_IN_NAMES).strip()


def tidied(posted: Any) -> bool:
    """Take away what is only badly typed, in place; whether anything was.

    `posted` is a request as decoded: codes and names lose spaces and full-width characters, codes
    lower-case letters; a month told twice in a row with the same values stays once.
    """
    if not isinstance(posted, dict):
        return False
    application, file = posted.get("application"), posted.get("credit_file")
    found = [_tidy(application, "applicant", tidy_code), _tidy(file, "uscc", tidy_code)]
    if isinstance(file, dict):
        registry = file.get("registry")
        found += [_tidy(registry, key, tidy_code) for key in ("industry_code", "region")]
        found += [_tidy(registry, "name", tidy_name)]
        found += [_tidy(file.get(source), "uscc", tidy_code) for source in SOURCES]
        found += [_once(file.get(source), lists) for source, lists in MONTHLY.items()]
    return any(found)


def _tidy(record: Any, key: str, rule: Any) -> bool:
    if not isinstance(record, dict) or not isinstance(record.get(key), str):
        return False
    typed = record[key]
    record[key] = rule(typed)
    return bool(record[key] != typed)


def _once(section: Any, lists: tuple[str, ...]) -> bool:
    """Keep one of two equal rows for the same month, one after the other."""
    if not isinstance(section, dict):
        return False
    columns: list[Any] = [section.get(name) for name in ("months", *lists)]
    if not all(isinstance(column, list) for column in columns):
        return False
    if len({len(column) for column in columns}) > 1:
        return False
    rows = list(zip(*columns, strict=True))
    kept = [row for i, row in enumerate(rows) if i == 0 or row != rows[i - 1]]
    if len(kept) == len(rows):
        return False
    for at, name in enumerate(("months", *lists)):
        section[name] = [row[at] for row in kept]
    return True
