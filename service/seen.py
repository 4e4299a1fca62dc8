"""What is known of the request being answered: for logs, metrics and traces, never for deciding.

Whoever finds something out notes it here; nothing here is personal, and no key is.
"""

from contextvars import ContextVar
from typing import Any

from msgspec import Struct


class Seen(Struct):
    """One request: its number, whose key it bore, what came of it."""

    request_id: str = ""
    caller: str = ""  # a key's number, or a token's subject as a hash
    decision_id: str = ""
    problem: str = ""  # the kind of problem document it was answered with
    span: Any = None  # its span, where requests are traced


current: ContextVar[Seen] = ContextVar("seen")


def seen() -> Seen:
    """The request being answered; one that nobody looks at, outside of any."""
    return current.get(None) or Seen()
