import subprocess
import sys
from pathlib import Path

import pytest

from synthetic_data import trial
from synthetic_data.scenario import read
from tests.test_scenario import OWN


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[trial.Finding]:
    """Two scenarios and one of our own that claims the wrong direction, 2,000 firms."""
    own = tmp_path_factory.mktemp("own") / "wrong.toml"
    own.write_text(OWN.replace('"down"', '"up"').replace("0.1", "0.0"))
    return trial.run(["recession", "source-outage", str(own)], 2_000, 7)


def test_shipped_scenarios_move_what_they_declare(found: list[trial.Finding]) -> None:
    shipped = [one for one in found if one.scenario.name != "wrong"]
    assert len(shipped) == sum(
        len(knob.moves) for name in ("recession", "source-outage") for knob in read(name).knobs
    )
    assert [one.told() for one in shipped if not one.measured.as_declared] == []
    depth = next(one for one in shipped if one.knob.key == "economy.recession_depth")
    assert depth.measured.size == pytest.approx(-0.22, abs=0.05)  # unequal exposures


def test_a_knob_that_moves_nothing_is_found_out(found: list[trial.Finding]) -> None:
    (wrong,) = [one for one in found if one.scenario.name == "wrong"]
    assert not wrong.measured.as_declared
    assert wrong.told()[2:6] == ("up", *wrong.told()[3:5], "+0.0%")
    assert "| wrong | economy.recession_depth | sales, 2019-01 to 2019-12" in trial.markdown(found)


def test_the_command_says_so_and_exits_with_1(tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text(OWN.replace('"down"', '"up"'))
    command = [sys.executable, "-m", "service.cli", "scenarios", "--firms", "100"]
    given = ["--scenario", str(tmp_path / "wrong.toml"), "--out", str(tmp_path / "effects.md")]
    done = subprocess.run([*command, *given], capture_output=True, text=True)
    assert done.returncode == 1
    assert "0 of 1 effects moved as declared" in done.stdout
    assert "慢的一年" in done.stdout
    assert "| NO |" in (tmp_path / "effects.md").read_text()


def test_a_file_is_tried_under_its_stem(tmp_path: Path) -> None:
    (tmp_path / "slow.toml").write_text(OWN)
    told: list[str] = []
    with pytest.raises(ValueError, match="months: got 1"):
        trial.run([str(tmp_path / "slow.toml")], 10, 7, months=1, on_world=told.append)
    assert told == ["slow"]
