"""Throw broken input at everything that reads from outside; by hand, with many inputs:

uv run python -m tests.fuzzing 1000000

Valid examples are changed in their bytes and in their structure. A reader may accept, or refuse in
its own words; any other exception is a crash, and its input is kept. What the reader of requests
accepts is decided, and from time to time replayed, told as a notice and asked the way to yes.
"""

import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from model import artifact, table
from model import parity as parities
from model.credit_file import Fault, check_uscc
from model.parity import Parity
from model.scorer import Scorer
from model.table import ScorecardError
from service import intake
from service.application import parse, strictly
from service.chain import Record
from service.consent import SubjectGrant
from service.decide import Decision, Engine, decide
from service.idempotency import key_of
from service.keys import Keys, KeysError
from service.notice import html, notice
from service.problem import Problem
from service.recourse import recourse
from service.replay import replay
from service.scores import Scores
from tests.source_stand_ins import EVIDENCE

VALUES: Sequence[Any] = (
    None, True, False, 0, -0.0, -1, 1, 2**53, 2**63, 2**64, 10**30, 0.1, 1e15, 1e308, 5e-324,
    -1e308, "", " ", "\x00", "０", "\u200b", "\U0001f4a3", "x" * 300, [], {}, [[]], {"": None},
    [None], "0001-01-01", "9999-12-31", "2019-02-30", "2019-13", "0001-01", "9999-12", "NaN",
)  # fmt: skip
TOKENS = (
    b"NaN", b"1e999", b"-Infinity", b"1" * 400, b"1" * 5_000, b'"\\ud800"', b"\xff\xfe",
    b"\xef\xbb\xbf", b"[" * 600,
    b'{"a":' * 600, b"null", b'"application":1,', b"\x00", b",", b":", b'"', b"}",
    b"\\u0000", b"-", b".",
)  # fmt: skip
TODAY = date(2026, 1, 1)  # fixed, so that a seed finds the same again
_encode = msgspec.json.encode


class Mutator:
    """Changes valid examples, the same way for the same seed."""

    def __init__(self, examples: Sequence[bytes], seed: int) -> None:
        self.random, self._examples = random.Random(seed), [*examples]
        self._trees = [_tree(one) for one in examples]
        self._places = [[*_places(one)] for one in self._trees]

    def one(self) -> bytes:
        """One input: nearly right, in its structure, its bytes or both."""
        which = self.random.randrange(len(self._examples))
        kind = self.random.random()
        body = self._structure(which) if kind < 0.75 else self._examples[which]
        return self._bytes(body) if kind > 0.65 else body

    def _structure(self, which: int) -> bytes:
        tree, places = self._trees[which], self._places[which]
        if not places:
            return self._examples[which]
        for _ in range(self.random.choice((1, 1, 1, 2, 4))):
            tree = _changed(tree, self.random.choice(places), self._value)
        return _encode(tree)

    def _value(self, old: Any) -> Any:
        """What stands there instead: a strange value, one from elsewhere, or the old one bent."""
        draw = self.random.random()
        if draw < 0.3:
            return self.random.choice(VALUES)
        if draw < 0.4:
            which = self.random.randrange(len(self._trees))
            place = self.random.choice(self._places[which])
            return _at(self._trees[which], place)
        if isinstance(old, bool) or old is None:
            return not old
        if isinstance(old, int | float):
            factor = self.random.choice((0, -1, 0.5, 2, 10, 1e3, 1e6, 1e9, self.random.random()))
            return type(old)(min(1e300, max(-1e300, old * factor)))
        if isinstance(old, str):
            cut = self.random.randrange(len(old) + 1)
            return old[:cut] + self.random.choice(("", "0", " ", "９", old)) + old[cut + 1 :]
        if isinstance(old, list):
            cut = self.random.randrange(len(old) + 1)
            return self.random.choice((old[:cut], old[cut:], old + old, old[::-1], old * 8))
        kept = {name: value for name, value in old.items() if self.random.random() < 0.8}
        return kept | ({"": 1} if draw > 0.9 else {})

    def _bytes(self, body: bytes) -> bytes:
        for _ in range(self.random.choice((1, 1, 2, 8))):
            at, length = self.random.randrange(len(body) + 1), self.random.randrange(40)
            kind = self.random.randrange(5)
            if kind == 0:
                body = body[:at] + body[at + length :]
            elif kind == 1:
                body = body[:at] + body[at : at + length] * 2 + body[at + length :]
            elif kind == 2:
                body = body[:at] + self.random.choice(TOKENS) + body[at + length % 3 :]
            elif kind == 3:
                body = body[:at] + self.random.randbytes(1) + body[at + 1 :]
            else:
                body = body[:at] if self.random.random() < 0.1 else body + body[at : at + length]
        return body


def _tree(example: bytes) -> Any:
    try:
        return msgspec.json.decode(example)
    except msgspec.DecodeError:  # not JSON: changed in its bytes alone
        return None


def _places(node: Any, at: tuple[Any, ...] = ()) -> Any:
    """Every place of a tree but its root, as the steps that lead there."""
    items: Any = node.items() if isinstance(node, dict) else ()
    items = enumerate(node[:4]) if isinstance(node, list) else items
    for step, value in items:
        yield (*at, step)
        yield from _places(value, (*at, step))


def _at(node: Any, place: Sequence[Any]) -> Any:
    for step in place:
        node = node[step]
    return node


def _changed(node: Any, place: Sequence[Any], value: Callable[[Any], Any]) -> Any:
    """The tree with another value at a place; as it was where an earlier change took the place."""
    if not place:
        return value(node)
    if not isinstance(node, dict | list):
        return node
    step, *rest = place
    try:
        inner = _changed(node[step], rest, value)
    except (KeyError, IndexError, TypeError):
        return node
    copied = node.copy()
    copied[step] = inner
    return copied


@dataclass
class Reader:
    """One reader: valid examples, what reads them, how it refuses, its share of all inputs."""

    examples: Sequence[bytes]
    read: Callable[[bytes], object]
    refuses: type[Exception]
    share: float


@dataclass
class Fuzzed:
    """How many inputs each reader got and accepted, and what crashed."""

    inputs: Counter[str] = field(default_factory=Counter)
    accepted: Counter[str] = field(default_factory=Counter)
    crashes: list[tuple[str, bytes, Exception]] = field(default_factory=list)

    def __str__(self) -> str:
        each = ", ".join(
            f"{name} {count} ({self.accepted[name]} accepted)"
            for name, count in self.inputs.items()
        )
        return f"{sum(self.inputs.values())} inputs, {len(self.crashes)} crashes: {each}"


def fuzz(readers: dict[str, Reader], inputs: int, seed: int) -> Fuzzed:
    """Give the readers so many inputs between them; stops at the twentieth crash."""
    found = Fuzzed()
    for name, reader in readers.items():
        mutator = Mutator(reader.examples, seed)
        for _ in range(round(inputs * reader.share)):
            body = mutator.one()
            found.inputs[name] += 1
            try:
                reader.read(body)
                found.accepted[name] += 1
            except reader.refuses:
                continue
            except Exception as error:
                found.crashes.append((name, body, error))
                if len(found.crashes) >= 20:
                    return found
    return found


def readers(folder: Path, scorecard: Path, stories: Sequence[bytes]) -> dict[str, Reader]:
    """Every reader of something from outside, with examples; `folder` is for files it reads."""
    engine, keys, card = Engine.load(scorecard), folder / "keys.json", small(scorecard)
    Keys(keys).add("desk", ["apply"], 60)
    written = keys.read_bytes()
    scores = Scores.load(scorecard)
    grant = {
        "sources": ["registry", "tax"], "granted": "2020-04-15", "expires": "2035-01-01",
        "evidence_sha256": EVIDENCE,
    }  # fmt: skip
    firm: Any = msgspec.json.decode(stories[0])["application"]
    short = {name: firm[name] for name in ("applicant", "amount_yuan", "tenor_months", "purpose")}
    application = _encode(short | {"consent": grant})
    subject = _encode(grant | {"subject": firm["applicant"]})

    def read_keys(body: bytes) -> None:
        keys.write_bytes(body)
        Keys(keys).find("ydt_00000000_x")

    def consent(body: bytes) -> None:
        check_uscc(strictly(body, msgspec.json.Decoder(SubjectGrant).decode).subject, "subject")

    def applied(body: bytes) -> None:
        check_uscc(strictly(body, intake._application).applicant, "applicant")

    return {
        "credit files": Reader(stories, Deciding(engine), Fault, 0.6),
        "scorecards": Reader([card], scored, ScorecardError, 0.1),
        "parity samples": Reader([parity(card)], parity_read(card), ScorecardError, 0.02),
        "features": Reader(
            [_encode(scores.example())], lambda body: _encode(scores.score(scores.parse(body))),
            Fault, 0.08,
        ),
        "applications": Reader(
            [application, _encode(short | {"consent": "c"})], applied, Fault, 0.06
        ),
        "consents": Reader([subject], consent, Fault, 0.06),
        "keys": Reader([written], read_keys, KeysError, 0.03),
        "idempotency keys": Reader(
            [b"8e03978e-40d5-43dd-bc93-6894a57f9324", b'"quoted"'],
            lambda body: key_of({b"idempotency-key": body}, b""), Problem, 0.05,
        ),
    }  # fmt: skip


def small(scorecard: Path) -> bytes:
    """A scorecard of a few columns of each kind, with a two-way table, as stored."""
    card, _ = artifact.load(scorecard)
    of = {column.name: column for column in card.columns}
    kinds = {column.kind: column.name for column in card.columns}
    tables = card.two_way[:1]
    used = {*kinds.values(), *(s.feature for one in tables for s in (one.first, one.second))}
    return _encode(
        msgspec.structs.replace(card, columns=[of[name] for name in sorted(used)], two_way=tables)
    )


def parity(card: bytes) -> bytes:
    """A parity sample of a scorecard, with two rows."""
    columns = table.read(card).columns
    rows: list[list[Any]] = [[None for _ in columns]] * 2
    scorer = Scorer(table.read(card), {column.name: at for at, column in enumerate(columns)})
    missing = [float("nan") if column.kind == "number" else None for column in columns]
    score = scorer.reference_score + sum(scorer.points(missing))
    pd_12m = scorer.rate(missing)[1]
    return _encode(
        Parity(
            format=parities.FORMAT, columns=[column.name for column in columns], rows=rows,
            points=[score] * 2, pd_12m=[pd_12m] * 2,
        )
    )  # fmt: skip


def parity_read(stored: bytes) -> Callable[[bytes], None]:
    """Reads a parity sample and holds the scorecard to it."""
    card = table.read(stored)
    return lambda body: parities.check(parities.read(body, "parity.json"), card, "parity.json")


def scored(body: bytes) -> None:
    """Read a scorecard and score a strange row with it."""
    card = table.read(body)
    rows = (
        [None] * len(card.columns),
        [1e308 if c.kind == "number" else "?" for c in card.columns],
    )
    scorer = Scorer(card, {column.name: at for at, column in enumerate(card.columns)})
    for row in rows:
        values = [
            float("nan") if c.kind == "number" and v is None else v
            for c, v in zip(card.columns, row, strict=True)
        ]
        _encode(scorer.assess(values))


class Deciding:
    """Reads a request and decides on what it accepts, which must be whole and finite."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._decode = engine, msgspec.json.Decoder(Decision).decode
        self.decided = 0

    def __call__(self, body: bytes) -> None:
        """Raises Fault, or whatever it is that must not happen."""
        asked = parse(body, TODAY)
        decision = decide(
            asked, self._engine, decision_id="0" * 32,
            decided_at=datetime(2026, 1, 1, tzinfo=UTC), tick=lambda: 0,
        )  # fmt: skip
        stored = _encode(decision)
        self._decode(stored)  # refuses null, as NaN is written, where there must be a number
        self.decided += 1
        if self.decided % 50 == 0:
            record = Record(
                writer=1, seq=1, decision_id="0" * 32, request=body, decision=stored,
                prev_hash="0" * 64, hash="0" * 64,
            )  # fmt: skip
            if not replay(record, self._engine).same:
                raise AssertionError("replayed otherwise")
            html(notice(record, None))
        if self.decided % 500 == 0:
            _encode(recourse(asked, self._engine, None))


if __name__ == "__main__":
    from service.settings import Settings
    from synthetic_data.stories import STORIES, application

    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns() % 1_000_000
    bodies = [_encode(application(code)) for code in STORIES]
    begun = time.monotonic()
    with TemporaryDirectory() as name:
        fuzzed = fuzz(readers(Path(name), Settings().artifact, bodies), count, seed)
    sys.stdout.write(f"{fuzzed}; seed {seed}, {time.monotonic() - begun:.0f} s\n")
    for number, (reader, body, error) in enumerate(fuzzed.crashes):
        Path(f"crash-{number}.bin").write_bytes(body)
        sys.stdout.write(
            f"crash-{number}.bin: {reader}: {type(error).__name__}: {error}"[:300] + "\n"
        )
    sys.exit(bool(fuzzed.crashes))
