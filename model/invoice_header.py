"""What the columns of an invoice list mean: recognised by name, or stated in a mapping.toml.

A name is compared without case, spaces and punctuation: "Invoice Date", "invoice_date" and
"InvoiceDate" are one. A unit in a name, as in 金额(万元), is taken for what it says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as Map
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, cast
from unicodedata import normalize

import msgspec
from msgspec import Meta, Struct

Field = Literal[
    "firm", "counterparty", "counterparty_name", "seller", "seller_name", "buyer", "buyer_name",
    "direction", "code", "number", "electronic_number", "date", "amount", "tax", "total",
    "status", "void",
]  # fmt: skip
Direction = Literal["in", "out"]
Status = Literal["valid", "void", "red", "reversed"]
MONEY: tuple[Field, ...] = ("amount", "tax", "total")
_Column = Annotated[str, Meta(min_length=1, max_length=200)]

NAMES: dict[Field, str] = {
    "firm": "统一社会信用代码 社会信用代码 信用代码 企业代号 企业代码 企业编号 企业税号 "
    "纳税人识别号 税号 公司代码 nsrsbh firm firmid firmcode company companyid companycode "
    "enterprise enterpriseid uscc taxpayer taxpayerid taxid taxno 企业名称 公司名称 companyname",
    "counterparty": "对方单位代号 对方代号 对方税号 对方识别号 对方纳税人识别号 交易对手 "
    "交易对手代码 交易对手税号 counterparty counterpartyid counterpartycode partner partnerid",
    "counterparty_name": "对方名称 对方单位名称 交易对手名称 counterpartyname partnername",
    "seller": "销方单位代号 销方识别号 销方纳税人识别号 销方税号 销售方识别号 销售方税号 "
    "销售方纳税人识别号 销货单位识别号 卖方税号 供应商代码 供应商税号 xfsbh xfnsrsbh seller "
    "sellerid sellercode sellertaxno sellertaxid selleruscc supplier supplierid vendor vendorid",
    "seller_name": "销方名称 销售方名称 销货单位名称 卖方名称 供应商 供应商名称 xfmc sellername "
    "suppliername vendorname",
    "buyer": "购方单位代号 购方识别号 购方纳税人识别号 购方税号 购买方识别号 购买方税号 "
    "购买方纳税人识别号 购货单位识别号 买方税号 客户代码 客户税号 gfsbh gfnsrsbh buyer buyerid "
    "buyercode buyertaxno buyertaxid buyeruscc purchaser purchaserid customer customerid",
    "buyer_name": "购方名称 购买方名称 购货单位名称 买方名称 客户 客户名称 gfmc buyername "
    "purchasername customername",
    "direction": "方向 发票方向 进销方向 进销项 进销标志 进销项标志 进项销项 direction inout",
    "code": "发票代码 invoicecode fpdm",
    "number": "发票号码 发票号 发票编号 invoicenumber invoiceno invoiceid number fphm",
    "electronic_number": "数电发票号码 数电票号码 数电票号 全电发票号码 全电票号码",
    "date": "开票日期 开票时间 开具日期 开具时间 发票日期 日期 invoicedate issuedate issuedon "
    "issueddate issuedat date kprq",
    "amount": "金额 不含税金额 金额不含税 金额合计 合计金额 amount amountyuan netamount amountnet "
    "amountexcltax amountextax net je hjje",
    "tax": "税额 税额合计 合计税额 税金 tax taxamount taxyuan vat vatamount se hjse",
    "total": "价税合计 价税合计小写 含税金额 金额含税 total totalamount totalyuan gross "
    "grossamount amountincltax amountinctax jshj",
    "status": "发票状态 状态 invoicestatus status fpzt",
    "void": "作废标志 作废标识 是否作废 zfbz void isvoid voided cancelled canceled",
}
"""Field -> column names that mean it, the better ones first."""

UNITS_YUAN: dict[str, float] = {
    "亿元": 1e8, "百万元": 1e6, "万元": 1e4, "万": 1e4, "千元": 1e3, "分": 0.01, "元": 1.0,
    "yuan": 1.0, "cny": 1.0, "rmb": 1.0,
}  # fmt: skip
_UNIT = re.compile(
    r"[(\[]\s*(?:单位|人民币)?\s*[::]?\s*(" + "|".join(UNITS_YUAN) + r")\s*[)\]]"
    r"|(?<=\w)(亿元|百万元|万元|千元)$"
)
_RANK: dict[str, tuple[Field, int]] = {
    word: (field, rank) for field, words in NAMES.items() for rank, word in enumerate(words.split())
}
_DIRECTION_WORDS: dict[Direction, str] = {
    "out": "销项 销 销售 销项发票 开出 out output issued sales sale",
    "in": "进项 进 采购 进项发票 收到 in input received purchases purchase",
}
DIRECTIONS = {
    word: direction for direction, words in _DIRECTION_WORDS.items() for word in words.split()
}
"""Words of a direction column, a sheet or a file -> in or out, seen from the firm."""


class Mapping(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """mapping.toml: what a lender states about its list; it goes before what is recognised."""

    columns: dict[Field, _Column] = {}
    status: dict[str, Status] = {}
    directions: dict[str, Direction] = {}
    units_yuan: dict[Literal["amount", "tax", "total"], Annotated[float, Meta(gt=0, le=1e9)]] = {}
    direction: Direction | None = None
    firm: _Column | None = None
    date_format: _Column | None = None
    decimal: Literal[".", ","] | None = None


class Columns(Struct, frozen=True, kw_only=True):
    """The header of one table, understood: field -> position, yuan a unit, whose list it is."""

    positions: dict[Field, int]
    units_yuan: dict[Field, float]
    ignored: list[str]
    direction: Direction | None  # None: a column says it row by row
    direction_from: str


def read(path: Path) -> Mapping:
    """Read a mapping.toml; raises ValueError naming the place when it cannot be used."""
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Mapping)
    except OSError as error:
        raise ValueError(f"--mapping {path}: {error.strerror}; expected a TOML file") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"--mapping {path}: {error}; see docs/invoices.md") from None


def plain(name: str) -> tuple[str, float]:
    """A column's name without case, spaces, punctuation and unit; and the unit in yuan.

    >>> plain("金额 (万元)")
    ('金额', 10000.0)
    >>> plain("Invoice_Date")
    ('invoicedate', 1.0)
    """
    text = normalize("NFKC", name).strip().lower()
    found = _UNIT.search(text)
    unit = UNITS_YUAN[found[1] or found[2]] if found else 1.0
    return re.sub(r"[\W_]+", "", _UNIT.sub("", text)), unit


def recognise(header: Sequence[str], mapping: Mapping) -> dict[Field, int]:
    """Field -> position of the column that means it; the better name wins, then the mapping.

    Raises ValueError when two columns of the same name mean one field.
    """
    best: dict[Field, tuple[int, int]] = {}
    stated = {name.strip(): field for field, name in mapping.columns.items()}
    for at, name in enumerate(header):
        field, rank = _RANK.get(plain(name)[0], (None, 0))
        if name.strip() in stated:
            field, rank = stated[name.strip()], -1
        if field is None or (rank >= 0 and field in mapping.columns):
            continue
        if field not in best or rank < best[field][0]:
            best[field] = (rank, at)
        elif rank == best[field][0]:
            raise ValueError(f"two columns are named {name!r}; expected one for {field}")
    return {field: at for field, (_, at) in best.items()}


def found_in(header: Sequence[str], mapping: Mapping) -> int:
    """How many fields a line of cells names, 0 when it cannot be the header of an invoice list."""
    try:
        fields = recognise(header, mapping)
    except ValueError:
        return 3  # a header, whose fault is told later
    dated = "date" in fields and ("amount" in fields or "total" in fields)
    return len(fields) if dated else 0


def understand(
    header: Sequence[str], mapping: Mapping, path: Path, sheet: str, given: Direction | None
) -> Columns:
    """The header of one table as the import will use it.

    `given` is the direction for a table that does not say it. Raises ValueError naming what is
    missing and the option that supplies it.
    """
    positions = recognise(header, mapping)
    if mapping.firm is not None and "firm" not in mapping.columns:
        positions.pop("firm", None)  # the mapping goes before what is recognised
    for field, name in mapping.columns.items():
        if field not in positions:
            listed = ", ".join(header[:20])
            raise ValueError(f"columns.{field}: no column is named {name!r}; there are {listed}")
    if "date" not in positions:
        raise ValueError(_missing("the date of the invoice", "date", header))
    if "amount" not in positions and not {"total", "tax"} <= set(positions):
        raise ValueError(_missing("the amount without tax", "amount", header))
    direction, source = _direction(positions, mapping, path, sheet, given)
    if not (positions.keys() & {"firm", "seller", "buyer"} or mapping.firm):
        raise ValueError(_missing("the firm", "firm", header) + ", or --firm CODE for all rows")
    if "firm" not in positions and mapping.firm is None and not _sides(positions, direction):
        raise ValueError(_missing("the firm", "firm", header) + ", or --firm CODE for all rows")
    if direction is None and "direction" not in positions:
        raise ValueError(
            "nothing says whether these invoices were issued or received; expected --direction out "
            "(issued by the firm) or --direction in (received)"
        )
    units = {field: plain(header[positions[field]])[1] for field in MONEY if field in positions}
    used = set(positions.values())
    return Columns(
        positions=positions,
        units_yuan=units | cast(dict[Field, float], mapping.units_yuan),
        ignored=[name for at, name in enumerate(header) if at not in used and name.strip()],
        direction=direction,
        direction_from=source,
    )


def _sides(positions: Map[Field, int], direction: Direction | None) -> bool:
    """Without a column for the firm, it is the seller of what it issued, the buyer otherwise."""
    needed = {"out": {"seller"}, "in": {"buyer"}}.get(direction or "", {"seller", "buyer"})
    return needed <= set(positions)


def _direction(
    positions: Map[Field, int], mapping: Mapping, path: Path, sheet: str, given: Direction | None
) -> tuple[Direction | None, str]:
    """Whose list it is and what says so; (None, ...) when each row has a word of its own."""
    if mapping.direction is not None:
        return mapping.direction, "the mapping"
    if "direction" in positions:
        return None, "its own column"
    said = {f"the sheet's name {sheet!r}": _named(sheet)} if sheet else {}
    if "firm" in positions or mapping.firm is not None:
        buyers = any(field in positions for field in ("buyer", "buyer_name"))
        sellers = any(field in positions for field in ("seller", "seller_name"))
        if buyers != sellers:
            name = "the column of buyers" if buyers else "the column of sellers"
            said[name] = "out" if buyers else "in"
    told = {source: word for source, word in said.items() if word is not None}
    if len(set(told.values())) > 1:
        raise ValueError(
            " but ".join(f"{source} means {word}" for source, word in told.items())
            + '; expected one: state direction = "out" or "in" in a mapping'
        )
    if not told and (word := _named(path.name)) is not None:
        told = {"the file's name": word}
    if told:
        source, found = next(iter(told.items()))
        return found, source
    return given, "--direction"


def _named(name: str) -> Direction | None:
    """The direction a sheet's or file's name says, when it says one."""
    name = name.lower()
    out = "销项" in name or "sales" in name
    into = "进项" in name or "purchase" in name
    return None if out == into or "进销" in name else "out" if out else "in"


def _missing(what: str, field: Field, header: Sequence[str]) -> str:
    names = ", ".join(NAMES[field].split()[:3])
    listed = ", ".join(name for name in header[:20] if name.strip())
    return (
        f"no column is {what}; expected a name such as {names}, or --column {field}=NAME; "
        f"there are {listed}"
    )
