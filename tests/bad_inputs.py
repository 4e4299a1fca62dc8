"""Forty ways to post something wrong, each with the field the answer must name.

A case takes a request that is right and returns the bytes to post; `field` is what the problem
document has to name, `expects` a part of what it says was expected.
"""

import copy
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, NamedTuple

import msgspec

Posted = dict[str, Any]


class Bad(NamedTuple):
    name: str
    body: Callable[[Posted], bytes]
    field: str
    expects: str


def changed(path: str, value: Any) -> Callable[[Posted], bytes]:
    """The request with the value at a dotted path replaced; a callable gets the old value."""

    def body(right: Posted) -> bytes:
        wrong = copy.deepcopy(right)
        *parents, last = path.split(".")
        node: Any = wrong
        for key in parents:
            node = node[int(key)] if key.isdigit() else node[key]
        at: Any = int(last) if last.isdigit() else last
        node[at] = value(node[at]) if callable(value) else value
        return msgspec.json.encode(wrong)

    return body


def without(path: str) -> Callable[[Posted], bytes]:
    def body(right: Posted) -> bytes:
        wrong = copy.deepcopy(right)
        *parents, last = path.split(".")
        node: Any = wrong
        for key in parents:
            node = node[key]
        del node[last]
        return msgspec.json.encode(wrong)

    return body


def raw(old: str, new: str) -> Callable[[Posted], bytes]:
    """The request as text with the first `old` replaced: for what no encoder would write."""

    def body(right: Posted) -> bytes:
        text = msgspec.json.encode(right).decode()
        assert old in text
        return text.replace(old, new, 1).encode()

    return body


def amount(text: str) -> Callable[[Posted], bytes]:
    def body(right: Posted) -> bytes:
        wrong = copy.deepcopy(right)
        wrong["application"]["amount_yuan"] = 987654321
        return msgspec.json.encode(wrong).replace(b"987654321", text.encode())

    return body


def both_usccs(code: str) -> Callable[[Posted], bytes]:
    def body(right: Posted) -> bytes:
        wrong = copy.deepcopy(right)
        wrong["application"]["applicant"] = wrong["credit_file"]["uscc"] = code
        return msgspec.json.encode(wrong)

    return body


TOMORROW = (date.today() + timedelta(days=2)).isoformat()  # noqa: DTZ011
A, F = "application", "credit_file"
SALES = f"{F}.invoices.sales_yuan"

BAD_INPUTS = [
    Bad("an empty body", lambda _: b"", "body", "valid JSON"),
    Bad("not JSON", lambda _: b"amount=100", "body", "valid JSON"),
    Bad("JSON cut off", lambda r: msgspec.json.encode(r)[:-20], "body", "valid JSON"),
    Bad("not UTF-8", raw('"purpose":"', '"purpose":"\udcff'.encode("utf-8", "replace").decode()),
        f"{A}.purpose", "nvalid enum"),
    Bad("bytes that are no text", lambda _: b'{"application":"\xff\xfe"}', "body", "UTF-8"),
    Bad("two documents", lambda r: msgspec.json.encode(r) * 2, "body", "valid JSON"),
    Bad("an array", lambda _: b"[]", "body", "Expected `object`"),
    Bad("a number", lambda _: b"42", "body", "Expected `object`"),
    Bad("null", lambda _: b"null", "body", "Expected `object`"),
    Bad("an empty object", lambda _: b"{}", "application", "required"),
    Bad("deep nesting", lambda _: b"[" * 100_000, "body", ""),
    Bad("deep nesting inside", raw('"purpose":"', '"purpose":' + "[" * 50_000 + '"'), "", ""),
    Bad("NaN", amount("NaN"), "body", "valid JSON"),
    Bad("infinity", amount("Infinity"), "body", "valid JSON"),
    Bad("a number too large for a float", amount("1e999"), "", ""),
    Bad("a negative amount", amount("-5"), f"{A}.amount_yuan", ">= 1000"),
    Bad("an amount of nothing", amount("0"), f"{A}.amount_yuan", ">= 1000"),
    Bad("an amount above all bounds", amount("1e12"), f"{A}.amount_yuan", "<= 1000000000"),
    Bad("an amount as text", amount('"1000000"'), f"{A}.amount_yuan", "Expected `float`"),
    Bad("false for an amount", amount("false"), f"{A}.amount_yuan", "Expected `float`"),
    Bad("no amount", without(f"{A}.amount_yuan"), f"{A}.amount_yuan", "required"),
    Bad("no credit file", without(F), F, "required"),
    Bad("half a month", changed(f"{A}.tenor_months", 6.5), f"{A}.tenor_months", "Expected `int`"),
    Bad("no tenor", changed(f"{A}.tenor_months", 0), f"{A}.tenor_months", ">= 1"),
    Bad("an unknown purpose", changed(f"{A}.purpose", "yacht"), f"{A}.purpose", "nvalid enum"),
    Bad("an unknown field", changed(f"{A}.colour", "red"), f"{A}.colour", "no such field"),
    Bad("an unknown field deep inside", changed(f"{F}.tax.mood", 1), f"{F}.tax.mood", "no such"),
    Bad("a key twice", raw('"tenor_months":', '"tenor_months":3,"tenor_months":'), "tenor_months",
        "once in its object"),
    Bad("a wrong check digit", both_usccs("91350100M000100Y4Z"), f"{F}.uscc", "check digit"),
    Bad("a code of 17 characters", both_usccs("91350100M000100Y4"), f"{A}.applicant", ">= 18"),
    Bad("letters no code has", both_usccs("91350100IO00100Y43"), f"{F}.uscc", "without I O"),
    Bad("another firm's file", changed(f"{F}.uscc", "91350100M000100Y43"), f"{F}.uscc",
        "application.applicant"),
    Bad("a file from the future", changed(f"{F}.as_of", TOMORROW), f"{F}.as_of", "not after today"),
    Bad("a date that does not exist", changed(f"{F}.as_of", "2019-02-30"), f"{F}.as_of", "date"),
    Bad("a date in words", changed(f"{F}.as_of", "yesterday"), f"{F}.as_of", "date"),
    Bad("a section newer than its file", changed(f"{F}.tax.as_of", TOMORROW), f"{F}.tax.as_of",
        "not after credit_file.as_of"),
    Bad("months out of order", changed(f"{F}.invoices.months", lambda m: [m[1], m[0], *m[2:]]),
        f"{F}.invoices.months[1]", "a month after"),
    Bad("a month twice", changed(f"{F}.invoices.months", lambda m: [m[0], m[0], *m[2:]]),
        f"{F}.invoices.months[1]", "a month after"),
    Bad("a thirteenth month", changed(f"{F}.invoices.months.0", "2017-13"),
        f"{F}.invoices.months[0]", "a month like"),
    Bad("a list too short", changed(SALES, lambda s: s[1:]), SALES, "one per month"),
    Bad("text among the sales", changed(f"{SALES}.3", "many"), f"{SALES}[3]", "Expected `float`"),
    Bad("null among the sales", changed(f"{SALES}.3", None), f"{SALES}[3]", "Expected `float`"),
    Bad("more voided than issued", changed(f"{F}.invoices.void_count.0", 99_999_999),
        f"{F}.invoices.void_count[0]", "at most sales_count"),
    Bad("negative tax", changed(f"{F}.tax.tax_paid_yuan.0", -1), f"{F}.tax.tax_paid_yuan[0]",
        ">= 0"),
    Bad("a share above one", changed(f"{F}.invoices.top_buyer_share_12m", 1.01),
        f"{F}.invoices.top_buyer_share_12m", "<= 1"),
    Bad("an unknown tax rating", changed(f"{F}.tax.rating", "E"), f"{F}.tax.rating", "nvalid enum"),
    Bad("an unknown filing", changed(f"{F}.tax.filings.2", "maybe"), f"{F}.tax.filings[2]",
        "nvalid enum"),
    Bad("a firm founded after its file", changed(f"{F}.registry.established", TOMORROW),
        f"{F}.registry.established", "not after"),
    Bad("a sector that does not exist", changed(f"{F}.registry.sector", "Z"),
        f"{F}.registry.sector", "nvalid enum"),
    Bad("a source read without consent", changed(f"{A}.consent.sources", ["registry"]),
        f"{F}.tax", "without consent"),
    Bad("consent to nothing", changed(f"{A}.consent.sources", []), f"{A}.consent.sources", ">= 1"),
    Bad("consent given later", changed(f"{A}.consent.granted", TOMORROW), f"{A}.consent.granted",
        "not after credit_file.as_of"),
    Bad("241 months", changed(f"{F}.electricity.kwh", [1.0] * 241), f"{F}.electricity.kwh",
        "<= 240"),
]  # fmt: skip
