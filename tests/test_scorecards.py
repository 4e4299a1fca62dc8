"""`yidaitong train --table` and `yidaitong score`, as a lender types them."""

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from service import cli
from tests.own_loans import written


def yidaitong(*words: str) -> Result:
    return CliRunner().invoke(cli.app, [*words], env={"COLUMNS": "200"})


def test_own_loans_are_shown_trained_measured_and_scored(own_loans: Path, tmp_path: Path) -> None:
    folder, to = tmp_path / "artifact", tmp_path / "scores.csv"
    trained = yidaitong(
        "train", "--table", str(own_loans), "--target", "result", "--positive", "charged off",
        "--time", "approved_on", "--out", str(folder),
    )  # fmt: skip
    assert trained.exit_code == 0, trained.output
    shown = trained.output
    assert shown.index("The columns as recognised") < shown.index("held out: the latest by")
    assert "truth's AUC" not in shown
    for said in ("identifier", "a leak: alone it gives AUC", "(suggested)", "Calibration"):
        assert said in shown
    assert sorted(path.name for path in folder.iterdir()) == [
        "card.json", "estimator.joblib", "parity.json", "schema.toml", "scorecard.json",
    ]  # fmt: skip
    scored = yidaitong("score", str(own_loans), "--artifact", str(folder), "--out", str(to))
    assert scored.exit_code == 0, scored.output
    assert "3,000 loans scored" in scored.output
    assert pd.read_csv(to)["pd_12m"].between(0, 1).all()


def test_unused_suggestions_are_marked(own_loans: Path, tmp_path: Path) -> None:
    trained = yidaitong(
        "train", "--table", str(own_loans), "--target", "result", "--positive", "charged off",
        "--no-suggested", "--out", str(tmp_path),
    )  # fmt: skip
    assert "higher is safer (suggested, not used)" in trained.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("train", "--out", "x"), "expected exactly one of --world DIR and --table FILE"),
        (("train", "--out", "x", "--table", "a", "--world", "b"), "expected exactly one of"),
        (("train", "--out", "x", "--table", "a.csv"), "expected --target COL"),
        (("train", "--out", "x", "--table", "none.csv", "--target", "y"), "No such file"),
        (("score", "none.csv", "--artifact", "{own}", "--out", "x.csv"), "No such file"),
        (("score", "none.csv", "--artifact", "none", "--out", "x.csv"), "expected an artefact"),
        (
            ("decide", "{file}", "--artifact", "{own}"),
            "a scorecard of a lender's own table (loans)",
        ),
    ],
)
def test_a_mistake_is_one_sentence(
    words: tuple[str, ...],
    said: str,
    own_artifact: Path,
    stories: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(stories["young-shop"])
    monkeypatch.chdir(tmp_path)
    typed = [word.format(own=own_artifact, file=file) for word in words]
    monkeypatch.setattr("sys.argv", ["yidaitong", *typed])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 1
    printed = capfd.readouterr().err
    assert said in " ".join(printed.split())
    assert printed.count("error:") == 1
    assert "Traceback" not in printed


def test_a_csv_of_loans_trains_as_well(tmp_path: Path) -> None:
    trained = yidaitong(
        "train", "--table", str(written(tmp_path, "loans.csv")), "--target", "result",
        "--positive", "charged off", "--out", str(tmp_path / "out"),
    )  # fmt: skip
    assert trained.exit_code == 0, trained.output
