"""Tables a room can read: a decision and a scorecard's quality, in Chinese and English."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Group
from rich.table import Table
from rich.text import Text

from model.artifact import Card
from model.features import SOURCE_LABELS

if TYPE_CHECKING:
    from model.flat import Seen
    from service.backtest import Result

VERDICTS = {
    "approve": ("通过", "APPROVED", "bold green"),
    "refer": ("转人工", "REFERRED TO A PERSON", "bold yellow"),
    "decline": ("拒绝", "DECLINED", "bold red"),
}


def metrics_table(card: Card) -> Group:
    """How good the scorecard is on the loans it has not seen, next to the truth."""
    held_out = card.loans.get("split", "later vintages")
    table = Table(title=f"Scorecard, held out: {held_out}", title_justify="left")
    known = card.metrics["held_out"].get("truth_auc") is not None
    truths = ["truth's AUC"] if known else []
    for column in ("", "loans", "default rate", "mean pd_12m", "AUC", *truths, "KS", "Brier"):
        table.add_column(column, justify="left" if not column else "right")
    for name, label in (("train", "fitted on"), ("held_out", "held out")):
        m = card.metrics[name]
        table.add_row(
            label,
            f"{m['loans']:,}",
            f"{m['default_rate']:.2%}",
            f"{m['mean_pd_12m']:.2%}",
            f"{m['auc']:.3f}",
            *([f"{m['truth_auc']:.3f}"] if known else []),
            f"{m['ks']:.3f}",
            f"{m['brier']:.4f}",
        )
    tenths = Table(title="Calibration on the held-out loans, by tenths", title_justify="left")
    for column in ("tenth", "loans", "expected", "observed", "95 % bounds", ""):
        tenths.add_column(column, justify="right")
    for i, b in enumerate(card.metrics["held_out"]["calibration"], 1):
        inside = b["observed_low"] <= b["expected"] <= b["observed_high"]
        tenths.add_row(
            str(i),
            f"{b['loans']:,}",
            f"{b['expected']:.2%}",
            f"{b['observed']:.2%}",
            f"{b['observed_low']:.2%} to {b['observed_high']:.2%}",
            "inside" if inside else "outside",
        )
    return Group(table, tenths)


def columns_table(seen: "Sequence[Seen]", suggested: bool) -> Group:
    """The columns of a lender's table as recognised, and what a person should look at."""
    table = Table(title="The columns as recognised", title_justify="left")
    for head in ("column", "type", "distinct", "missing", "AUC alone", "direction, or left out"):
        right = head in ("distinct", "missing", "AUC alone")
        table.add_column(head, justify="right" if right else "left", overflow="fold")
    arrows = {1: "higher is riskier", -1: "higher is safer", 0: "either way"}
    for one in seen:
        column, direction = one.column, ""
        if column.leave_out is None and column.direction is not None:
            direction = f"{arrows[column.direction]} (schema)"
        elif column.leave_out is None and column.suggested_direction:
            unused = "" if suggested else ", not used"
            direction = f"{arrows[column.suggested_direction]} (suggested{unused})"
        table.add_row(
            Text(one.name),
            column.type,
            f"{one.distinct:,}",
            f"{one.missing_share:.1%}" if one.missing_share else "-",
            "-" if one.auc_alone is None else f"{one.auc_alone:.3f}",
            Text(f"left out: {column.leave_out}" if column.leave_out else direction),
            style=None if column.leave_out is None else "dim",
        )
    lines = [f"look at {one.name}: {said}" for one in seen for said in one.warnings]
    return Group(table, *(Text(line, style="yellow") for line in lines))


class Asked(NamedTuple):
    """One application without a credit file: what it shows, the decision, and its C2."""

    title: str
    decision: dict[str, Any]
    c2_ms: float


def gathering_table(asked: Sequence[Asked]) -> Table:
    """How long each source took in some applications, and what was decided."""
    table = Table(title="来源 sources, milliseconds", title_justify="left")
    for head in ("", *(one.title for one in asked)):
        table.add_column(head, justify="right" if head else "left")
    gathered = [one.decision["gathering"] for one in asked]
    for answers in zip(*(one["answers"] for one in gathered), strict=True):
        zh, en = SOURCE_LABELS[answers[0]["source"]]
        told = [f"{one['took_ms']:,.0f} {one['status']}" for one in answers]
        table.add_row(f"{zh} {en}", *told)
    table.add_section()
    rows: list[tuple[str, Callable[[Asked], str]]] = [
        ("C2 提交到决定 decided, durable", lambda one: f"{one.c2_ms:,.0f} ms"),
        ("期限 deadline", lambda one: f"{one.decision['gathering']['deadline_ms']:,} ms"),
        ("C3 引擎 engine", lambda one: f"{one.decision['timings_us']['engine'] / 1e3:.2f} ms"),
        ("结论 verdict", lambda one: VERDICTS[one.decision["verdict"]][1]),
        ("额度 limit, yuan", lambda one: f"{one.decision['limit_yuan']:,.0f}"),
        ("受限于 set by", lambda one: str(one.decision["limit_cap"])),
    ]
    for name, said in rows:
        table.add_row(name, *map(said, asked))
    return table


def decision_table(decision: dict[str, Any], c2_ms: float) -> Group:
    """One decision as a table, from the JSON the server sent."""
    zh, en, style = VERDICTS[decision["verdict"]]
    asked, assessment = decision["application"], decision["assessment"]
    table = Table(show_header=False, padding=(0, 1))
    table.add_column(style="dim")
    table.add_column()
    rows: list[tuple[str, Any]] = [
        ("结论 verdict", Text(f"{zh} {en}", style=style)),
        ("申请 asked", f"{asked['amount_yuan']:,.0f} yuan, {asked['tenor_months']} months"),
        ("额度 limit", f"{decision['limit_yuan']:,.0f} yuan (set by: {decision['limit_cap']})"),
        (
            "评分 score",
            f"{assessment['score']}  grade {assessment['grade']}  "
            f"pd_12m {assessment['pd_12m']:.2%}",
        ),
    ]
    for i, reason in enumerate(decision["reasons"], 1):
        source = reason.get("source")
        fresh = f"  [{source}, {reason.get('source_as_of')}]" if source else ""
        rows.append((f"理由 reason {i}", Text(f"{reason['text_zh']}\n{reason['text_en']}{fresh}")))
    hits = [r["code"] for r in decision["rules"] if r["result"] != "no_hit"]
    rows.append(("规则 rules", f"{len(decision['rules'])} run, hit: {', '.join(hits) or 'none'}"))
    refused = sum(len(one["products"]) for one in decision["refused"])
    rows.append(
        (
            "产品 products",
            f"{decision['eligible_products']} fit, {refused} do not, "
            "each with the condition that failed",
        )
    )
    rows.append(
        (
            "耗时 clocks",
            f"C2 submitted to durable decision {c2_ms:.1f} ms   "
            f"C3 engine {decision['timings_us']['engine'] / 1000:.2f} ms",
        )
    )
    rows.append(
        ("存证 record", f"#{decision['record']['seq']}  {decision['record']['hash'][:16]}…")
    )
    for label, value in rows:
        table.add_row(label, value)
    shown = [table]
    if decision["offers"]:
        shown.append(_offers("报价 offers, cheapest first", decision["offers"][:3]))
    if decision["syndicate"]:
        shown.append(_offers("联合授信 to be taken together", decision["syndicate"]))
    return Group(*shown)


def _offers(title: str, offers: list[dict[str, Any]]) -> Table:
    table = Table(title=title, title_justify="left", padding=(0, 1))
    for column in ("产品 product", "金额 yuan", "年利率 rate", "月 months", "有效至 until"):
        table.add_column(column, justify="left" if column[0] == "产" else "right")
    for offer in offers:
        table.add_row(
            f"{offer['institution_name_zh']} {offer['product_name_zh']}\n"
            f"{offer['institution_name_en']}: {offer['product_name_en']}",
            f"{offer['amount_yuan']:,.0f}",
            f"{offer['annual_rate']:.2%}",
            str(offer["tenor_months"]),
            str(offer["valid_until"])[5:],
        )
    return table


def backtest_table(found: "Result") -> Group:
    """What changed between two ways of deciding: totals, the swap set, and the clock."""
    return Group(_totals(found), _swap_set(found), _clock(found))


_YUAN = "{:,.1f} m"


def _totals(found: "Result") -> Table:
    """Was against now, one row a figure; yuan in millions."""
    sides = [_side(found, 0), _side(found, 1)]
    table = Table(title="All applications, decided twice (yuan in millions)", title_justify="left")
    for column in ("", "was", "now", "change"):
        table.add_column(column, justify="left" if not column else "right")
    for name, form in (
        ("applications", "{:,.0f}"), ("approved", "{:.2%}"), ("referred", "{:.2%}"),
        ("declined", "{:.2%}"), ("first-time borrowers among approved", "{:.2%}"),
        ("default rate of the approved", "{:.2%}"), ("mean pd_12m of the approved", "{:.2%}"),
        ("lent", _YUAN), ("interest", _YUAN), ("expected profit", _YUAN),
        ("real profit, where known", _YUAN), ("lent to those that defaulted", _YUAN),
    ):  # fmt: skip
        was, now = (side[name] for side in sides)
        shown = ["-" if value is None else form.format(value) for value in (was, now)]
        change = "-" if was is None or now is None else form.format(now - was)
        table.add_row(name, *shown, change if change.startswith("-") else f"+{change}")
    return table


def _side(found: "Result", side: int) -> dict[str, float | None]:
    """The figures of one side; None where nothing is known."""
    swaps = found.swaps.items()
    of = {verdict: [swap for pair, swap in swaps if pair[side] == verdict] for verdict in VERDICTS}
    counts = {key: sum(swap.tally.applications for swap in of[key]) for key in of}
    total, lent_to = sum(counts.values()), [swap.tally for swap in of["approve"]]
    known = sum(tally.known for tally in lent_to)
    money = [swap.now if side else swap.was for swap in of["approve"]]
    real = sum(one.real_yuan for one in money) if known else None
    defaulted = sum(one.defaulted_yuan for one in money) if known else None
    approved = counts["approve"]
    return {
        "applications": total,
        "approved": _share(approved, total),
        "referred": _share(counts["refer"], total),
        "declined": _share(counts["decline"], total),
        "first-time borrowers among approved": _share(
            sum(tally.first_time for tally in lent_to), approved
        ),
        "default rate of the approved": _share(sum(tally.defaults for tally in lent_to), known),
        "mean pd_12m of the approved": _share(sum(tally.pd_12m for tally in lent_to), approved),
        "lent": sum(one.lent_yuan for one in money) / 1e6,
        "interest": sum(one.interest_yuan for one in money) / 1e6,
        "expected profit": sum(one.expected_yuan for one in money) / 1e6,
        "real profit, where known": None if real is None else real / 1e6,
        "lent to those that defaulted": None if defaulted is None else defaulted / 1e6,
    }


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _swap_set(found: "Result") -> Table:
    """Who fares differently, and how those firms turned out."""
    table = Table(title="Swap set: verdict was -> now", title_justify="left")
    for column in ("was", "now", "applications", "default rate", "mean pd_12m", "lent was", "now"):
        table.add_column(column, justify="left" if column in ("was", "now") else "right")
    for (was, now), swap in sorted(found.swaps.items()):
        tally = swap.tally
        rate = _share(tally.defaults, tally.known)
        table.add_row(
            was,
            now,
            f"{tally.applications:,}",
            "-" if rate is None else f"{rate:.2%}",
            f"{tally.pd_12m / tally.applications:.2%}",
            _YUAN.format(swap.was.lent_yuan / 1e6),
            _YUAN.format(swap.now.lent_yuan / 1e6),
            style="" if was == now else "bold",
        )
    return table


def _clock(found: "Result") -> str:
    if not found.timed:
        return "C3 was not timed: no applications"
    was, now = (ns / found.timed / 1e3 for ns in (found.was_ns, found.now_ns))
    return (
        f"C3 engine, mean of {found.timed:,} full decisions of each side, taking turns: "
        f"was {was:.0f} us, now {now:.0f} us ({now / was:.2f} x)"
    )


def remedies_table(seen: Sequence[tuple[str, float, float]]) -> Table:
    """What following the way to yes did to the truth: what was done, pd before, pd after."""
    table = Table(title="The first way to yes, followed: true pd_12m", title_justify="left")
    for column in ("what is done", "firms", "lower", "same", "higher", "before", "after"):
        table.add_column(column, justify="left" if column[0] == "w" else "right")
    kinds = [kind for kind, _ in Counter(kind for kind, _, _ in seen).most_common(12)]
    for wanted in ["all", *kinds]:
        pairs = [(before, after) for kind, before, after in seen if wanted in ("all", kind)]
        firms = max(len(pairs), 1)
        signs = Counter((after > before) - (after < before) for before, after in pairs)
        table.add_row(
            wanted,
            f"{len(pairs):,}",
            *(f"{signs[sign] / firms:.0%}" for sign in (-1, 0, 1)),
            f"{sum(before for before, _ in pairs) / firms:.1%}",
            f"{sum(after for _, after in pairs) / firms:.1%}",
        )
    return table
