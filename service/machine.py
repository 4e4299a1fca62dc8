"""The machine and the packages that something was measured with."""

import os
import platform
import re
from collections.abc import Collection
from importlib.metadata import distributions
from pathlib import Path

from msgspec import Struct


class Machine(Struct, frozen=True):
    """Where it was measured, and how busy the machine already was."""

    cpu: str
    cores: int
    memory_gb: float
    kernel: str
    python: str
    load_average_1min: float

    def said(self) -> str:
        """In one line."""
        return (
            f"{self.cpu}, {self.cores} cores, {self.memory_gb:g} GB, {self.kernel}, "
            f"Python {self.python}, load average {self.load_average_1min:.1f}"
        )


def seen() -> Machine:
    """This machine, and how busy it is now."""
    facts = Path("/proc/cpuinfo")
    cpus = re.findall(r"model name\s*: (.*)", facts.read_text()) if facts.exists() else []
    memory_gb = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    cpu, kernel = (*cpus, platform.machine())[0], f"{platform.system()} {platform.release()}"
    python, busy = platform.python_version(), os.getloadavg()[0]
    return Machine(cpu, os.cpu_count() or 1, memory_gb, kernel, python, busy)


def versions(packages: Collection[str]) -> dict[str, str]:
    """Of the packages, those installed."""
    return {known.name: known.version for known in distributions() if known.name in packages}
