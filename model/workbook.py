"""The scorecard as a workbook: a calculator to type one loan into, and the tables it looks up in.

Its formulas are of the kind every spreadsheet program knows. Texts are compared by EXACT, because
`=` and MATCH ignore case and take * and ? for more than themselves. Numbers are compared by `<`,
which such programs do to 15 digits, as many as can be typed.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache
from io import BytesIO
from itertools import pairwise
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from msgspec import Struct

from model.points import YES_NO, FeaturePoints, PairPoints, Points, band_texts, step_texts
from model.table import Axis, Column, ScorecardError

SCORE, STEPS, TWO_WAY = "评分 Score", "分值 Points", "组合 Two-way"
GRADES, FACTS = "等级 Grades", "说明 Facts"
FIRST, VALUE, ADDED = 7, 5, 6
"""The calculator: the first feature's row, the column to type in, the column of points."""
FROM, TO, CATEGORY, WORTH = 5, 6, 7, 8
"""Columns of the points; one step a row, from the second row on."""
MARGIN = 3
"""Columns left of a two-way table's cells, and rows right above them: from, to, values."""
MOST_TEXT = 32_767
UNFIT = re.compile(r"[\0-\x08\x0b-\x1f\ufffe\uffff]|_x[0-9A-Fa-f]{4}_")
"""What a cell would give back changed: most control characters, and the way they are written."""
MADE = datetime(2000, 1, 1)  # noqa: DTZ001 - as the library wants it: in UTC, without saying so
"""The date of every copy, so that the same scorecard is the same file."""
GREEN, GREY, INK, TYPED, PAPER, LINE = "2F5A55", "59636A", "1B2530", "FFF6D6", "F7F8F7", "E0E4E1"


class Look(Struct, frozen=True, kw_only=True):
    """How a cell looks; colours as RRGGBB."""

    format: str = "@"
    size: float = 10
    bold: bool = False
    ink: str = INK
    fill: str = ""
    line: str = LINE
    to: str = "left"


WORDS, QUIET, NUMBER = Look(), Look(ink=GREY), Look(format="General", to="right")
TITLE, NOTE = Look(size=15, bold=True, ink=GREEN, line=""), Look(ink=GREY, line="")
HEAD = Look(bold=True, ink="FFFFFF", fill=GREEN)
POINTS = Look(format="+#,##0.00;-#,##0.00;0.00", to="right")
REST, RATE = Look(ink=GREY, fill=PAPER), Look(format="0.00##%", to="right")
RESULT = Look(format="General", size=15, bold=True, ink=GREEN, line="")


def workbook(found: Points) -> bytes:
    """The scorecard as an .xlsx that works out the score of a loan typed into it.

    Sheets: the calculator, every feature's steps, two-way tables if there are any, grades, facts.
    In the calculator an empty value is missing, yes/no is 1 or 0, and a text where a number belongs
    gives #N/A; pd_12m is a share of 1. Needs the package openpyxl. Raises ScorecardError for a text
    that no cell can hold.
    """
    from openpyxl import Workbook

    book = Workbook()
    score, steps = book.active, book.create_sheet(STEPS)
    score.title = SCORE
    _line(steps, 1, STEPS_HEAD, HEAD)
    top, last = 2, FIRST + len(found.features) + len(found.pairs) - 1
    columns: dict[str, tuple[Column, str]] = {}
    for row, feature in enumerate(found.features, FIRST):
        cell = _address(row, VALUE)
        columns[feature.column.name] = feature.column, cell
        _formula(score, row, ADDED, _feature(steps, top, feature, cell), POINTS)
        _to_type(score, row, feature.column, _area(STEPS, top, CATEGORY, len(feature.steps)))
        top += len(feature.all)
    top = 1
    grids = book.create_sheet(TWO_WAY) if found.pairs else None
    for row, pair in enumerate(found.pairs, FIRST + len(found.features)):
        sides = [(axis, *columns[axis.feature]) for axis in (pair.table.first, pair.table.second)]
        both = [column for _, column, _ in sides]
        labels = [[one.label_zh, one.label_en, one.name] for one in both]
        _line(score, row, [" × ".join(texts) for texts in zip(*labels, strict=True)], WORDS)
        for column in (4, VALUE):
            _dress(score.cell(row, column), WORDS)
        formula, top = _pair(grids, top, pair, sides)
        _formula(score, row, ADDED, formula, POINTS)
    _head(score, found, f"{_address(FIRST, ADDED)}:{_address(last, ADDED)}")
    _grades(book.create_sheet(GRADES), found)
    _facts(book.create_sheet(FACTS), found)
    return _stored(book, found)


def _head(sheet: Any, found: Points, added: str) -> None:
    """What the calculator always has in sight: name, the four answers, headings."""
    _put(sheet, 1, 1, " ".join(found.card.name.split()), TITLE)
    says = "在黄色格中输入，空格为无数据。 Type into the yellow cells; an empty one is missing."
    _put(sheet, 2, 1, f"{says} 版本 version {found.version}", NOTE)
    answers = ["评分 score", "违约概率 pd_12m", "等级 grade", "", "", "精确 score_exact"]
    _line(sheet, 3, answers, NOTE)
    pd_12m, exact = _address(4, 2), _address(4, ADDED)
    reference, even, per_logit = (_address(row, 3, FACTS) for row in KEY_ROWS)
    _formula(sheet, 4, ADDED, f"{reference}+SUM({added})", Look(format="#,##0.0000", to="right"))
    nearest = f"IF(ABS({exact}-INT({exact}))=0.5,2*ROUND({exact}/2,0),ROUND({exact},0))"
    _formula(sheet, 4, 1, nearest, RESULT)
    chance = f"1/(1+EXP(MIN(700,({exact}-{even})/{per_logit})))"
    _formula(sheet, 4, 2, chance, Look(format="0.00%", size=15, bold=True, ink=GREEN, line=""))
    count = len(found.card.grades)
    grade = f"1+SUMPRODUCT(({_area(GRADES, 3, 2, count - 1)}<={pd_12m})*1)" if count > 1 else "1"
    _formula(sheet, 4, 3, f"INDEX({_area(GRADES, 2, 1, count)},{grade})", RESULT)
    heads = ["特征", "Feature", "名称 name", "单位 unit", "值 value", "分值 points"]
    _line(sheet, FIRST - 1, heads, HEAD)


def _to_type(sheet: Any, row: int, column: Column, listed: str) -> None:
    """A feature's labels and the cell its value is typed into, with what may be typed there."""
    from openpyxl.worksheet.datavalidation import DataValidation

    _line(sheet, row, [column.label_zh, column.label_en], WORDS)
    _line(sheet, row, [column.name, column.unit], QUIET, first=3)
    number = column.kind == "number"
    cell = sheet.cell(row, VALUE)
    _dress(cell, Look(format="General" if number else "@", fill=TYPED, to="right"))
    if number and column.unit == YES_NO:
        rule = DataValidation(type="list", formula1='"1,0"', error="1 (是 yes), 0 (否 no)")
    elif number:
        rule = DataValidation(type="decimal", formula1="-1E+300", formula2="1E+300")
        rule.error = "请输入数字。 Expected a number."
    elif column.categories:
        rule = DataValidation(type="list", formula1=listed)
    else:
        return
    rule.allowBlank, rule.showErrorMessage = True, number
    rule.add(cell.coordinate)
    sheet.add_data_validation(rule)


STEPS_HEAD = [
    "名称 name", "特征", "Feature", "取值 values", "大于 from (exclusive)", "至 to (inclusive)",
    "类别 category", "分值 points",
]  # fmt: skip


def _feature(sheet: Any, top: int, feature: FeaturePoints, cell: str) -> str:
    """Write a feature's steps from row `top` on; the formula of a value's points."""
    column, listed = feature.column, len(feature.steps)
    number = column.kind == "number"
    bounds = [*_bounds(column.cuts)] if number else [("", "")] * listed
    for i, (texts, value) in enumerate(zip(step_texts(column), feature.all, strict=True)):
        row, look = top + i, WORDS if i < listed else REST
        _line(sheet, row, [column.name, column.label_zh, column.label_en, _both(texts)], look)
        lower, upper = bounds[i] if i < listed else ("", "")
        _put(sheet, row, FROM, lower, look)
        _put(sheet, row, TO, upper, look)
        _put(sheet, row, CATEGORY, "" if number or i >= listed else column.categories[i], look)
        _put(sheet, row, WORTH, value, POINTS)
    missing = _address(top + len(feature.all) - 1, WORTH, STEPS)
    if number:
        place = _number_place(_area(STEPS, top + 1, FROM, listed - 1), listed, cell)
        points = f"INDEX({_area(STEPS, top, WORTH, listed)},{place})"
        return f'IF({cell}="",{missing},IF(ISNUMBER({cell}),{points},NA()))'
    place = _text_place(STEPS, (top, CATEGORY), listed, cell)
    points = f"INDEX({_area(STEPS, top, WORTH, listed + 1)},{place})"
    return f'IF({cell}="",{missing},{points})'


def _pair(
    sheet: Any, top: int, pair: PairPoints, sides: Sequence[tuple[Axis, Column, str]]
) -> tuple[str, int]:
    """Write a two-way table from row `top` on; the formula of its points, the row after it."""
    corner = top + 2 + MARGIN
    places, bands = [], []
    for down, (axis, column, cell) in zip((True, False), sides, strict=True):
        name = "行 rows" if down else "列 columns"
        labels = [name, column.name, f"{column.label_zh} {column.label_en}"]
        _line(sheet, top if down else top + 1, labels, Look(bold=True, ink=GREEN, line=""))
        listed = [*_listed(axis)]
        for i, (lower, upper, text, _) in enumerate(listed):
            look = REST if i == len(listed) - 1 else WORDS
            for k, value in enumerate((lower, upper, text), 1):
                at = (corner + i, k) if down else (corner - 1 - MARGIN + k, MARGIN + 1 + i)
                _put(sheet, *at, value, look)
        bands.append([band for *_, band in listed])
        places.append(_place(column, corner, len(listed) - 1, cell, down))
    for k, text in enumerate(("大于 from (exclusive)", "至 to (inclusive)", "取值 values"), 1):
        _put(sheet, corner - 1 - MARGIN + k, MARGIN, text, QUIET)
        _put(sheet, corner - 1, k, text, QUIET)
    for i, band in enumerate(bands[0]):
        for k, other in enumerate(bands[1], MARGIN + 1):
            _put(sheet, corner + i, k, pair.cells[band][other], POINTS)
    after = corner + len(bands[0])
    end = _address(after - 1, MARGIN + len(bands[1]))
    cells = f"{_address(corner, MARGIN + 1, TWO_WAY)}:{end}"
    return f"INDEX({cells},{places[0]},{places[1]})", after + 1


def _listed(axis: Axis) -> Iterator[tuple[float | str, float | str, str, int]]:
    """One side of a two-way table: from, to, value in words or as it is, and its band."""
    *texts, last = band_texts(axis)
    if axis.groups:
        for band, group in enumerate(axis.groups):
            yield from (("", "", category, band) for category in group if category)
    else:
        for band, (lower, upper) in enumerate(_bounds(axis.cuts)):
            yield lower, upper, _both(texts[band]), band
    yield "", "", _both(last), axis.bands


def _place(column: Column, corner: int, count: int, cell: str, down: bool) -> str:
    """Which row (or column) of a two-way table a value belongs to."""
    if column.kind != "number":
        row, first = (corner, MARGIN) if down else (corner - 1, MARGIN + 1)
        return _text_place(TWO_WAY, (row, first), count, cell, across=not down)
    row, first = (corner + 1, 1) if down else (corner - MARGIN, MARGIN + 2)
    area = _area(TWO_WAY, row, first, count - 1, across=not down)
    return f"IF(ISNUMBER({cell}),{_number_place(area, count, cell)},{count + 1})"


def _number_place(lower: str, count: int, cell: str) -> str:
    """One more than the number of bounds below a value; the first step has none."""
    return f"1+SUMPRODUCT(({lower}<{cell})*1)" if count > 1 else "1"


def _text_place(
    sheet: str, start: tuple[int, int], count: int, cell: str, across: bool = False
) -> str:
    """Where a text stands in a list, or the place after it, from which it is counted back."""
    if not count:
        return "1"
    row, column = start
    area, at = _area(sheet, row, column, count, across), "COLUMN" if across else "ROW"
    after = (row, column + count) if across else (row + count, column)
    back = f"{at}({_address(*after, sheet)})-{at}({area})"
    return f"{count + 1}-SUMPRODUCT(EXACT({area},{cell})*({back}))"


def _grades(sheet: Any, found: Points) -> None:
    heads = ["等级 grade", "pd_12m 不低于 from", "pd_12m 低于 below", "评分高于 score above"]
    _line(sheet, 1, heads, HEAD)
    bounds = [0.0, *(band.pd_12m_below for band in found.card.grades)]
    for row, (band, (lower, upper)) in enumerate(
        zip(found.card.grades, pairwise(bounds), strict=True), 2
    ):
        _put(sheet, row, 1, band.grade, Look(bold=True, ink=GREEN))
        _put(sheet, row, 2, lower, RATE)
        _put(sheet, row, 3, upper, RATE)
        above = found.score_at(upper) if upper < 1.0 else ""
        _put(sheet, row, 4, above, Look(format="#,##0.00", to="right"))


KEY_ROWS = (8, 9, 10)
"""Rows of the facts the results need: reference score, score at even odds, points per logit."""


def _facts(sheet: Any, found: Points) -> None:
    scale = found.card.scale
    _line(sheet, 1, ["说明", "Fact", "值 value"], HEAD)
    facts: list[tuple[str, str, float | str]] = [
        ("评分卡", "scorecard", found.card.name),
        ("版本", "version", found.version),
        ("特征数", "features", len(found.features)),
        ("基准分", "base score", scale.base_score),
        ("基准分的好坏比", "odds, good to one default, at the base score", scale.base_odds),
        ("好坏比翻倍的分值", "points that double the odds", scale.doubling_points),
        ("参照贷款的评分", "score of the reference loan", found.reference_score),
        ("好坏比为 1 的评分", "score at even odds", found.even_score),
        ("每对数单位的分值", "points per logit", found.points_per_logit),
        ("评分", "score", "参照贷款的评分 + 分值之和 reference score + sum of points"),
        ("违约概率", "pd_12m", "1 / (1 + EXP((score - even) / points per logit))"),
        ("取整", "rounding", "逢半取偶 half to even"),
    ]
    for row, (zh, en, value) in enumerate(facts, 2):
        _line(sheet, row, [zh, en], WORDS)
        _put(sheet, row, 3, value, Look(format="@" if isinstance(value, str) else "General"))


def _bounds(cuts: Sequence[float]) -> Iterator[tuple[float | str, float | str]]:
    """From and to of every step; nothing where it has no end."""
    return pairwise(["", *cuts, ""])


def _both(texts: tuple[str, str]) -> str:
    return texts[0] if texts[0] == texts[1] else " ".join(texts)


def _address(row: int, column: int, sheet: str = "") -> str:
    from openpyxl.utils import get_column_letter

    return (f"'{sheet}'!" if sheet else "") + f"${get_column_letter(column)}${row}"


def _area(sheet: str, row: int, column: int, count: int, across: bool = False) -> str:
    """`count` cells one below or beside the other."""
    last = (row, column + count - 1) if across else (row + count - 1, column)
    return f"{_address(row, column, sheet)}:{_address(*last)}"


def _line(sheet: Any, row: int, texts: Sequence[str], look: Look, first: int = 1) -> None:
    for column, text in enumerate(texts, first):
        _put(sheet, row, column, text, look)


def _put(sheet: Any, row: int, column: int, value: float | str, look: Look) -> None:
    """A number to its last digit (the library would write 16), or a text that stays one."""
    cell = sheet.cell(row, column)
    if isinstance(value, str):
        if len(value) > MOST_TEXT or UNFIT.search(value):
            raise ScorecardError(
                f"columns: got the text {value[:80]!r}, expected one that a cell can hold: at most "
                f"{MOST_TEXT:,} characters, no control characters"
            )
        cell.value, cell.data_type = value or None, "s" if value else "n"
    else:
        cell.value, cell.data_type = repr(value), "n"
        if look.format == "@":
            look = NUMBER if not look.fill else REST
    _dress(cell, look)


def _formula(sheet: Any, row: int, column: int, formula: str, look: Look) -> None:
    cell = sheet.cell(row, column)
    cell.value = f"={formula}"
    _dress(cell, look)


def _dress(cell: Any, look: Look) -> None:
    cell.font, cell.fill, cell.border, cell.alignment = _style(look)
    cell.number_format = look.format


@cache
def _style(look: Look) -> tuple[Any, Any, Any, Any]:
    from openpyxl.styles import Alignment, Border, Font, PatternFill, Side

    return (
        Font(name="Calibri", size=look.size, bold=look.bold, color=look.ink),
        PatternFill("solid", fgColor=look.fill) if look.fill else PatternFill(),
        Border(bottom=Side("thin", color=look.line)) if look.line else Border(),
        Alignment(horizontal=look.to, vertical="center"),
    )


FRAMES = {
    SCORE: (f"A{FIRST}", (24, 36, 34, 12, 18, 18)),
    STEPS: ("A2", (34, 24, 36, 30, 20, 20, 24, 14)),
    TWO_WAY: ("D1", (20, 26, 34)),
    GRADES: ("A2", (20, 24, 24, 24)),
    FACTS: ("A2", (24, 44, 60)),
}
"""Of each sheet: the first cell that moves, and the columns' widths in characters."""


def _stored(book: Any, found: Points) -> bytes:
    """The workbook as bytes that depend on nothing but the scorecard."""
    from openpyxl.utils import get_column_letter
    from openpyxl.writer.excel import ExcelWriter

    for sheet in book.worksheets:
        freeze, widths = FRAMES[sheet.title]
        sheet.freeze_panes = freeze
        for column in range(1, sheet.max_column + 1):
            width = widths[column - 1] if column <= len(widths) else 18
            sheet.column_dimensions[get_column_letter(column)].width = width
        sheet.sheet_view.showGridLines = False
        sheet.page_setup.paperSize, sheet.page_setup.orientation = "9", "landscape"
        sheet.page_setup.fitToHeight, sheet.sheet_properties.pageSetUpPr.fitToPage = 0, True
    steps = book[STEPS]
    steps.auto_filter.ref = steps.dimensions
    steps.print_title_rows, book[SCORE].print_title_rows = "1:1", f"1:{FIRST - 1}"
    book.calculation.fullCalcOnLoad = True
    facts = book.properties
    facts.creator, facts.title = "yidaitong", " ".join(found.card.name.split())
    facts.created = facts.modified = MADE
    dated, made = BytesIO(), BytesIO()
    ExcelWriter(book, ZipFile(dated, "w")).save()
    with ZipFile(dated) as old, ZipFile(made, "w") as new:
        for name in old.namelist():
            one = ZipInfo(name, MADE.timetuple()[:6])
            one.create_system = 3
            new.writestr(one, old.read(name), ZIP_DEFLATED)
    return made.getvalue()
