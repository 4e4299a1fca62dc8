"""What a caller is told when a request cannot be answered: RFC 9457 problem details."""

from typing import Any

import msgspec
from msgspec import Struct

MEDIA_TYPE = "application/problem+json"


class FieldError(Struct, frozen=True, kw_only=True):
    """One field: what it held and what was expected."""

    field: str
    value: Any
    expected: str


class ProblemDocument(Struct, frozen=True, kw_only=True):
    """RFC 9457 problem details, with the fields at fault."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] = []


class Problem(Exception):
    """A situation the caller is told about: a kind, its HTTP status and a sentence."""

    def __init__(
        self,
        kind: str,
        status: int,
        detail: str,
        errors: list[FieldError] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind, self.status, self.headers = kind, status, headers or {}
        self.document = ProblemDocument(
            type=f"urn:yidaitong:problem:{kind}",
            title=kind.replace("-", " ").capitalize(),
            status=status,
            detail=detail,
            errors=errors or [],
        )

    def body(self) -> bytes:
        """The document as JSON."""
        return msgspec.json.encode(self.document)

    def messages(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The whole answer, as ASGI sends it."""
        body = self.body()
        headers = {"content-type": MEDIA_TYPE, "content-length": str(len(body)), **self.headers}
        told = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        return (
            {"type": "http.response.start", "status": self.status, "headers": told},
            {"type": "http.response.body", "body": body},
        )
