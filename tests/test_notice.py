"""The applicant's notice: what it tells, in which words, as JSON, as a page and over HTTP."""

import string
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from msgspec.structs import replace

from model.credit_file import SOURCES
from model.features import SOURCE_LABELS
from service.application import Request, parse
from service.chain import Record
from service.decide import Decision
from service.desk_openapi import LANE
from service.limit import LABELS as CAP_LABELS
from service.notice import LANGS, Letter, Notice, NoticeError, html, notice, prefers_html, texts
from service.process import Server

ROOT = Path(__file__).parent.parent
VOID = {"meta", "br", "link", "img", "hr", "input"}
Decide = Callable[[Request], Decision]

VERDICTS = {
    "young-shop": "approve", "mask-maker-judgment": "decline", "invoice-mill": "refer",
}  # fmt: skip


class Page(HTMLParser):
    """A page read strictly: every element closed in order; its text, tags, attributes and langs."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.langs: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self.langs += [value or "" for name, value in attrs if name == "lang"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text += data


def recorded(request: Request, decided: Decide) -> Record:
    return of(decided(request), request)


def of(decision: Decision, request: Request) -> Record:
    stored, posted = msgspec.json.encode(decision), msgspec.json.encode(request)
    return Record(7, decision.decision_id, posted, stored, "a" * 64, "b" * 64)


@pytest.fixture(scope="module")
def asked(stories: dict[str, bytes]) -> dict[str, Request]:
    return {code: parse(stories[code], date.max) for code in VERDICTS}


@pytest.fixture(scope="module")
def told(asked: dict[str, Request], decided: Decide) -> dict[str, Notice]:
    return {code: notice(recorded(request, decided)) for code, request in asked.items()}


def letters(told: Notice) -> tuple[Letter, Letter]:
    assert told.zh is not None
    assert told.en is not None
    return told.zh, told.en


def sentences(node: Any) -> list[str]:
    """Every text in a letter."""
    if isinstance(node, str):
        return [node]
    if isinstance(node, dict):
        node = [*node.values()]
    return [text for part in node for text in sentences(part)] if isinstance(node, list) else []


@pytest.mark.parametrize("code", VERDICTS)
def test_both_languages_hold_the_reasons_the_sources_and_the_record(
    code: str, told: dict[str, Notice], asked: dict[str, Request], decided: Decide
) -> None:
    decision = decided(asked[code])
    assert told[code].verdict == decision.verdict == VERDICTS[code]
    page = Page(html(told[code])).text
    for letter, lang in zip(letters(told[code]), LANGS, strict=True):
        texts_of = [r.text_zh if lang == "zh" else r.text_en for r in decision.reasons]
        assert [reason.text for reason in letter.reasons] == texts_of
        assert 1 <= len(letter.reasons) <= 4
        assert [source.source for source in letter.data] == list(SOURCES)
        for source in letter.data:
            section = getattr(asked[code].credit_file, source.source)
            assert source.label in SOURCE_LABELS[source.source]
            if section is None:
                assert (source.status, source.as_of) == ("not_consented", None)
                continue
            assert (source.status, source.as_of) == ("answered", section.as_of)
            assert str(section.as_of.year) in source.text
        values = [line.value for line in letter.record]
        versions = decision.versions
        assert {decision.decision_id, f"7 / {'b' * 64}", versions.scorecard, versions.policy,
                versions.catalogue} <= set(values)  # fmt: skip
        shown = [text for text in sentences(msgspec.to_builtins(letter)) if len(text) > 20]
        words = {*letter.words.values(), *SOURCES}
        assert [text for text in shown if text not in words and text not in page] == []


def test_an_approval_names_limit_cap_and_offers(
    told: dict[str, Notice], asked: dict[str, Request], decided: Decide
) -> None:
    decision = decided(asked["young-shop"])
    zh, en = letters(told["young-shop"])
    assert "300,000元" in zh.decided[1]
    assert "300,000 yuan" in en.decided[1]
    assert CAP_LABELS[decision.limit_cap][0] in zh.decided[2]
    assert CAP_LABELS[decision.limit_cap][1] in en.decided[2]
    assert len(zh.offers) == len(en.offers) == len(decision.offers) > 0
    assert (zh.offers[0].lender, en.offers[0].lender) == (
        decision.offers[0].institution_name_zh,
        decision.offers[0].institution_name_en,
    )
    until = decision.offers[0].valid_until
    assert zh.offers[0].valid_until == f"{until.year}年{until.month}月{until.day}日"


def test_offers_past_their_date_at_the_decision_are_said_not_to_bind(
    asked: dict[str, Request], decided: Decide
) -> None:
    request = asked["young-shop"]
    decision = decided(request)
    assert max(offer.valid_until for offer in decision.offers) < decision.decided_at.date()
    _, late = letters(notice(of(decision, request)))
    at_once = replace(decision, decided_at=datetime(2019, 12, 12, 4, tzinfo=UTC))
    _, early = letters(notice(of(at_once, request)))
    assert any("no longer binds" in text for text in late.decided)
    assert not any("no longer binds" in text for text in early.decided)


def test_a_decline_says_that_no_amount_binds(told: dict[str, Notice]) -> None:
    zh, en = letters(told["mask-maker-judgment"])
    assert (zh.offers, en.offers) == ([], [])
    assert zh.verdict == "未通过"
    assert "任何金额均不具有约束力，也没有报价。" in zh.decided
    assert "No amount binds, and there are no offers." in en.decided


def test_a_referral_binds_nothing_and_promises_a_person(told: dict[str, Notice]) -> None:
    zh, en = letters(told["invoice-mill"])
    assert (zh.offers, en.offers) == ([], [])
    assert "no offer binds" in en.decided[-1]
    assert "均不具有约束力" in zh.decided[-1]
    assert "a person will look" in en.review[0]


def test_how_to_dispute_and_how_to_ask_for_a_person(told: dict[str, Notice]) -> None:
    zh, en = letters(told["mask-maker-judgment"])
    offices = {source.source: source.office for source in en.data}
    for source, office in {
        "registry": "registry office", "tax": "tax bureau", "invoices": "tax bureau",
        "social_security": "social security", "electricity": "power utility", "courts": "court",
    }.items():  # fmt: skip
        assert office in offices[source]
    assert "made again" in " ".join(en.dispute)
    assert "重新作出决定" in "".join(zh.dispute)
    assert "article 25" in " ".join(en.dispute)
    assert "article 24" in " ".join(en.review)
    number = told["mask-maker-judgment"].decision_id
    assert number in "".join(zh.review)
    paths = {path for _, path, *_ in LANE}
    for path, said in (
        ("disputes", en.dispute),
        ("person-requests", en.review),
        ("case", en.review),
    ):
        assert f"/v1/decisions/{number}/{path}" in " ".join(said)
        assert f"/v1/decisions/{{decision_id}}/{path}" in paths  # what the letter promises is there


def test_silent_sources_and_those_not_consented_are_told_apart(
    healthy: Request, decided: Decide
) -> None:
    consent = replace(
        healthy.application.consent,
        sources=[one for one in SOURCES if one != "courts"],
    )
    request = Request(
        application=replace(healthy.application, consent=consent),
        credit_file=replace(healthy.credit_file, registry=None, tax=None, courts=None),
    )
    given = notice(recorded(request, decided))
    assert given.applicant_name is None
    for letter in letters(given):
        status = {source.source: (source.status, source.as_of) for source in letter.data}
        assert status["tax"] == status["registry"] == ("silent", None)
        assert status["courts"] == ("not_consented", None)
        assert status["invoices"][0] == "answered"
    _, en = letters(given)
    first = en.reasons[0]
    assert first.code == "P-SRC-REGISTRY"
    assert first.notes[-1] == "Source: company registry, allowed by you, but it gave no data."
    Page(html(given))


def test_a_rule_that_failed_is_not_told_as_a_finding(
    asked: dict[str, Request], decided: Decide
) -> None:
    request = asked["mask-maker-judgment"]
    decision = decided(request)
    rules = [
        replace(rule, result="error", verdict="refer") if rule.code == "P-CRT-DISHONEST" else rule
        for rule in decision.rules
    ]
    given = notice(of(replace(decision, rules=rules), request))
    zh, en = letters(given)
    assert "nothing was found" in en.reasons[0].notes[0]
    assert "不是对企业的认定" in zh.reasons[0].notes[0]
    assert not any("nothing was found" in note for note in en.reasons[1].notes)


def test_a_cap_set_by_policy_names_its_rule(asked: dict[str, Request], decided: Decide) -> None:
    request = asked["young-shop"]
    decision = decided(request)
    rules = [*decision.rules[:-1], replace(decision.rules[-1], verdict="cap", cap_yuan=50_000.0)]
    capped = replace(
        decision, rules=rules, limit_cap="policy", caps={**decision.caps, "policy": 50_000.0}
    )
    for letter in letters(notice(of(capped, request))):
        assert rules[-1].code in letter.decided[2]


def test_what_an_applicant_writes_stays_text(asked: dict[str, Request], decided: Decide) -> None:
    hostile = "<script>alert('1')</script> & \"><img src=x onerror=y> {{ 7*7 }} {lang}"
    request = asked["young-shop"]
    registry = request.credit_file.registry
    assert registry is not None
    file = replace(request.credit_file, registry=replace(registry, name=hostile))
    given = notice(recorded(replace(request, credit_file=file), decided))
    assert given.applicant_name == hostile
    page = Page(html(given))
    assert hostile in page.text
    assert not {"script", "img"} & set(page.tags)


@pytest.mark.parametrize("code", VERDICTS)
def test_a_page_stands_alone(code: str, told: dict[str, Notice]) -> None:
    source = html(told[code])
    page = Page(source)
    assert not {"script", "link", "img", "iframe", "form", "object"} & set(page.tags)
    assert not any(word in source for word in ("http:", "https:", "//", "url(", "@import"))
    names = {name for name, _ in page.attributes}
    assert not {name for name in names if name.startswith("on")}
    assert not {"src", "href"} & names
    assert page.langs == ["zh-CN", "zh-CN", "en"]


def test_one_language_may_be_asked_for(healthy: Request, decided: Decide) -> None:
    record = recorded(healthy, decided)
    zh, en = notice(record, "zh"), notice(record, "en")
    assert (zh.en, en.zh) == (None, None)
    assert b'"en":' not in msgspec.json.encode(zh)
    assert Page(html(zh)).langs == ["zh-CN", "zh-CN"]
    assert Page(html(en)).langs == ["en", "en"]


def test_every_sentence_exists_in_both_languages_with_the_same_places() -> None:
    def places(text: str) -> set[str | None]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}

    for key, both in texts().items():
        assert set(both) == set(LANGS), key
        assert both["zh"].strip(), key
        assert places(both["zh"]) == places(both["en"]), key
        assert all(ord(letter) < 0x2E80 for letter in both["en"]), key
        if key != "cap_rule":
            assert any(ord(letter) >= 0x4E00 for letter in both["zh"]), key


def test_english_letters_hold_no_chinese_besides_the_name(told: dict[str, Notice]) -> None:
    for given in told.values():
        _, en = letters(given)
        shown = sentences(msgspec.to_builtins(en))
        assert [text for text in shown if any(ord(letter) >= 0x2E80 for letter in text)] == []


def test_a_record_that_cannot_be_read_is_named() -> None:
    with pytest.raises(NoticeError, match="'broken'"):
        notice(Record(1, "broken", b"{}", b"{}", "0" * 64, "1" * 64))


@pytest.mark.parametrize(
    ("accept", "page"),
    [
        ("", False), ("*/*", False), ("application/json", False), ("text/html", True),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("text/html;q=0.5, application/json", False), ("text/html;q=0, */*;q=0.1", False),
        ("text/*, application/json;q=0.2", True), ("image/png", False), ("text/html;q=x", False),
        ("TEXT/HTML ; Q=0.9, */* ; q=0.1", True), ("text/html, application/json", False),
    ],
)  # fmt: skip
def test_the_accept_header_chooses(accept: str, page: bool) -> None:
    assert prefers_html(accept) is page


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, trust_env=False) as opened:
        yield opened


@pytest.fixture(scope="module")
def path(client: httpx.Client, stories: dict[str, bytes]) -> str:
    headers = {"content-type": "application/json"}
    posted = client.post("/v1/decisions", content=stories["young-shop"], headers=headers)
    return f"/v1/decisions/{posted.json()['decision_id']}/notice"


def test_http_gives_json_or_a_page(client: httpx.Client, path: str) -> None:
    reply = client.get(path)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/json")
    given = msgspec.json.decode(reply.content, type=Notice)
    stored = client.get(path.removesuffix("/notice")).json()
    assert given.decision_id == stored["decision_id"]
    assert given.record.hash == stored["record"]["hash"]
    for page in (
        client.get(path, headers={"accept": "text/html"}),
        client.get(path, params={"format": "html"}),
    ):
        assert page.status_code == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert page.headers["vary"] == "Accept"
        assert page.text == html(given)
    asked = client.get(path, params={"format": "json"}, headers={"accept": "text/html"})
    assert asked.content == reply.content


@pytest.mark.parametrize(("lang", "langs"), [("zh", ["zh-CN", "zh-CN"]), ("en", ["en", "en"])])
def test_http_switches_language(
    client: httpx.Client, path: str, lang: str, langs: list[str]
) -> None:
    assert Page(client.get(path, params={"lang": lang, "format": "html"}).text).langs == langs
    assert set(client.get(path, params={"lang": lang}).json()) & {"zh", "en"} == {lang}


@pytest.mark.parametrize(
    ("query", "field", "value", "expected"),
    [
        ("lang=fr", "lang", "fr", "one of zh, en"),
        ("lang=", "lang", "", "one of zh, en"),
        ("format=pdf", "format", "pdf", "one of json, html"),
        ("format=" + "x" * 200, "format", "x" * 80, "one of json, html"),
    ],
)
def test_another_language_or_format_is_a_problem(
    client: httpx.Client, path: str, query: str, field: str, value: str, expected: str
) -> None:
    reply = client.get(f"{path}?{query}")
    assert reply.status_code == 422
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["errors"] == [{"field": field, "value": value, "expected": expected}]


def test_no_decision_no_notice(client: httpx.Client) -> None:
    for accept in ("application/json", "text/html"):
        reply = client.get("/v1/decisions/none/notice", headers={"accept": accept})
        assert reply.status_code == 404
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.json() == client.get("/v1/decisions/none").json()


def test_the_document_describes_the_notice(client: httpx.Client, path: str) -> None:
    document = client.get("/openapi.json").json()
    described = document["components"]["schemas"]["Notice"]
    assert set(client.get(path).json()) == set(described["properties"])
    operation = document["paths"]["/v1/decisions/{decision_id}/notice"]["get"]
    assert set(operation["responses"]["200"]["content"]) == {"application/json", "text/html"}
