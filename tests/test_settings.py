from pathlib import Path

import pytest
from pydantic import ValidationError

from service.settings import Settings


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YIDAITONG_PORT", "8123")
    assert Settings().port == 8123


def test_what_is_given_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YIDAITONG_ARTIFACT", "/elsewhere")
    assert Settings(artifact=Path("here")).artifact == Path("here")


def test_a_port_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValidationError, match="less than or equal to 65535"):
        Settings(port=70_000)


def test_every_setting_is_explained() -> None:
    assert all(field.description for field in Settings.model_fields.values())
