import asyncio
import sys
from pathlib import Path

import msgspec
import pytest

from service.benchmark import Benchmark
from service.problem import Problem

WRITES = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text('{\"figures\": [1, 2]}')"
FAILS = "import sys; sys.stderr.write('first\\nno such thing\\n'); sys.exit(3)"


def run(code: str, again: bool = False) -> Benchmark:
    benchmark = Benchmark(lambda out: [sys.executable, "-c", code, str(out)])

    async def wait() -> None:
        benchmark.start()
        assert benchmark.state().running
        if again:
            with pytest.raises(Problem, match="is running"):
                benchmark.start()
        while benchmark.state().running:
            await asyncio.sleep(0.02)

    asyncio.run(wait())
    return benchmark


def test_the_figures_are_shown_when_it_is_done(tmp_path: Path) -> None:
    state = run(WRITES, again=True).state()
    assert msgspec.json.decode(msgspec.json.encode(state))["report"] == {"figures": [1, 2]}
    assert state.seconds > 0
    assert state.error is None


def test_a_benchmark_that_fails_says_its_last_words() -> None:
    state = run(FAILS).state()
    assert (state.error, state.report) == ("no such thing", None)


def test_nothing_was_measured_yet() -> None:
    state = Benchmark(lambda out: []).state()
    assert not state.running
    assert state.report is None
