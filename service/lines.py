"""Lines: where the tables and keys of a TOML text stand, which its parser does not tell."""

import re
from collections.abc import Iterator

_TABLE = re.compile(r"\s*\[\[?\s*([\w.-]+)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"""\s*(?:([\w-]+)|"([^"]*)"|'([^']*)')\s*=""")


class Lines:
    """Line numbers, from 1, of the tables of a TOML text and of the keys in them.

    >>> lines = Lines('[limit]\\nshare = 1\\n[[rule]]\\ncode = "A"\\n[[rule]]\\ncode = "B"\\n')
    >>> lines.of("limit", key="share"), lines.of("rule", 1, "code"), lines.of("rule", 1, "none")
    (2, 6, 5)
    """

    def __init__(self, text: str) -> None:
        self._tables: dict[tuple[str, int], int] = {}
        self._keys: dict[tuple[str, int, str], int] = {}
        seen: dict[str, int] = {}
        name, nth = "", 0
        for number, line in _outside_strings(text):
            if table := _TABLE.match(line):
                name = table[1]
                nth = seen.get(name, -1) + 1
                seen[name] = nth
                self._tables[name, nth] = number
            elif key := _KEY.match(line):
                self._keys.setdefault((name, nth, key[1] or key[2] or key[3]), number)

    def of(self, table: str, nth: int = 0, key: str | None = None) -> int:
        """The line of a key, or of its table when it has no line of its own; 1 for neither."""
        if key is not None and (table, nth, key) in self._keys:
            return self._keys[table, nth, key]
        return self._tables.get((table, nth), 1)


def _outside_strings(text: str) -> Iterator[tuple[int, str]]:
    """Numbered lines that do not begin inside a string or a list of several lines."""
    closing, depth = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if not closing and not depth:
            yield number, line
        at = 0
        while at < len(line):
            if closing:
                end = line.find(closing, at)
                if end < 0:
                    break
                at, closing = end + len(closing), ""
                continue
            letter = line[at]
            if letter == "#":
                break
            if letter in "\"'":
                if line.startswith(letter * 3, at):
                    closing, at = letter * 3, at + 3
                    continue
                at = _after_string(line, at)
                continue
            if letter in "[]" and not _TABLE.match(line):
                depth = max(0, depth + (1 if letter == "[" else -1))
            at += 1


def _after_string(line: str, at: int) -> int:
    """The position after a string of one line that begins at `at`."""
    quote, end = line[at], at + 1
    while end < len(line) and line[end] != quote:
        end += 2 if quote == '"' and line[end] == "\\" else 1
    return end + 1
