"""The latency test: a whole decision in memory against the baseline's predict_proba alone.

A ratio of two medians taken in turns in one run, so that a slow or busy machine slows both. The
absolute figures belong to `yidaitong bench`.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest

from service.application import Request
from service.bench import time_calls
from service.decide import Decision

ROUNDS = 2
AT_LEAST = 30.0
"""A floor that holds under load; about 60 is measured on a quiet machine."""


@pytest.mark.slow
def test_deciding_is_far_faster_than_the_baselines_predict_proba(
    decided: Callable[[Request], Decision], healthy: Request, tmp_path: Path
) -> None:
    naive = [sys.executable, "-m", "service.naive", "--pipeline", str(tmp_path / "naive.joblib")]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([*naive, "--fit"], check=True, env=one_thread, capture_output=True)
    ours_us, baseline_us = [], []
    for _ in range(ROUNDS):
        ours_us.append(time_calls(lambda: decided(healthy), 0.3).latency.p50_us)
        timed = subprocess.run(
            [*naive, "--time", "0.3"], check=True, env=one_thread, capture_output=True
        )
        baseline_us.append(json.loads(timed.stdout)[0]["latency"]["p50_us"])
    assert median(baseline_us) / median(ours_us) >= AT_LEAST
