from pathlib import Path

import pytest

from model.schema import ColumnSchema, Schema, SchemaError, read, write


def test_what_was_written_is_read(tmp_path: Path) -> None:
    schema = Schema(
        columns={
            "经营年限": ColumnSchema(type="number", direction=-1, unit="months", label_zh="年限"),
            'a "b".c': ColumnSchema(type="ordered", categories=["A", "B"], suggested_direction=1),
            "id": ColumnSchema(type="identifier", leave_out="names the loan"),
            "free": ColumnSchema(type="number", direction=0),
        }
    )
    path = tmp_path / "schema.toml"
    assert write(path, schema) == path.read_bytes()
    assert read(path) == schema
    assert path.read_text().startswith("# What each column of the table is.")


def test_a_stated_direction_goes_before_a_suggested_one() -> None:
    assert ColumnSchema(suggested_direction=1).sign == 1
    assert ColumnSchema(suggested_direction=1, direction=0).sign == 0
    assert ColumnSchema(suggested_direction=1, direction=-1).sign == -1


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("[columns", "mine.toml: "),
        ("columns = 3", "Expected `object`, got `int`"),
        ("columns.a = 3", "Expected `object`, got `int`"),
        ("[column.a]", "unknown field `column`"),
        ("[columns.a]\ntyp = 'number'", "columns.a: .*unknown field `typ`; expected type, dir"),
        ("[columns.a]\ntype = 'numeric'", "a.type: Invalid enum value 'numeric'; expected one of"),
        ("[columns.a]\ndirection = 2", "a.direction: Invalid enum value 2; expected 1, -1 or 0"),
        ("[columns.a]\ncategories = [1]", "a.categories: Expected `str`, got `int`"),
        ("[columns.a]\ntype = 'date'", r"a.type: got 'date', expected one of number, category"),
        ("[columns.a]\ntype = 'ordered'", "a.categories: expected two or more distinct"),
        ("[columns.a]\ntype = 'ordered'\ncategories = ['x', 'x']", "two or more distinct"),
        ("[columns.a]\ntype = 'number'\ncategories = ['x']", "expected only where"),
        ("[columns.a]\ntype = 'category'\ndirection = 1", "expected none for a category"),
        ("[columns.a]\nlabel_zh = '" + "x" * 400 + "'", "length <= 300"),
    ],
)
def test_a_schema_that_cannot_be_used_names_the_place(
    written: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(written)
    with pytest.raises(SchemaError, match=said) as found:
        read(path)
    assert "mine.toml" in str(found.value)


def test_a_schema_that_is_not_there_says_where_one_is_written(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="yidaitong train --table"):
        read(tmp_path / "none.toml")
