"""Whether a world can be believed beyond single figures: its truth, its memory, its network.

The ceiling is the AUC that knowing true_pd_12m would reach. Its calibration is tested without
assuming that the simulated futures are many: an application's futures and what really happened
are draws of one kind, so of those that end in default the real one is as likely as any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from msgspec import Struct
from scipy.stats import chi2

from synthetic_data import estimates
from synthetic_data.census import Census, census
from synthetic_data.draws import Floats
from synthetic_data.estimates import Z_95, Figure
from synthetic_data.identities import Identities, Tally, columns_of, lived
from synthetic_data.panel import Panel
from synthetic_data.parameters import standard

CEILING = (0.80, 0.90)
"""Between which the AUC of the truth should lie: higher would be too easy, lower hopeless."""
BINS = 10
SURE = 0.01
"""Probability of chance below which a calibration is called wrong."""
LAGS = (1, 12)
BURST = 3.0
"""Times a firm's own median month that are called a burst."""


class Check(Struct, frozen=True, kw_only=True):
    """One check: what must hold, what was found, whether it does; None where it cannot be said."""

    code: str
    zh: str
    en: str
    expected: str
    found: str
    passed: bool | None


class Tenth(Struct, frozen=True, kw_only=True):
    """A tenth of the applications by true_pd_12m: defaults expected and seen, with the error."""

    n: int
    expected: float
    observed: float
    error: float

    @property
    def inside(self) -> bool:
        """Whether they differ by no more than 95 % of chance."""
        return abs(self.observed - self.expected) <= Z_95 * self.error


def of_identities(tallies: Iterable[Tally]) -> list[Check]:
    """Identities as checks: each must hold on every row."""
    return [
        Check(
            code=one.code, zh=one.zh, en=one.en, expected="all rows",
            found=f"{one.rows:,} rows"
            + (f", {one.broken:,} broken, the first {one.first}" if one.broken else ""),
            passed=one.broken == 0,
        )
        for one in tallies
    ]  # fmt: skip


def ceiling(of: Census) -> Figure | None:
    """The AUC of true_pd_12m on what became of the loans granted, with DeLong's error."""
    if "true_pd_12m" not in of.applications:
        return None
    loans = of.applications[of.applications["granted"]]
    return estimates.auc(loans["defaulted_12m"] == 1, loans["true_pd_12m"])


def of_ceiling(best: Figure | None) -> Check:
    """Whether the ceiling leaves room to learn and room to err."""
    low, high = CEILING
    found, passed = "no truth, or too few defaults", None
    if best is not None:
        own = Z_95 * best.error
        found = f"{best.value:.3f} ± {own:.3f}, {best.n:,} loans"
        passed = low - own <= best.value <= high + own
    return Check(
        code="ceiling", zh="真实违约概率的AUC（上限）",
        en="AUC of true_pd_12m on what became of the loans granted, the ceiling of any scorecard.",
        expected=f"{low:.2f} to {high:.2f}", found=found, passed=passed,
    )  # fmt: skip


def tenths(of: Census, futures: int | None = None) -> list[Tenth]:
    """Defaults expected and seen by tenths of true_pd_12m, all applications, granted or not.

    Expected is the share of defaults among the futures and what really happened together:
    given how many of these futures + 1 draws defaulted, the real one is any of them.
    """
    asked = of.applications
    if "true_pd_12m" not in asked:
        return []
    k = standard().world.futures if futures is None else futures
    hit = asked["true_defaulted_12m"].to_numpy(float)
    pooled = (k * asked["true_pd_12m"].to_numpy() + hit) / (k + 1)
    order = np.argsort(pooled, kind="stable")
    found = []
    for members in np.array_split(order, BINS):
        if not len(members):
            continue
        expected = pooled[members]
        n = len(members)
        error = float(np.sqrt((expected * (1.0 - expected)).sum())) / n
        found.append(
            Tenth(n=n, expected=float(expected.mean()), observed=float(hit[members].mean()),
                  error=error)
        )  # fmt: skip
    return found


def of_calibration(found: Sequence[Tenth]) -> Check:
    """Whether the tenths differ from what is expected by more than chance."""
    told = [one for one in found if one.error > 0.0]
    passed, text = None, "no truth"
    if told:
        distance = sum(((one.observed - one.expected) / one.error) ** 2 for one in told)
        chance = float(chi2.sf(distance, len(told)))
        within = sum(one.inside for one in told)
        text = f"{within} of {len(told)} tenths with defaults inside 95 %; by chance {chance:.2f}"
        passed = chance >= SURE
    return Check(
        code="calibration", zh="真实违约概率的校准（十等分）",
        en="As many applications default as true_pd_12m says, in tenths of it.",
        expected=f"chance of more at least {SURE}", found=text, passed=passed,
    )  # fmt: skip


class Memory:
    """Autocorrelation and bursts of monthly sales, added up block by block."""

    def __init__(self) -> None:
        self._sums: list[tuple[Floats, Floats]] = []
        self._bursts: list[Floats] = []

    def see(self, block: Panel) -> None:
        """Take a block in: firms with invoices in every month before 2020."""
        sales = block["sales_yuan"][:, : max(0, min(block.span.at("2020-01"), block.span.months))]
        steady = sales[(np.isfinite(sales) & (sales > 0.0)).all(axis=1)] if sales.size else sales
        if steady.shape[1] <= max(LAGS) or not len(steady):
            return
        logs = np.log(steady)
        season = np.array([logs[:, at % 12 :: 12].mean() for at in range(logs.shape[1])])
        left = logs - season
        left = left - left.mean(axis=1, keepdims=True)
        power = (left**2).mean(axis=1)
        moved = [(left[:, lag:] * left[:, :-lag]).mean(axis=1) for lag in LAGS]
        self._sums.append((np.stack(moved), power))
        median = np.median(steady, axis=1, keepdims=True)
        self._bursts.append((steady > BURST * median).mean(axis=1))

    def checks(self) -> list[Check]:
        """What was found: positive memory at one month, and bursts."""
        if not self._sums:
            return []
        moved = np.concatenate([one for one, _ in self._sums], axis=1)
        power = np.concatenate([one for _, one in self._sums])
        near, far = (estimates.ratio(one, power) for one in moved)
        bursts = estimates.mean(np.concatenate(self._bursts))
        if near is None or far is None or bursts is None:
            return []
        return [
            Check(
                code="memory", zh="月销售额自相关",
                en="Sales remember: apart from season and mean, a month is like the last.",
                expected=f"above 0 and above lag {LAGS[1]}",
                found=f"{near.value:.2f} at lag 1, {far.value:.2f} at lag {LAGS[1]}, "
                f"{near.n:,} firms",
                passed=near.value - Z_95 * near.error > max(0.0, far.value),
            ),
            Check(
                code="bursts", zh="月销售额突发",
                en=f"Sales burst: some months reach {BURST:g} times the firm's median month.",
                expected="above 0.5 % of months",
                found=f"{bursts.value:.1%} of months",
                passed=bursts.value > 0.005,
            ),
        ]  # fmt: skip


def of_network(world: Path, of: Census) -> list[Check]:
    """Whether links lead from firm to firm and few hold many; nothing where a world has none."""
    path = world / "links.parquet"
    if not path.is_file():
        return []
    links = pd.read_parquet(path, columns=["kind", "from_uscc", "to_uscc"])
    known = set(of.firms["uscc"])
    stray = ~(links["from_uscc"].isin(known) & links["to_uscc"].isin(known))
    itself = links["from_uscc"] == links["to_uscc"]
    checks = [
        Check(
            code="links", zh="关系两端均为已知企业",
            en="Links lead from one firm of the world to another.",
            expected="all links",
            found=f"{len(links):,} links, {int(stray.sum()):,} to strangers, "
            f"{int(itself.sum()):,} to itself",
            passed=not (stray | itself).any(),
        )
    ]  # fmt: skip
    for kind, of_kind in links.groupby("kind"):
        degrees = np.sort(of_kind["to_uscc"].value_counts().to_numpy())[::-1]
        if len(degrees) < estimates.FEWEST:
            continue
        tenth = degrees[: max(1, len(degrees) // 10)].sum() / degrees.sum()
        checks.append(
            Check(
                code=f"links-{kind}", zh=f"关系集中度（{kind}）",
                en=f"Some firms have far more links than others ({kind}).",
                expected="most linked tenth above 15 % of links",
                found=f"{tenth:.0%} of {len(of_kind):,} links, most {degrees[0]:,}",
                passed=bool(tenth > 0.15) if str(kind) in ("supply", "trade", "buyer") else None,
            )
        )  # fmt: skip
    return checks


def alone(values: Mapping[str, Any], defaulted: Any) -> dict[str, Figure]:
    """The AUC of each column by itself, read in the better direction; columns that can be told."""
    found = {name: estimates.auc(defaulted, column) for name, column in values.items()}
    return {
        name: one._replace(value=max(one.value, 1.0 - one.value))
        for name, one in found.items()
        if one is not None
    }


def of_columns(best: Figure | None, by_column: Mapping[str, Figure], apart: float) -> list[Check]:
    """Whether no single column comes near the ceiling, and none goes over it."""
    if best is None or not by_column:
        return []
    name, top = max(by_column.items(), key=lambda one: one[1].value)
    over = [
        other for other, one in by_column.items()
        if one.value - best.value > Z_95 * float(np.hypot(one.error, best.error))
    ]  # fmt: skip
    return [
        Check(
            code="single-column", zh=f"最佳单一特征的AUC至少低于上限{apart:.2f}",
            en=f"The best single column of the portrait stays {apart:.2f} below the ceiling.",
            expected=f"at most {best.value - apart:.3f}",
            found=f"{name} {top.value:.3f} ± {Z_95 * top.error:.3f}, "
            f"{best.value - top.value:.3f} below",
            passed=top.value <= best.value - apart,
        ),
        Check(
            code="leak-columns", zh="没有特征超过上限",
            en="No column of the portrait tells more than the truth does.",
            expected="none above the ceiling",
            found=", ".join(over) or f"none of {len(by_column)}",
            passed=not over,
        ),
    ]  # fmt: skip


def of_leaks(files: int, leaks: int, first: str) -> Check:
    """Whether no credit file knows anything from after its date."""
    return Check(
        code="leak-dates", zh="信用档案中没有申请日之后的信息",
        en="Nothing in a credit file is dated after the day of the application.",
        expected="all files",
        found=f"{files:,} files" + (f", {leaks:,} leaks, the first {first}" if leaks else ""),
        passed=not leaks,
    )  # fmt: skip


def look(world: Path) -> tuple[Census, list[Check], list[Tenth]]:
    """Add up a world and check what its tables alone can tell."""
    identities, memory, spans = Identities(), Memory(), []

    def see(block: Panel) -> None:
        identities.see(block)
        memory.see(block)
        spans.append(lived(block))

    found = census(world, see, columns_of(world))
    tallies = identities.tallies(found, pd.concat(spans, ignore_index=True))
    calibrated = tenths(found)
    checks = [
        *of_identities(tallies), *memory.checks(), *of_network(world, found),
        of_ceiling(ceiling(found)), of_calibration(calibrated),
    ]  # fmt: skip
    return found, checks, calibrated
