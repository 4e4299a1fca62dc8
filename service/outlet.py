"""The data exchange as the gateway sees it: one outlet over HTTP behind which the sources stand.

    GET {exchange}/v1/firms/{uscc}/sources/{source}

with the consent's number and the hash of its evidence as headers. Whatever comes back is read as
strictly as what an applicant posts.
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import date
from http import HTTPStatus
from typing import Any, get_type_hints

import httpx
import msgspec
from msgspec import Struct

from model.credit_file import SOURCES, CreditFile, Fault, check
from service.application import strictly
from service.consent import CONSENT, EVIDENCE, ConsentRecord


class Failed(Exception):
    """A source gave no answer that can be used; asked again, it may."""


class Refused(Exception):
    """A source would not answer, and asking again would not help; it is not ill."""


class Section(Struct, frozen=True, kw_only=True):
    """What one source says of a firm on a day; `section` is null when it knows nothing.

    `complete` is false when the source knows that something is missing from it.
    """

    uscc: str
    source: str
    answered_on: date
    complete: bool = True
    section: Any = None
    sha256: str = ""


_HINTS = get_type_hints(CreditFile)


def _of(source: str) -> Any:
    """The kind of answer that holds one source's section."""
    fields: list[Any] = [("section", _HINTS[source], None)]
    return msgspec.defstruct(
        source, fields, bases=(Section,), frozen=True, kw_only=True, forbid_unknown_fields=True
    )


_DECODERS: dict[str, Callable[[bytes], Section]] = {
    source: msgspec.json.Decoder(_of(source)).decode for source in SOURCES
}


def read(body: bytes, source: str, uscc: str, today: date) -> Section:
    """An answer of a source about a firm; raises Fault naming the field that cannot be true."""
    answer = strictly(body, _DECODERS[source])
    for field, got, expected in (("uscc", answer.uscc, uscc), ("source", answer.source, source)):
        if got != expected:
            raise Fault(field, got[:40], f"{expected}, which was asked for")
    if answer.answered_on > today:
        raise Fault("answered_on", answer.answered_on, f"a date not after today, {today}")
    if answer.section is not None:
        sections: Mapping[str, Any] = {source: answer.section}
        check(CreditFile(uscc=uscc, as_of=answer.answered_on, **sections))
    return msgspec.structs.replace(answer, sha256=hashlib.sha256(body).hexdigest())


class Outlet:
    """The HTTP client of one data exchange; connections are kept, a few for each source.

    One pool a source: httpx looks at every connection of a pool at every call, so one pool for all
    takes twice the time.
    """

    def __init__(self, url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        trusted = httpx.create_ssl_context()
        self._clients = {
            source: httpx.AsyncClient(
                base_url=url,
                transport=transport,
                verify=trusted,
                timeout=None,  # the gateway times every call as a whole
                headers={"accept-encoding": "identity"},  # nothing small that unpacks to much
                trust_env=False,
            )
            for source in SOURCES
        }

    async def ask(self, source: str, consent: ConsentRecord, most_bytes: int) -> bytes | None:
        """What a source says of the firm that consented; None when it does not know the firm.

        Raises Failed or Refused, saying why.
        """
        path = f"/v1/firms/{consent.subject}/sources/{source}"
        headers = {CONSENT: consent.consent_id, EVIDENCE: consent.evidence_sha256}
        try:
            async with self._clients[source].stream("GET", path, headers=headers) as reply:
                if reply.status_code == HTTPStatus.NOT_FOUND:
                    return None
                if 400 <= reply.status_code < 500 and reply.status_code != 429:
                    raise Refused(f"it answered {reply.status_code}")
                if reply.status_code != HTTPStatus.OK:
                    raise Failed(f"it answered {reply.status_code}")
                return await _body(reply, most_bytes)
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise Failed(str(error) or type(error).__name__) from None

    async def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await client.aclose()


async def _body(reply: httpx.Response, most: int) -> bytes:
    chunks, size = [], 0
    async for chunk in reply.aiter_raw():
        chunks.append(chunk)
        size += len(chunk)
        if size > most:
            raise Failed(f"it sent more than {most} bytes")
    return b"".join(chunks)
