"""The audit walks what is beside the decisions, too."""

from pathlib import Path

import apsw
import pytest
from typer.testing import CliRunner

from service.audit import audit, in_one
from service.cli import app
from service.desk import Desk, Dispute
from service.ledger import open_ledger


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A ledger with one decision and one event at the desk."""
    made = f"sqlite:///{tmp_path / 'ledger.db'}"
    with open_ledger(made) as ledger:
        ledger.append_sync("a", b"q", b"a")
    desk = Desk.beside(made)
    desk.dispute("a", "lin", Dispute(source="tax", said="The arrears were paid in May."))
    desk.close()
    return made


def verified(url: str) -> tuple[int, str]:
    ran = CliRunner().invoke(app, ["verify", "--ledger", url])
    return ran.exit_code, ran.output


def test_verify_walks_the_desk_and_says_so(url: str) -> None:
    found = audit(url)
    assert {name: one.records for name, one in found.items()} == {"decisions": 1, "desk": 1}
    assert in_one(found) == found["decisions"]
    code, said = verified(url)
    assert code == 0
    assert "1 records, 1 chain intact" in said
    assert "desk: 1 events, 1 chain intact" in said


def test_a_flipped_byte_in_an_event_is_found_and_named(url: str) -> None:
    connection = apsw.Connection(f"{url}.desk".removeprefix("sqlite:///"))
    connection.execute(
        "UPDATE record SET request = CAST(replace(CAST(request AS TEXT), 'May', 'Mai') AS BLOB)"
    )
    connection.close()
    found = in_one(audit(url))
    assert (found.ok, found.what) == (False, "desk: the stored bytes do not fit their hash")
    code, said = verified(url)
    assert code == 1
    assert "desk: broken at record 1 of writer 1" in said
