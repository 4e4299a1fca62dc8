import pytest
from rich.console import Console

from service import rivals


def test_ours_is_timed_beside_what_is_installed_and_rates_as_well_as_it_learned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fast = {name: peer for name, peer in rivals.PEERS.items() if peer[0] == "sklearn"}
    monkeypatch.setattr(rivals, "PEERS", fast)
    found = rivals.measure(0.03)
    ours, *others = found.rows
    assert ours.times_ours == 1.0
    assert all(one.times_ours > 1.0 for one in others)
    assert {one.name for one in others} >= {
        "our ONNX export in onnxruntime, from a dict", "HistGradientBoosting, 200 trees",
    }  # fmt: skip
    assert min(one.auc for one in found.rows) > 0.85
    assert found.bulk[0].rows_a_second > 0
    assert found.bulk[0].auc > 0.75
    shown = Console(record=True, width=120)
    shown.print(rivals.table(found))
    assert "scikit-learn" in shown.export_text()
