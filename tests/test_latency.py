"""The latency test: a whole decision in memory against the baseline's predict_proba alone.

A ratio in one run, ours timed before and after the baseline, so that a slow or busy machine slows
both. The absolute figures belong to `yidaitong bench`.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import mean

import pytest

from service.application import Request
from service.bench import time_calls
from service.decide import Decision

AT_LEAST = 30.0
"""A floor that holds under load; about 60 is measured on a quiet machine."""


@pytest.mark.slow
def test_deciding_is_far_faster_than_the_baselines_predict_proba(
    decided: Callable[[Request], Decision], healthy: Request, tmp_path: Path
) -> None:
    naive = [sys.executable, "-m", "service.naive", "--pipeline", str(tmp_path / "naive.joblib")]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([*naive, "--fit"], check=True, env=one_thread, capture_output=True)
    before = time_calls(lambda: decided(healthy), 0.5).latency.p50_us
    timed = subprocess.run(
        [*naive, "--time", "0.5"], check=True, env=one_thread, capture_output=True
    )
    after = time_calls(lambda: decided(healthy), 0.5).latency.p50_us
    baseline = json.loads(timed.stdout)[0]["latency"]["p50_us"]
    assert baseline / mean([before, after]) >= AT_LEAST
