import re

import pytest

from synthetic_data.parameters import PATH, ParameterError, parse, standard

TEXT = PATH.read_text()


def changed(old: str, new: str) -> bytes:
    """The standard file with one passage changed."""
    assert TEXT.count(old) == 1, old
    return TEXT.replace(old, new).encode()


def entry(key: str) -> str:
    """The passage of one parameter."""
    found = re.search(rf"\[{re.escape(key)}\]\n.*?(?=\n\n|\Z)", TEXT, re.S)
    assert found
    return found[0]


def test_the_standard_parameters_load() -> None:
    assert standard().world.window_months == 12
    assert len(standard().sha256) == 64


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[world.futures]", "[world.futurs]", "world: futurs: got 'an unknown key'"),
        (entry("world.futures"), "", "world: futures: got 'nothing'"),
        (entry("world.futures"), '[world.futures]\nvalue = 30\nunit = "n"', "futures: source"),
        (entry("world.futures"), '[world.futures]\nvalue = 30\nsource = "x"', "futures: unit"),
        (
            entry("world.futures"),
            '[world.futures]\nvalue = 30\nunit = "n"\nsource = " "',
            "world.futures.source: got ' ', expected a text that is not empty",
        ),
        (
            entry("world.futures"),
            entry("world.futures").replace("value = 30", "value = 30.5"),
            "world.futures.value: got 30.5, expected a whole number",
        ),
        (
            entry("world.futures"),
            entry("world.futures") + "\nnote = 1",
            "world.futures: note: got 'an unknown key'",
        ),
        (
            "[0.494, 0.329, 0.177]",
            "[0.494, 0.329, 0.127]",
            "firms.age_weights: got 0.95, expected shares that sum to 1",
        ),
        (
            entry("firms.kwh_per_1000_yuan_by_sector"),
            entry("firms.kwh_per_1000_yuan_by_sector").replace("R = 14.0", "Z = 14.0"),
            "firms.kwh_per_1000_yuan_by_sector.value: Z: got 'an unknown key'",
        ),
        (
            entry("cashflow.level_sd"),
            '[cashflow.level_sd]\nvalue = nan\nunit = "a"\nsource = "b"',
            "cashflow.level_sd.value: got nan, expected a finite number",
        ),
    ],
)
def test_a_wrong_file_is_refused_with_key_value_and_what_was_expected(
    old: str, new: str, message: str
) -> None:
    with pytest.raises(ParameterError, match=re.escape(message)):
        parse(changed(old, new))


def test_every_parameter_is_used_somewhere() -> None:
    package = "".join(
        path.read_text()
        for path in PATH.parent.glob("*.py")
        if path.name not in ("parameters.py", "catalogue.py")
    )
    names = re.findall(r"^\[\w+\.(\w+)\]$", TEXT, re.M)
    assert len(names) > 100
    assert [name for name in names if not re.search(rf"\.{name}\b", package)] == []


def test_no_source_is_a_private_note() -> None:
    sources = re.findall(r'^source = "(.*)"$', TEXT, re.M)
    assert not [source for source in sources if re.search(r"\.(md|toml|py)\b", source)]
