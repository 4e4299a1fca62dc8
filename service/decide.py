"""decide(): the whole decision on one page.

Straight-line and pure: no I/O, no clock, no early exit. Everything is evaluated and the strictest
verdict wins, so every record is complete and a refused applicant sees all the reasons.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from msgspec import UNSET, Struct, UnsetType

from model import artifact
from model.credit_file import SOURCES, CreditFile, sections
from model.features import INDEX
from model.portrait import Value, named, portrait
from model.reasons import MOST, Reason
from model.scorer import Assessment, Scorer
from model.table import OWN_TABLE, ScorecardError
from service import limit as limits
from service.application import Application, Request
from service.gathering import Gathering
from service.lpr import lpr_1y
from service.offers import Catalogue, Offer, Refusal, load_catalogue, match
from service.policy import Policy, RuleResult, Verdict, strictest

HERE = Path(__file__).parent
DEFAULT_POLICY = HERE / "policy.toml"
DEFAULT_CATALOGUE = HERE / "catalogue.toml"
MOST_OFFERS = 10


class Versions(Struct, frozen=True, kw_only=True):
    """What the decision was made with: content hashes of scorecard, policy and catalogue."""

    scorecard: str
    policy: str
    catalogue: str


class Timings(Struct, frozen=True):
    """Microseconds per step; engine is their sum (clock C3)."""

    portrait: float
    assess: float
    policy: float
    limit: float
    offers: float
    engine: float


class Decision(Struct, frozen=True, kw_only=True):
    """The full record of one decision.

    Offers bind only when the verdict is approve; on refer they show what a person could agree to,
    on decline there are none. Of many eligible products the ten cheapest are offered, and always
    one that lends the most. `syndicate` holds the offers to be taken together when no single one
    covers what was asked for and allowed. In `portrait` a missing number is NaN, written as null.
    `gathering` says how the credit file came about, when it was gathered and not posted.
    """

    decision_id: str
    decided_at: datetime
    as_of: date
    application: Application
    verdict: Verdict
    limit_yuan: float
    limit_cap: str
    caps: dict[str, float]
    reasons: list[Reason]
    assessment: Assessment
    eligible_products: int
    offers: list[Offer]
    syndicate: list[Offer]
    refused: list[Refusal]
    rules: list[RuleResult]
    portrait: dict[str, Value]
    versions: Versions
    timings_us: Timings
    gathering: Gathering | UnsetType = UNSET


@dataclass(frozen=True)
class Engine:
    """All that decide() needs besides the request; made once at start."""

    scorer: Scorer
    policy: Policy
    catalogue: Catalogue
    versions: Versions

    @classmethod
    def load(
        cls,
        artifact_folder: Path,
        policy: Path = DEFAULT_POLICY,
        catalogue: Path = DEFAULT_CATALOGUE,
    ) -> "Engine":
        """Read and compile scorecard, policy and catalogue; raises their errors."""
        card, scorecard_version = artifact.load(artifact_folder)
        if card.columns[0].source == OWN_TABLE:
            raise ScorecardError(
                f"{artifact_folder}: a scorecard of a lender's own table ({card.name}), which "
                "scores and does not decide; expected one for credit files, as `yidaitong train "
                "--world` writes; use this one with `yidaitong serve` or `yidaitong score`"
            )
        rules, products = Policy.load(policy), load_catalogue(catalogue)
        products.eligibility(INDEX)  # compiled now, not at the first request
        return cls(
            scorer=Scorer(card, INDEX),
            policy=rules,
            catalogue=products,
            versions=Versions(
                scorecard=scorecard_version, policy=rules.version, catalogue=products.version
            ),
        )


def decide(
    request: Request,
    engine: Engine,
    *,
    decision_id: str,
    decided_at: datetime,
    tick: Callable[[], int],
) -> Decision:
    """Portrait, assessment, policy, limit, offers; the strictest verdict wins.

    `tick` counts nanoseconds and is only read for timings_us.
    """
    application, credit_file = request.application, request.credit_file
    as_of = dates(credit_file)

    t0 = tick()
    values = portrait(credit_file)

    t1 = tick()
    assessment = engine.scorer.assess(values)

    t2 = tick()
    policy = engine.policy.evaluate(
        facts(values, application, assessment.pd_12m, assessment.score), as_of
    )

    t3 = tick()
    lend = limits.limit(
        engine.policy.limit, values, assessment.grade, application.amount_yuan, policy
    )

    t4 = tick()
    matched = match(
        engine.catalogue,
        values,
        INDEX,
        sources=as_of,
        grade=assessment.grade,
        pd_12m=assessment.pd_12m,
        amount_yuan=application.amount_yuan,
        tenor_months=application.tenor_months,
        purpose=application.purpose,
        limit_yuan=lend.limit_yuan,
        lpr=lpr_1y(credit_file.as_of),
        as_of=credit_file.as_of,
        keep=MOST_OFFERS,
    )
    most_yuan = matched.most_yuan
    if matched.syndicate:
        most_yuan = sum([offer.amount_yuan for offer in matched.syndicate])
    lend = within_products(lend, most_yuan)
    verdict = policy.verdict if matched.offers else strictest(policy.verdict, "refer")

    t5 = tick()
    declined = verdict == "decline"
    return Decision(
        decision_id=decision_id,
        decided_at=decided_at,
        as_of=credit_file.as_of,
        application=application,
        verdict=verdict,
        limit_yuan=0.0 if declined else lend.limit_yuan,
        limit_cap="verdict" if declined else lend.cap,
        caps=lend.caps,
        reasons=principal_reasons(
            engine, verdict, assessment, policy.forced, lend, values, as_of, application
        ),
        assessment=assessment,
        eligible_products=matched.eligible,
        offers=[] if declined else matched.offers,
        syndicate=[] if declined else matched.syndicate,
        refused=matched.refused,
        rules=policy.results,
        portrait=named(values),
        versions=engine.versions,
        timings_us=timings_us(t0, t1, t2, t3, t4, t5),
    )


def timings_us(*ns: int) -> Timings:
    """The clock read before the first step and after each, as microseconds per step."""
    t0, t1, t2, t3, t4, t5 = ns
    return Timings(
        (t1 - t0) / 1e3, (t2 - t1) / 1e3, (t3 - t2) / 1e3, (t4 - t3) / 1e3, (t5 - t4) / 1e3,
        (t5 - t0) / 1e3,
    )  # fmt: skip


def facts(
    values: Sequence[Value], application: Application, pd_12m: float, score: int
) -> list[Value]:
    """All that a policy rule may ask, in the order of policy.FACT_INDEX."""
    return [
        *values,
        application.amount_yuan,
        float(application.tenor_months),
        application.purpose,
        pd_12m,
        float(score),
    ]


def dates(credit_file: CreditFile) -> dict[str, date]:
    """The sources that answered, with the date each speaks of."""
    return {
        source: section.as_of
        for source, section in zip(SOURCES, sections(credit_file), strict=True)
        if section is not None
    }


def within_products(lend: limits.Limit, most_yuan: float) -> limits.Limit:
    """The limit no larger than what one product or a syndicate lends; zero when none fits."""
    if most_yuan >= lend.limit_yuan:
        return lend
    return limits.smallest({**lend.caps, "product": most_yuan})


def principal_reasons(
    engine: Engine,
    verdict: Verdict,
    assessment: Assessment,
    forced: Sequence[RuleResult],
    lend: limits.Limit,
    values: Sequence[Value],
    as_of: dict[str, date],
    application: Application,
) -> list[Reason]:
    """At most four reasons: what policy forced, then what set the limit, then the scorecard's."""
    reasons = engine.policy.reasons(forced, as_of) if forced else []
    if verdict != "decline" and lend.limit_yuan < application.amount_yuan:
        reasons.append(limits.reason(lend, application.amount_yuan))
    most = MOST - len(reasons)
    if most <= 0:
        return reasons[:MOST]
    teller, points = engine.scorer.teller, list(assessment.contributions.values())
    moving = teller.strongest if verdict == "approve" else teller.lowering
    return reasons + moving(values, points, as_of, most)
