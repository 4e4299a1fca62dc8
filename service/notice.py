"""The applicant's notice: a recorded decision as a letter, in Chinese and English.

Pure: everything is read from the record, nothing is decided again and no clock is read. Every
sentence stands in notice.toml in both languages; the page is notice.html.
"""

import tomllib
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from model.credit_file import SOURCES, Fault
from model.features import FEATURES, INDEX, SOURCE_LABELS
from model.reasons import Reason, said
from service.application import Request, parse
from service.chain import Receipt, Record
from service.day import local
from service.decide import Decision, Versions
from service.limit import LABELS as CAP_LABELS
from service.offers import Offer
from service.policy import Verdict

Lang = Literal["zh", "en"]
LANGS: tuple[Lang, ...] = ("zh", "en")
Format = Literal["json", "html"]
FORMATS: tuple[Format, ...] = ("json", "html")
Status = Literal["answered", "silent", "not_consented"]
PAGE = Path(__file__).parent / "notice.html"
TEXTS = Path(__file__).parent / "notice.toml"
_decode = msgspec.json.Decoder(Decision).decode

CAP_SOURCES: dict[str, str] = {
    "tax": "tax", "sales": "invoices", "recent_sales": "invoices", "affordability": "invoices",
    "exposure": "credit_bureau", "bank_flow": "bank",
}  # fmt: skip
"""Cap -> the source whose figures it is worked out from."""


class NoticeError(ValueError):
    """A record that cannot be told as a notice: which one and why."""


class OfferLine(Struct, frozen=True, kw_only=True):
    """One offer as the applicant reads it."""

    lender: str
    product: str
    amount: str
    rate: str
    tenor: str
    valid_until: str


class ReasonLine(Struct, frozen=True, kw_only=True):
    """One principal reason in the decision's own words, with where it comes from."""

    code: str
    text: str
    notes: list[str]


class SourceLine(Struct, frozen=True, kw_only=True):
    """One source: whether it answered, as of when, and who can correct what it said."""

    source: str
    label: str
    status: Status
    as_of: date | None
    text: str
    office: str


class RecordLine(Struct, frozen=True, kw_only=True):
    """One line by which the decision can be found and checked again."""

    label: str
    value: str


class Letter(Struct, frozen=True, kw_only=True):
    """The notice in one language, part by part; `words` are its headings."""

    lang: str
    verdict: str
    decided: list[str]
    offers: list[OfferLine]
    reasons_intro: str
    reasons: list[ReasonLine]
    data_intro: str
    data: list[SourceLine]
    dispute: list[str]
    review: list[str]
    record: list[RecordLine]
    words: dict[str, str]


class Notice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an applicant is told about a decision: the letter in Chinese and in English."""

    decision_id: str
    decided_at: datetime
    as_of: date
    applicant: str
    applicant_name: str | None
    verdict: Verdict
    amount_yuan: float
    limit_yuan: float
    record: Receipt
    versions: Versions
    zh: Letter | None = None
    en: Letter | None = None


def notice(record: Record, lang: Lang | None = None) -> Notice:
    """The notice of a recorded decision, in both languages or in the one asked for.

    Raises NoticeError when the record's request or decision cannot be read.
    """
    try:
        decision = _decode(record.decision)
        request = parse(record.request, date.max)
    except (msgspec.DecodeError, UnicodeDecodeError, Fault) as error:
        raise NoticeError(f"decision {record.decision_id!r}: {error}") from error
    registry = request.credit_file.registry
    letters = {one: _letter(decision, request, record, one) for one in LANGS if lang in (None, one)}
    return Notice(
        decision_id=decision.decision_id,
        decided_at=decision.decided_at,
        as_of=decision.as_of,
        applicant=decision.application.applicant,
        applicant_name=(registry.name if registry else None) or None,
        verdict=decision.verdict,
        amount_yuan=decision.application.amount_yuan,
        limit_yuan=decision.limit_yuan,
        record=Receipt(record.seq, record.prev_hash, record.hash, record.writer),
        versions=decision.versions,
        zh=letters.get("zh"),
        en=letters.get("en"),
    )


def html(told: Notice) -> str:
    """The notice as one page to print, without script or anything fetched from elsewhere."""
    return str(_template().render(notice=told, letters=[one for one in (told.zh, told.en) if one]))


def prefers_html(accept: str) -> bool:
    """Whether an Accept header asks for a page rather than for JSON; a tie means JSON."""
    return _quality(accept, "text", "html") > _quality(accept, "application", "json")


@cache
def texts() -> dict[str, dict[Lang, str]]:
    """Every sentence of the notice by its key, in both languages, with places to fill in."""
    stored = tomllib.loads(TEXTS.read_text("utf-8"))
    return msgspec.convert(stored, dict[str, dict[Lang, str]])


@cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined  # only when a page is asked for

    made = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return made.from_string(PAGE.read_text("utf-8"))


def _quality(accept: str, kind: str, subtype: str) -> float:
    """How much a media type is wanted, 0 to 1: the most specific range counts (RFC 9110)."""
    found = (-1, 0.0)
    for part in accept.lower().split(","):
        name, *parameters = [piece.strip() for piece in part.split(";")]
        ranges = ("*/*", f"{kind}/*", f"{kind}/{subtype}")
        if name not in ranges:
            continue
        said_q = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        try:
            wanted = min(1.0, max(0.0, float(said_q)))
        except ValueError:
            wanted = 0.0
        found = max(found, (ranges.index(name), wanted))
    return found[1]


def _say(key: str, lang: Lang, **values: object) -> str:
    return texts()[key][lang].format(**values)


def _letter(decision: Decision, request: Request, record: Record, lang: Lang) -> Letter:
    verdict, consent = decision.verdict, decision.application.consent
    sources = [_source(name, request, lang) for name in SOURCES]
    referred = "_refer" if verdict == "refer" else ""
    return Letter(
        lang="zh-CN" if lang == "zh" else "en",
        verdict=_say(f"verdict_{verdict}", lang),
        decided=_decided(decision, lang),
        offers=[_offer(one, lang) for one in decision.offers] if verdict == "approve" else [],
        reasons_intro=_say(f"reasons_{verdict}", lang),
        reasons=[_reason(one, decision, sources, lang) for one in decision.reasons],
        data_intro=_say(
            "data_intro",
            lang,
            granted=_day(consent.granted, lang),
            as_of=_day(decision.as_of, lang),
        ),
        data=sources,
        dispute=[
            _say(f"dispute_{key}", lang, decision_id=decision.decision_id)
            for key in ("office", "again", "online", "law")
        ],
        review=[
            _say(f"review_auto{referred}", lang),
            *[
                _say(f"review_{key}{referred}", lang, decision_id=decision.decision_id)
                for key in ("how", "online")
            ],
            _say("review_law", lang),
        ],
        record=_record(decision, record, lang),
        words={
            key: _say(key, lang)
            for key in texts()
            if key in ("title", "to", "verdict") or key.startswith(("head_", "column_"))
        },
    )


def _decided(decision: Decision, lang: Lang) -> list[str]:
    """The amount asked for, the verdict, the cap that set the limit, and what binds."""
    asked, verdict = decision.application, decision.verdict
    told = [
        _say("asked", lang, amount=_yuan(asked.amount_yuan, lang), months=asked.tenor_months),
        _say(verdict, lang, limit=_yuan(decision.limit_yuan, lang)),
    ]
    if verdict != "decline":
        amount = _yuan(decision.caps[decision.limit_cap], lang)
        told.append(_say("cap", lang, cap=_cap(decision, lang), amount=amount))
    if verdict != "approve":
        return [*told, _say(f"offers_{verdict}", lang)]
    shown = len(decision.offers)
    told.append(_say("offers_bind", lang, fit=decision.eligible_products, shown=shown))
    decided_on = local(decision.decided_at).date()
    if any(offer.valid_until < decided_on for offer in decision.offers):
        told.append(_say("offers_lapsed", lang, as_of=_day(decision.as_of, lang)))
    return told


def _cap(decision: Decision, lang: Lang) -> str:
    """The cap that set the limit in words; a policy cap with the rule's code."""
    cap = decision.limit_cap
    words = CAP_LABELS.get(cap, (cap, cap))[LANGS.index(lang)]
    of_source = cap == "degraded"
    capped = [
        (rule.cap_yuan, rule.code)
        for rule in decision.rules
        if rule.cap_yuan is not None and rule.code.startswith("P-SRC-") == of_source
    ]
    if cap in ("policy", "degraded") and capped:
        return _say("cap_rule", lang, cap=words, code=min(capped)[1])
    return words


def _offer(offer: Offer, lang: Lang) -> OfferLine:
    zh = lang == "zh"
    repayment = _say(offer.repayment, lang)
    return OfferLine(
        lender=offer.institution_name_zh if zh else offer.institution_name_en,
        product=offer.product_name_zh if zh else offer.product_name_en,
        amount=_yuan(offer.amount_yuan, lang),
        rate=f"{offer.annual_rate:.2%}",
        tenor=_say("tenor", lang, months=offer.tenor_months, repayment=repayment),
        valid_until=_day(offer.valid_until, lang),
    )


def _reason(reason: Reason, decision: Decision, data: list[SourceLine], lang: Lang) -> ReasonLine:
    """A reason as recorded; what it saw and where it comes from follow as notes."""
    notes = []
    failed = {rule.code for rule in decision.rules if rule.result == "error"}
    if reason.code in failed:
        notes.append(_say("reason_error", lang))
    elif reason.code.startswith("P-") and reason.value is not None and reason.feature in INDEX:
        feature = FEATURES[INDEX[reason.feature]]
        label = feature.label_zh if lang == "zh" else feature.label_en
        value = said(reason.value, feature.unit, lang)
        notes.append(_say("reason_value", lang, label=label, value=value))
    cap = reason.code.removeprefix("L-").lower()
    name = reason.source or CAP_SOURCES.get(cap)
    source = next((one for one in data if one.source == name), None)
    if source is not None:
        notes.append(_say("reason_source", lang, source=source.label, status=source.text))
    text = reason.text_zh if lang == "zh" else reason.text_en
    return ReasonLine(code=reason.code, text=text, notes=notes)


def _source(name: str, request: Request, lang: Lang) -> SourceLine:
    section = getattr(request.credit_file, name)
    consented = name in request.application.consent.sources
    status: Status = "silent" if consented else "not_consented"
    as_of: date | None = None
    if section is not None:
        status, as_of = "answered", section.as_of
    return SourceLine(
        source=name,
        label=SOURCE_LABELS[name][LANGS.index(lang)],
        status=status,
        as_of=as_of,
        text=_say(f"data_{status}", lang, as_of=_day(as_of, lang) if as_of else ""),
        office=_say(f"office_{name}", lang),
    )


def _record(decision: Decision, record: Record, lang: Lang) -> list[RecordLine]:
    versions = decision.versions
    lines = {
        "decision_id": decision.decision_id,
        "decided_at": local(decision.decided_at).strftime("%Y-%m-%d %H:%M:%S"),
        "as_of": decision.as_of.isoformat(),
        "hash": f"{record.seq} / {record.hash}",
        "scorecard": versions.scorecard,
        "policy": versions.policy,
        "catalogue": versions.catalogue,
    }
    return [RecordLine(label=_say(f"record_{key}", lang), value=lines[key]) for key in lines]


def _yuan(amount: float, lang: Lang) -> str:
    """An amount in full: to the yuan, or to the fen where there are fen."""
    number = f"{amount:,.0f}" if round(amount, 2) == round(amount) else f"{amount:,.2f}"
    return f"{number}元" if lang == "zh" else f"{number} yuan"


_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip


def _day(day: date, lang: Lang) -> str:
    if lang == "zh":
        return f"{day.year}年{day.month}月{day.day}日"
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"
