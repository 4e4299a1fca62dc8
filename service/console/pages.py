"""The pages: eight of them in two languages, rendered here, brought to life by small scripts."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from model.credit_file import SOURCES
from model.features import FEATURES
from service.application import Request as Posted
from service.application import parse
from service.chain import Record, erased
from service.console import words
from service.console.api import Parts
from service.console.assets import Assets
from service.decide import Decision
from service.replay import versions_of

LANGS = ("zh", "en")
THEMES = ("light", "dark")
NAV = (
    ("apply", "", "申请", "Apply"),
    ("decision", "decision", "决策", "Decision"),
    ("portrait", "portrait", "画像", "Portrait"),
    ("what-if", "what-if", "假如", "What if"),
    ("concept", "concept", "数据信贷", "Data-driven credit"),
    ("speed", "speed", "速度", "Speed"),
    ("desk", "desk", "审批台", "Desk"),
    ("models", "models", "模型与政策", "Models and policy"),
)
"""Page, path, and its name."""
_OF_DECISION = ("decision", "portrait", "what-if")
_EMPTY = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
        f"style-src 'self' {_EMPTY}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),  # the hash is that of an empty style element, which the charts fill by script
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store",
}
_decision = msgspec.json.Decoder(Decision).decode


class Pages:
    """Renders a page for a request."""

    def __init__(self, parts: Parts, assets: Assets) -> None:
        self._parts, self._assets = parts, assets
        self._made = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip

    def routes(self) -> list[Route]:
        """Where the pages are."""
        plain = [("", "apply"), ("concept", "concept"), ("speed", "speed"), ("desk", "desk"),
                 ("models", "models")]  # fmt: skip
        found = [
            Route("/", self._start), Route("/preferences", self._prefer), self._assets.route()
        ]  # fmt: skip
        for lang in LANGS:
            found += [Route(f"/{lang}/{path}", self._plain(page, lang)) for path, page in plain]
            for page in _OF_DECISION:
                found.append(Route(f"/{lang}/{page}", self._latest(page, lang)))
                at = f"/{lang}/{page}/{{decision_id}}"
                found.append(Route(at, self._about(page, lang)))
        return found

    async def _start(self, request: Request) -> Response:
        first = request.headers.get("accept-language", "zh").split(",")[0].lower()
        return RedirectResponse(f"/{'en' if first.startswith('en') else 'zh'}/", 303)

    async def _prefer(self, request: Request) -> Response:
        """Keep the theme chosen, and go back to where it was chosen."""
        back, theme = request.query_params.get("to", "/"), request.query_params.get("theme", "")
        ours = back.startswith("/") and not back.startswith(("//", "/\\"))
        response = RedirectResponse(quote(back, safe="/?=&") if ours else "/", 303)
        if theme in THEMES:
            response.set_cookie(
                "theme", theme, max_age=31_536_000, httponly=True, samesite="strict"
            )
        return response

    def _plain(self, page: str, lang: str) -> Any:
        async def get(request: Request) -> Response:
            return self._render(request, page, lang, {})

        return get

    def _latest(self, page: str, lang: str) -> Any:
        async def get(request: Request) -> Response:
            line = await run_in_threadpool(self._parts.journal.latest)
            if line is None:
                return self._render(request, "nothing", lang, {}, page)
            return RedirectResponse(f"/{lang}/{page}/{line.decision_id}", 303)

        return get

    def _about(self, page: str, lang: str) -> Any:
        async def get(request: Request) -> Response:
            decision_id = str(request.path_params["decision_id"])
            record = await run_in_threadpool(self._parts.ledger.get, decision_id)
            if record is None or erased(record):
                shown, status = ("nothing", 404) if record is None else ("erased", 410)
                return self._render(request, shown, lang, {}, page, status)
            return self._render(request, page, lang, self._told(record, lang))

        return get

    def _told(self, record: Record, lang: str) -> dict[str, Any]:
        """What the pages about one decision say."""
        parts = self._parts
        engine = parts.archive.engine(versions_of(record)) or parts.engine
        decision = _decision(record.decision)
        posted: Posted = parse(record.request, decision.as_of)
        registry = posted.credit_file.registry
        rules = [(result, engine.policy.rules[result.code]) for result in decision.rules]
        return {
            "decision": decision,
            "record": record,
            "file": posted.credit_file,
            "name": registry.name if registry else decision.application.applicant,
            "rules": rules,
            "bands": engine.scorer.card.grades,
            "answered": {
                source: section.as_of
                for source in SOURCES
                if (section := getattr(posted.credit_file, source)) is not None
            },
            "products": {one.code: one for one in engine.catalogue.products},
            "institutions": engine.catalogue.institutions,
        }

    def _render(
        self,
        request: Request,
        page: str,
        lang: str,
        told: dict[str, Any],
        nav: str | None = None,
        status: int = 200,
    ) -> Response:
        session, say = self._parts.sessions.of(request), words.Words(lang)
        theme = request.cookies.get("theme", "")
        other = "en" if lang == "zh" else "zh"
        path = request.url.path
        decision_id = request.path_params.get("decision_id", "")
        html = self._made.get_template(f"{page}.html").render(
            told, lang=lang, say=say, t=say.t, words=words, page=nav or page, nav=NAV, path=path,
            of_decision=_OF_DECISION, decision_id=decision_id if told else "",
            other=other, other_path=f"/{other}{path[3:]}",
            theme=theme if theme in THEMES else "", assets=self._assets.base, session=session,
            officers=self._parts.sessions.officers, sources=SOURCES, features=FEATURES,
            showcase=self._parts.showcase, gateway=self._parts.gateway is not None,
        )  # fmt: skip
        response = Response(html, status, media_type="text/html", headers=HEADERS)
        self._parts.sessions.keep(request, response, session)
        return response
