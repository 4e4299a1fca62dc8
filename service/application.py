"""One request for a loan: who asks, for how much, for what, and which sources may be read."""

import json
import re
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from model.credit_file import SOURCES, CreditFile, Fault, Uscc, check, sections
from model.credit_file_typing import tidied

Purpose = Literal["working_capital", "equipment", "inventory", "epidemic_supplies", "other"]
SourceName = Literal[
    "registry", "tax", "invoices", "social_security", "electricity", "courts", "bank",
    "credit_bureau", "housing_fund", "water", "customs", "intellectual_property", "hiring",
    "online", "industrial_internet",
]  # fmt: skip


class _Record(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the records an applicant sends."""


class Consent(_Record, frozen=True, kw_only=True):
    """The sources the applicant allowed to be read, and since when."""

    granted: date
    sources: Annotated[list[SourceName], Meta(min_length=1, max_length=20)]


class Application(_Record, frozen=True, kw_only=True):
    """One request: applicant, amount, tenor, purpose, consent."""

    applicant: Uscc
    amount_yuan: Annotated[float, Meta(ge=1_000, le=1_000_000_000)]
    tenor_months: Annotated[int, Meta(ge=1, le=120)]
    purpose: Purpose
    consent: Consent


class Request(_Record, frozen=True, kw_only=True):
    """What is posted: an application and the credit file it is decided on."""

    application: Application
    credit_file: CreditFile


Posted = TypeVar("Posted")
_decode = msgspec.json.Decoder(Request).decode
_decode_any = msgspec.json.Decoder().decode


def parse(body: bytes, today: date) -> Request:
    """Read a posted request.

    `today` is the latest date a credit file may bear. What is only badly typed, such as a space
    after a code, is read as meant (model/credit_file_typing.py). Raises Fault naming the field, the
    value got and what was expected.
    """
    request = strictly(body, _decode, _tidied)
    try:
        _check(request, today)
    except Fault:
        tidy = _tidied(body)
        if tidy is None:
            raise
        request = tidy
        _check(request, today)
    return request


def strictly(
    body: bytes,
    decode: Callable[[bytes], Posted],
    mend: Callable[[bytes], Posted | None] = lambda _: None,
) -> Posted:
    """Read what was posted as a record of one kind; raises Fault as `parse` does.

    `mend` reads once more what is only badly typed; None when nothing is.
    """
    try:
        try:
            posted = decode(body)
        except msgspec.ValidationError as error:
            mended = mend(body)
            if mended is None:
                raise _fault_of(error, _decode_any(body)) from None
            posted = mended
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Fault("body", _excerpt(body), f"valid JSON in UTF-8 ({error})") from None
    except RecursionError:
        raise Fault("body", "deeply nested JSON", "nesting as in the schema") from None
    refuse_duplicate_keys(body)
    return posted


def _tidied(body: bytes) -> Request | None:
    """The request without its typing faults; None when it has none."""
    posted = _decode_any(body)
    if not tidied(posted):
        return None
    try:
        return _decode(msgspec.json.encode(posted))
    except msgspec.ValidationError as error:
        raise _fault_of(error, posted) from None


def _check(request: Request, today: date) -> None:
    application, credit_file = request.application, request.credit_file
    if application.applicant != credit_file.uscc:
        raise Fault(
            "credit_file.uscc", credit_file.uscc, f"application.applicant {application.applicant}"
        )
    if credit_file.as_of > today:
        raise Fault(
            "credit_file.as_of", credit_file.as_of.isoformat(), f"a date not after today, {today}"
        )
    if application.consent.granted > credit_file.as_of:
        raise Fault(
            "application.consent.granted",
            application.consent.granted.isoformat(),
            f"a date not after credit_file.as_of = {credit_file.as_of}",
        )
    consented = application.consent.sources
    for source, section in zip(SOURCES, sections(credit_file), strict=True):
        if section is not None and source not in consented:
            raise Fault(
                f"credit_file.{source}",
                "a section",
                f"null, or {source!r} in application.consent.sources: without consent a source "
                "must not be read",
            )
    check(credit_file)


def refuse_duplicate_keys(body: bytes) -> None:
    """Refuse JSON in which an object names a key twice.

    A document without duplicates has exactly as many colons as keys, unless a text holds a colon;
    only then is it read again, slowly.
    """
    if body.count(b":") == _count_keys(body):
        return

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for key, value in pairs:
            if key in seen:
                raise Fault(key, value, f"{key!r} once in its object; it is there twice")
            seen[key] = value
        return seen

    json.loads(body, object_pairs_hook=unique)


def _count_keys(body: bytes) -> int:
    """Keys of all objects of a request, each once; fewer for a document that is none.

    Months of numbers are stepped over: only some lists of the contract hold objects.
    """
    try:
        parts = _decode_parts(body)
    except msgspec.ValidationError:  # not in the form of a request
        return _keys_within(_decode_any(body))
    count = len(parts)
    for part in parts.values():
        count += len(part)
        for section in part.values():
            if type(section) is dict:
                count += len(section)
                for name in _LISTS & section.keys():
                    count += _keys_within(_decode_any(section[name]))
    return count


def _keys_within(node: Any) -> int:
    """Keys of an object or of the objects of a list, and of all inside them."""
    if type(node) is dict:
        return len(node) + sum([_keys_within(value) for value in node.values()])
    if type(node) is list:
        return sum([_keys_within(value) for value in node])
    return 0


_LISTS = {
    "changes", "abnormal_listings", "suits", "enforcements", "dishonest_listings", "qualifications",
}  # fmt: skip
"""Fields of credit-file sections that are lists of objects."""
_Section = dict[str, msgspec.Raw]
_decode_parts = msgspec.json.Decoder(dict[str, dict[str, str | float | _Section | None]]).decode


_AT = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)
_FIELD = re.compile(r"(missing required|contains unknown) field `([^`]*)`")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")


def _fault_of(error: msgspec.ValidationError, node: Any) -> Fault:
    """Say which field, what it held and what was expected."""
    matched = _AT.match(str(error))
    what = matched["what"] if matched else str(error)
    path = (matched["path"] if matched else None) or "$"
    for key, index in _STEP.findall(path):
        try:
            node = node[key] if key else node[int(index)]
        except (KeyError, IndexError, TypeError):
            node = None
    at = path[2:] if path.startswith("$.") else path.lstrip("$") or "body"
    about_field = _FIELD.search(what)
    if about_field:
        field = about_field[2] if at == "body" else f"{at}.{about_field[2]}"
        if about_field[1] == "missing required":
            return Fault(field, None, "this field, which is required")
        value = node.get(about_field[2]) if isinstance(node, dict) else None
        return Fault(field, _excerpt(value), "no such field; see the schema at /openapi.json")
    return Fault(at, _excerpt(node), what)


def _excerpt(value: object) -> object:
    """A value short enough to show; containers are only named."""
    if isinstance(value, bytes):
        value = value[:80].decode("utf-8", "replace")
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    if isinstance(value, str) and len(value) > 80:
        return value[:80] + "..."
    return value
