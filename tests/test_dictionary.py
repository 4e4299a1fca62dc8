"""The data dictionary is what the contract and the files of a world say now."""

from pathlib import Path

import pytest

from model import credit_file_dictionary
from model.credit_file import MONTHLY, SOURCES
from model.credit_file_dictionary import entries
from synthetic_data import dictionary

PAGE = Path(__file__).parent.parent / "docs" / "data-dictionary.md"


def test_the_page_is_not_stale() -> None:
    """Write it again with `uv run yidaitong dictionary --out docs/data-dictionary.md`."""
    assert PAGE.read_text("utf-8") == dictionary.page()


def test_every_source_and_every_list_is_there() -> None:
    found = entries()
    assert [record for record in found if record in SOURCES] == list(SOURCES)
    for source, lists in MONTHLY.items():
        types = {one.field: one.type for one in found[source]}
        assert all(types[name].startswith("list of ") for name in ("months", *lists))


def test_every_name_has_a_unit_that_the_field_ends_in() -> None:
    units = {"yuan": "yuan", "kwh": "kWh", "persons": "persons", "share": "share"}
    for fields in entries().values():
        for one in fields:
            assert all((one.zh, one.en, one.unit))
            assert any("\u4e00" <= character <= "\u9fff" for character in one.zh)
            last = one.field.removesuffix("_12m").rpartition("_")[2]
            if last in units:
                assert one.unit == units[last], one.field


def test_a_field_without_a_name_and_a_name_without_a_field_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = credit_file_dictionary.NAMES.read_text("utf-8")
    changed = tmp_path / "credit_file.toml"
    monkeypatch.setattr(credit_file_dictionary, "NAMES", changed)
    changed.write_text(text.replace("\nmachines = ", "\nengines = "), "utf-8")
    with pytest.raises(KeyError, match=r"industrial_internet\.machines: no name"):
        entries()
    changed.write_text(text + '\nrobots = ["机器人", "robots", "count"]\n', "utf-8")
    with pytest.raises(ValueError, match=r"industrial_internet\.robots: expected fields"):
        entries()


def test_a_column_without_a_name_and_a_name_without_a_column_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = dictionary._schemas()["outcomes"]
    text = dictionary.NAMES.read_text("utf-8")
    changed = tmp_path / "tables.toml"
    monkeypatch.setattr(dictionary, "NAMES", changed)
    changed.write_text(text.replace("\noutcome = ", "\nending = "), "utf-8")
    with pytest.raises(ValueError, match=r"\[outcomes\]: ending: no such column"):
        dictionary._columns("outcomes", schema)
    changed.write_text(text.replace("\noutcome = ", "\n# outcome = "), "utf-8")
    with pytest.raises(KeyError, match=r"outcomes\.outcome: no name"):
        dictionary._columns("outcomes", schema)
