"""Backtest: the same decisions as the service makes, summed; what changed and for whom."""

from collections import defaultdict
from collections.abc import Callable
from datetime import date
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from service import backtest as backtests
from service.application import Request
from service.backtest import Applicant, BacktestError, Chunk, Parts, Result, backtest, world_chunks
from service.cli import app
from service.decide import DEFAULT_CATALOGUE, DEFAULT_POLICY, Decision, Engine
from service.ledger import open_ledger

Decide = Callable[[Request], Decision]


@pytest.fixture(scope="module")
def was(artifact: Path) -> Parts:
    return Parts(artifact, DEFAULT_POLICY, DEFAULT_CATALOGUE)


@pytest.fixture(scope="module")
def stricter(was: Parts, tmp_path_factory: pytest.TempPathFactory) -> Parts:
    """The same but for a person looking from 2 % on, not from 8 %."""
    text = DEFAULT_POLICY.read_text().replace("pd_12m, 0.08, 0.15", "pd_12m, 0.02, 0.15")
    policy = tmp_path_factory.mktemp("stricter") / "policy.toml"
    policy.write_text(text)
    return Parts(was.artifact, policy, was.catalogue)


def whole(parts: list[Result]) -> Result:
    found = Result()
    for part in parts:
        found.add(part)
    return found


@pytest.fixture(scope="module")
def found(world: Path, was: Parts, stricter: Parts) -> Result:
    return whole(list(backtest(world_chunks(world), was, stricter, workers=1)))


def test_every_application_is_judged_as_the_service_decides(
    world: Path, engine: Engine, decided: Decide
) -> None:
    judged = 0
    for chunk in world_chunks(world):
        for application, credit_file, _, _ in backtests.cases(chunk):
            said = Applicant(application, credit_file).judged(engine)
            full = decided(Request(application=application, credit_file=credit_file))
            assert (said.verdict, said.limit_yuan) == (full.verdict, full.limit_yuan)
            assert said.pd_12m == full.assessment.pd_12m
            if full.verdict == "approve":
                most = max(offer.amount_yuan for offer in full.offers)
                cheapest = next(offer for offer in full.offers if offer.amount_yuan == most)
                taken = full.syndicate or [cheapest]
                assert said.interest_yuan == sum(offer.total_interest_yuan for offer in taken)
            judged += 1
    assert judged > 500


def test_swaps_count_everybody_once_and_only_move_towards_the_person(
    world: Path, found: Result
) -> None:
    applications = pq.read_table(world / "applications.parquet")
    truth = pq.read_table(world / "truth.parquet")["true_defaulted_12m"].to_pylist()
    tallies = [swap.tally for swap in found.swaps.values()]
    assert sum(tally.applications for tally in tallies) == applications.num_rows
    assert sum(tally.defaults for tally in tallies) == sum(truth)
    first = applications["first_time_borrower"].to_pylist()
    assert sum(tally.first_time for tally in tallies) == sum(first)
    moved = {pair for pair in found.swaps if pair[0] != pair[1]}
    assert moved == {("approve", "refer")}
    swap = found.swaps["approve", "refer"]
    assert swap.now.lent_yuan == 0 < swap.was.lent_yuan
    kept = found.swaps["approve", "approve"]
    assert kept.was == kept.now
    assert kept.tally.pd_12m / kept.tally.applications < 0.02


def test_money_adds_up_case_by_case(world: Path, was: Parts, engine: Engine) -> None:
    chunk = world_chunks(world)[0]
    by_verdict: dict[str, list[float]] = defaultdict(lambda: [0.0] * 3)
    for application, credit_file, _, defaulted in backtests.cases(chunk):
        said = Applicant(application, credit_file).judged(engine)
        sums = by_verdict[said.verdict]
        sums[0] += said.limit_yuan
        sums[1] += -said.lost_yuan if defaulted else said.earned_yuan
        sums[2] += (1 - said.pd_12m) * said.earned_yuan - said.pd_12m * said.lost_yuan
        if said.verdict == "approve":
            assert 0 < said.earned_yuan < said.interest_yuan
            assert 0 < said.lost_yuan < said.limit_yuan
    (alone,) = backtest([chunk], was, was, workers=1)
    money = alone.swaps["approve", "approve"].now
    assert [money.lent_yuan, money.real_yuan, money.expected_yuan] == pytest.approx(
        by_verdict["approve"]
    )


def test_two_processes_find_what_one_finds(
    world: Path, was: Parts, stricter: Parts, found: Result
) -> None:
    again = whole(list(backtest(world_chunks(world), was, stricter, workers=2)))
    assert again.swaps == found.swaps
    assert again.timed == found.timed > 0
    assert again.was_ns > 0 < again.now_ns


def test_since_leaves_earlier_applications_out(world: Path, was: Parts, found: Result) -> None:
    as_of = pq.read_table(world / "applications.parquet")["as_of"].to_pylist()
    on = sorted(as_of)[len(as_of) // 2]
    later = whole(list(backtest(world_chunks(world), was, was, since=on, workers=1)))
    counted = sum(swap.tally.applications for swap in later.swaps.values())
    assert counted == sum(day >= on for day in as_of) < len(as_of)
    never = date(2099, 1, 1)
    nobody = backtest(world_chunks(world), was, was, since=never, workers=1)
    assert not any(part.swaps for part in nobody)


def test_recorded_applications_are_decided_again(
    world: Path, was: Parts, engine: Engine, decided: Decide, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    chunk, verdicts = world_chunks(world)[0], []
    with open_ledger(url) as ledger:
        for i, (application, credit_file, _, _) in enumerate(backtests.cases(chunk)):
            request = Request(application=application, credit_file=credit_file)
            decision = decided(request)
            verdicts.append(decision.verdict)
            ledger.append_sync(f"{i:032x}", msgspec.json.encode(request), b"{}")
            if i == 99:
                break
    said = whole(list(backtest(backtests.ledger_chunks(url), was, was, workers=1)))
    counts = {pair[0]: swap.tally.applications for pair, swap in said.swaps.items()}
    assert counts == {verdict: verdicts.count(verdict) for verdict in set(verdicts)}
    assert all(swap.tally.known == 0 for swap in said.swaps.values())


def test_a_world_without_its_truth_knows_only_its_own_loans(
    world: Path, was: Parts, tmp_path: Path
) -> None:
    for name in ("applications", "credit_files", "outcomes"):
        (tmp_path / f"{name}.parquet").symlink_to(world / f"{name}.parquet")
    said = whole(list(backtest(world_chunks(tmp_path), was, was, workers=1)))
    outcomes = pq.read_table(world / "outcomes.parquet")
    known = sum(swap.tally.known for swap in said.swaps.values())
    assert known == outcomes.num_rows
    defaults = sum(swap.tally.defaults for swap in said.swaps.values())
    assert defaults == sum(outcomes["defaulted_12m"].to_pylist())


def test_a_folder_that_is_no_world_is_named(world: Path, was: Parts, tmp_path: Path) -> None:
    with pytest.raises(BacktestError, match="no such file; expected what"):
        world_chunks(tmp_path)
    files = pq.read_table(world / "credit_files.parquet")
    (tmp_path / "applications.parquet").symlink_to(world / "applications.parquet")
    pq.write_table(files.slice(1), tmp_path / "credit_files.parquet")
    with pytest.raises(BacktestError, match="expected the same applications in both"):
        world_chunks(tmp_path)
    with pq.ParquetWriter(tmp_path / "credit_files.parquet", files.schema) as writer:
        for chunk in world_chunks(world):
            rows = pq.ParquetFile(world / "credit_files.parquet").read_row_group(chunk.row_group)
            turned = rows.take(pa.array(range(len(rows) - 1, -1, -1)))
            writer.write_table(turned, row_group_size=len(rows))
    with pytest.raises(BacktestError, match=r"row group 0: .* differ"):
        list(backtest([Chunk(world=tmp_path, row_group=0)], was, was, workers=1))


def test_the_command_prints_what_changed(
    world: Path, was: Parts, stricter: Parts, found: Result, tmp_path: Path
) -> None:
    told = tmp_path / "told.json"
    command = ["backtest", "--world", str(world), "--policy", str(stricter.policy), "--artifact",
               str(was.artifact), "--workers", "1", "--json", str(told)]  # fmt: skip
    ran = CliRunner().invoke(app, command)
    assert ran.exit_code == 0, ran.output
    for words in ("approved", "default rate", "real profit", "first-time", "Swap set", "C3 engine"):
        assert words in ran.output
    swaps = msgspec.json.decode(told.read_bytes())["swaps"]
    assert swaps["approve -> refer"] == msgspec.to_builtins(found.swaps["approve", "refer"])
    wrong = CliRunner().invoke(app, ["backtest"])
    assert wrong.exit_code == 1
