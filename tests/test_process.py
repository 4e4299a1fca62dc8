import socket
import sys
from collections.abc import Sequence

import pytest

from service.process import ServerDied, free_port, running


def test_a_taken_port_is_not_given_out() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        wanted = taken.getsockname()[1]
        assert free_port(wanted) != wanted


def test_a_free_port_is_given_as_wanted() -> None:
    port = free_port()
    assert free_port(port) == port


def failing(_: int) -> Sequence[str]:
    return [sys.executable, "-c", "raise SystemExit(3)"]


def silent(_: int) -> Sequence[str]:
    return [sys.executable, "-c", "import time; time.sleep(60)"]


def test_a_server_that_exits_is_reported_with_its_code() -> None:
    with pytest.raises(ServerDied, match="exited with code 3"), running(failing):
        pytest.fail("must not be reached")


def test_a_server_that_never_listens_is_given_up_and_stopped() -> None:
    with pytest.raises(ServerDied, match="not ready in time"), running(silent, within_s=0.5):
        pytest.fail("must not be reached")
