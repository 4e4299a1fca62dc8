"""The frontier: counted right, monotone where it must be, and a page that stands alone."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from model.credit_file import SOURCES
from service.backtest import Applicant, Parts, cases, world_chunks
from service.cli import app
from service.decide import DEFAULT_CATALOGUE, DEFAULT_POLICY, Engine
from service.frontier import ALL, BINS, EDGES, Curve, Frontier, frontier, merged, page, worth


@pytest.fixture(scope="module")
def parts(artifact: Path) -> Parts:
    return Parts(artifact, DEFAULT_POLICY, DEFAULT_CATALOGUE)


@pytest.fixture(scope="module")
def found(world: Path, parts: Parts) -> Frontier:
    return merged(frontier(world_chunks(world), parts, workers=1))


def test_curves_cover_the_same_applications(world: Path, found: Frontier) -> None:
    assert set(found.curves) == {ALL, *SOURCES}
    assert {sum(curve.known) for curve in found.curves.values()} == {found.applications}
    assert len({sum(curve.defaults) for curve in found.curves.values()}) == 1
    assert found.applications == pq.read_table(world / "truth.parquet").num_rows
    assert found.points(ALL)[-1].approved == 1.0


def test_a_cut_off_approves_whom_the_score_puts_below_it(
    world: Path, engine: Engine, found: Frontier
) -> None:
    cut_off, approved, defaults = EDGES[280], 0, 0
    for chunk in world_chunks(world):
        for application, credit_file, _, defaulted in cases(chunk):
            if Applicant(application, credit_file).judged(engine).pd_12m < cut_off:
                approved += 1
                defaults += bool(defaulted)
    curve = found.curves[ALL]
    assert (approved, defaults) == (sum(curve.known[:281]), sum(curve.defaults[:281]))


def test_two_processes_count_what_one_counts(world: Path, parts: Parts, found: Frontier) -> None:
    assert merged(frontier(world_chunks(world), parts, workers=2)) == found
    half = merged(frontier(world_chunks(world), parts, every=2, workers=1))
    assert 0.4 * found.applications < half.applications < 0.6 * found.applications


def by_hand(known: dict[int, int], defaults: dict[int, int]) -> Frontier:
    curve = Curve([known.get(i, 0) for i in range(BINS)], [defaults.get(i, 0) for i in range(BINS)])
    return Frontier(sum(known.values()), {ALL: curve})


def test_points_by_hand() -> None:
    made = by_hand({100: 50, 200: 30, 399: 20}, {200: 3, 399: 10})
    points = [(point.approved, round(point.default_rate, 6)) for point in made.points(ALL)]
    assert points == [(0.5, 0.0), (0.8, 0.0375), (1.0, 0.13)]
    assert made.at_approval(ALL, 0.75).approved == 0.8
    at = made.at_default_rate(ALL, 0.05)
    assert at is not None
    assert at.approved == 0.8
    assert by_hand({3: 1}, {3: 1}).at_default_rate(ALL, 0.5) is None


def test_the_page_stands_alone_and_tells_what_a_source_is_worth(found: Frontier) -> None:
    text = page(found, 0.08)
    assert text.count("<tr><td>") == 1 + len(SOURCES)
    assert "without courts 无法院" in text
    assert 'src="http' not in text
    rows = {name: equal for name, equal, _ in worth(found, 0.08)}
    assert rows["bank"].default_rate >= rows[ALL].default_rate


def test_the_command_writes_the_page(world: Path, artifact: Path, tmp_path: Path) -> None:
    out = tmp_path / "frontier.html"
    command = ["frontier", "--world", str(world), "--artifact", str(artifact), "--out", str(out)]
    ran = CliRunner().invoke(app, command)
    assert ran.exit_code == 0, ran.output
    assert "without bank statements" in ran.output
    assert out.read_text().startswith("<!doctype html>")
