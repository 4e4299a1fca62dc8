"""Lines: where tables and keys stand, whatever strings, comments and lists are in between."""

import tomllib

from service.lines import Lines

TEXT = '''# a comment with [table] and key = 1
name = "x"  # [[rule]]
text = """
[limit]
key = 1
"""
list = [
    "[rule]",
    { key = 1 },
]

[limit]  # first
"quoted" = 1
share = { A = 1, B = "]" }

[[rule]]
code = 'it''s'
when = \'\'\'
code = "no"
\'\'\'
escaped = "a \\\\" # not a string"

[[rule]]
  code = "B"
'''.replace("'it''s'", "'its'").replace('# not a string"', "# comment")


def test_the_text_is_toml() -> None:
    assert len(tomllib.loads(TEXT)["rule"]) == 2


def test_tables_and_keys_are_where_an_editor_shows_them() -> None:
    lines, numbered = Lines(TEXT), dict(enumerate(TEXT.splitlines(), 1))
    assert numbered[lines.of("limit")].startswith("[limit]  # first")
    assert numbered[lines.of("limit", 0, "share")].startswith("share =")
    assert numbered[lines.of("limit", 0, "quoted")].startswith('"quoted"')
    assert numbered[lines.of("rule", 0, "code")].startswith("code = 'its'")
    assert numbered[lines.of("rule", 0, "escaped")].startswith("escaped")
    assert numbered[lines.of("rule", 1, "code")].strip() == 'code = "B"'
    assert lines.of("", 0, "name") == 2
    assert numbered[lines.of("", 0, "list")] == "list = ["


def test_what_has_no_line_of_its_own_is_at_its_table_or_at_the_start() -> None:
    lines = Lines(TEXT)
    assert lines.of("rule", 1, "verdict") == lines.of("rule", 1)
    assert lines.of("sources", 0, "required") == 1
