import os
import platform

from service.machine import seen, versions


def test_the_machine_says_itself_in_one_line() -> None:
    where = seen()
    assert where.cores == os.cpu_count()
    assert where.memory_gb > 0
    assert where.cpu
    said = where.said()
    assert platform.python_version() in said
    assert f"{where.cores} cores" in said
    assert "\n" not in said


def test_only_installed_packages_have_a_version() -> None:
    assert set(versions({"numpy", "no-such-package"})) == {"numpy"}
