"""Applications without a credit file: consents are recorded, and sources asked, then it is decided.

`POST /v1/applications` carries who, how much, for what and consent only. The decision is the same
as for a posted credit file, made and recorded by the same code.
"""

import time
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from model.credit_file import Uscc, check_uscc
from service.application import Application, Consent, Purpose, strictly
from service.application import Request as Posted
from service.body import answer, json_body
from service.chain import Key
from service.consent import ConsentRecord, Grant, SubjectGrant
from service.console.api import Parts
from service.day import today
from service.gathering import Gathering
from service.idempotency import key_of
from service.problem import Problem

if TYPE_CHECKING:
    from service.sources import Gateway

MOST_BYTES = 20_000
Decided = Callable[[bytes, Key | None, Gathering | None, int | None], Awaitable[bytes]]
"""Decides on a body and records it; told its key, how its file was gathered and since when."""


class ShortApplication(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An application without a credit file: who, how much, how long, for what, and consent.

    `consent` is what the applicant signed, or the consent_id of a consent recorded earlier.
    """

    applicant: Uscc
    amount_yuan: Annotated[float, Meta(ge=1_000, le=1_000_000_000)]
    tenor_months: Annotated[int, Meta(ge=1, le=120)]
    purpose: Purpose
    consent: Grant | Annotated[str, Meta(max_length=64)]


_application = msgspec.json.Decoder(ShortApplication).decode
_grant = msgspec.json.Decoder(SubjectGrant).decode
_encode = msgspec.json.Encoder().encode


def routes(parts: Parts, decided: Decided) -> list[Route]:
    """The routes of applications without a credit file, of consents, and of sources' health."""

    def gateway() -> "Gateway":
        if parts.gateway is None:
            said = (
                "This server has no data exchange to ask; start it with --exchange URL, or POST "
                "/v1/decisions with a credit file."
            )
            raise Problem("no-exchange", 404, said)
        return parts.gateway

    async def posted(request: Request) -> bytes:
        return await json_body(dict(request.scope["headers"]), request.receive, MOST_BYTES)

    async def apply(request: Request) -> Response:
        received = time.perf_counter_ns()
        asking = gateway()
        short = await posted(request)
        key = key_of(dict(request.scope["headers"]), short)
        applied: ShortApplication = strictly(short, _application)
        consent = await _consented(asking, applied)
        credit_file, gathering = await asking.gather(
            consent.consent_id, applied.applicant, received / 1e9
        )
        application = Application(
            applicant=applied.applicant,
            amount_yuan=applied.amount_yuan,
            tenor_months=applied.tenor_months,
            purpose=applied.purpose,
            consent=Consent(granted=consent.granted, sources=consent.sources),
        )
        body = _encode(Posted(application=application, credit_file=credit_file))
        reply = await decided(body, key, gathering, received)
        return Response(reply, 201, media_type="application/json")

    async def grant(request: Request) -> Response:
        asking = gateway()
        granted: SubjectGrant = strictly(await posted(request), _grant)
        check_uscc(granted.subject, "subject")
        return answer(await asking.consents.grant(granted.subject, granted, today()), 201)

    async def consent(request: Request) -> Response:
        return answer(gateway().consents.get(str(request.path_params["consent_id"])))

    async def revoke(request: Request) -> Response:
        return answer(await gateway().revoke(str(request.path_params["consent_id"])))

    async def health(_: Request) -> Response:
        return answer(gateway().health())

    at = "/v1/consents/{consent_id}"
    return [
        Route("/v1/applications", apply, methods=["POST"]),
        Route("/v1/consents", grant, methods=["POST"]),
        Route(at, consent, methods=["GET"]),
        Route(f"{at}/revocation", revoke, methods=["POST"]),
        Route("/v1/sources", health, methods=["GET"]),
    ]


async def _consented(asking: "Gateway", applied: ShortApplication) -> ConsentRecord:
    """The consent of an application, recorded now or earlier; raises Fault or Problem."""
    check_uscc(applied.applicant, "applicant")
    if isinstance(applied.consent, str):
        return asking.allowed(applied.consent, applied.applicant)
    return await asking.consents.grant(applied.applicant, applied.consent, today(), "consent.")


def without_file(application: dict[str, Any]) -> dict[str, Any]:
    """An application as it is posted without a credit file, its consent signed for years."""
    consent = application["consent"]
    signed = f"{application['applicant']} {consent['granted']} {consent['sources']}"
    evidence = {"expires": "2099-01-01", "evidence_sha256": sha256(signed.encode()).hexdigest()}
    return application | {"consent": consent | evidence}
