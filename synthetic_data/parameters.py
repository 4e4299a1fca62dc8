"""Every number of the synthetic economy, read from parameters.toml and refused when it is wrong.

Each number stands there as `[section.name]` with a value, a unit and a source. The loader knows
every name and its type from the classes below: an unknown or missing name, a missing unit or
source, a value of the wrong type, and shares that do not sum to 1 are refused by name.
"""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from synthetic_data.signal_parameters import SignalsParameters

PATH = Path(__file__).with_name("parameters.toml")


class ParameterError(ValueError):
    """One parameter that cannot be used: its key, the value got and what was expected."""

    def __init__(self, key: str, value: object, expected: str) -> None:
        super().__init__(f"{key}: got {value!r}, expected {expected}")
        self.key, self.value, self.expected = key, value, expected


@dataclass(frozen=True)
class WorldParameters:
    """The world's calendar."""

    first_month: str
    burn_in_months: int
    history_months: int
    history_min_months: int
    window_months: int
    missed_payments_for_default: int
    futures: int


@dataclass(frozen=True)
class FirmsParameters:
    """Who the firms are."""

    sector_weights: dict[str, float]
    province_weights: dict[str, float]
    age_weights: tuple[float, ...]
    age_bounds_months: tuple[float, ...]
    age_reference_month: str
    sales_annual_median_yuan: float
    sales_log_sd: float
    sales_annual_min_yuan: float
    sales_annual_max_yuan: float
    margin_mean: float
    margin_sd: float
    margin_min: float
    wage_share_by_sector: dict[str, float]
    overhead_share_by_sector: dict[str, float]
    wage_monthly_yuan: float
    insured_share_mean: float
    insured_share_sd: float
    kwh_per_1000_yuan_by_sector: dict[str, float]
    kwh_log_sd: float
    tax_burden_median: float
    tax_burden_logit_sd: float
    top_buyer_share_median: float
    top_buyer_share_logit_sd: float
    top_supplier_share_median: float
    buyers_median: float
    suppliers_median: float
    partners_log_sd: float
    active_share_median: float
    active_share_logit_sd: float
    invoices_per_month: float
    invoices_elasticity: float
    invoices_log_sd: float
    void_share_median: float
    void_share_logit_sd: float
    red_share_median: float
    red_share_logit_sd: float
    purchase_invoice_share_median: float
    purchase_invoice_share_logit_sd: float
    collection_median: float
    collection_logit_sd: float
    volatility_median: float
    volatility_log_sd: float
    shock_exposure_log_sd: float
    buffer_median_months: float
    buffer_log_sd: float
    buffer_care_correlation: float
    bank_share_median: float
    bank_share_logit_sd: float
    guarantor_share: float
    guarantee_median_months: float
    borrower_share: float
    other_debt_median_months: float
    other_debt_log_sd: float
    line_share: float
    line_months: float
    mill_share: float
    mill_real_share: float
    mill_multiple: float
    capital_spike_weights: dict[str, float]
    capital_median_yuan: float
    capital_log_sd: float
    capital_dirty_share: float
    paid_in_share_mean: float
    representative_share_weights: dict[str, float]
    representative_founder_share: float
    punctual_sd: float


@dataclass(frozen=True)
class EconomyParameters:
    """Demand, month by month."""

    season_by_month: tuple[float, ...]
    trend_annual: float
    q1_2020_by_sector: dict[str, float]
    year_2020_by_sector: dict[str, float]
    q1_2020_shape: tuple[float, ...]
    april_2020_share: float
    recovery_2020: float
    small_firm_multiple: float
    deferral_share: float
    deferral_first_month: str
    deferral_last_month: str


@dataclass(frozen=True)
class CashflowParameters:
    """How money moves in a month."""

    health_persistence: float
    health_to_margin: float
    health_to_growth: float
    growth_young: float
    young_months: int
    young_start: float
    level_sd: float
    level_reversion: float
    growth_base: float
    loss_monthly: float
    loss_guarantor: float
    loss_months_min: float
    loss_months_max: float
    loss_tail: float
    rescue_share: float
    rescue_months: float
    slump_monthly: float
    slump_months_max: int
    slump_depth: float
    contract_loss_monthly: float
    contract_loss_health: float
    contract_loss_share: float
    late_payer_monthly: float
    late_payer_shock: float
    collection_shock: float
    late_payer_months: int
    late_payer_loss: float
    scale_speed: float
    sticky_share: float
    invoice_share: float
    interest_other_annual: float
    recall_months: int
    owner_draw: float
    social_reserve_months: float
    social_rate: float
    social_base_share: float
    loan_sunk_share: float
    loan_sunk_share_mill: float
    loan_lift: float


@dataclass(frozen=True)
class TracesParameters:
    """What bureaus see of it."""

    late_filing: float
    missing_filing: float
    filing_strain: float
    filing_punctual: float
    strain_speed: float
    strain_buffer_months: float
    void_strain: float
    void_mill: float
    red_strain: float
    kwh_fixed_share: float
    kwh_log_sd: float
    kwh_price_yuan: float
    top_buyer_noise_sd: float
    mill_circulated_share: float
    lender_months: float
    queries_monthly: float
    queries_strain: float
    rating_noise_sd: float
    rating_base: float
    rating_punctual: float
    rating_late: float
    rating_missing: float
    rating_arrears: float
    rating_bounds: tuple[float, ...]
    rating_d_missing: int
    rating_a_min_months: int
    rating_m_max_months: int


@dataclass(frozen=True)
class EventsParameters:
    """Public events."""

    suit_defendant_monthly: float
    suit_strain: float
    suit_plaintiff_monthly: float
    suit_cause_weights: dict[str, float]
    suit_months: int
    suit_amount_months: float
    suit_amount_log_sd: float
    enforced_share: float
    enforced_months: int
    dishonest_share: float
    dishonest_months: int
    default_suit_months: int
    abnormal_monthly: float
    abnormal_strain: float
    abnormal_months: int
    change_monthly: float
    change_strain: float
    change_weights: dict[str, float]
    exit_annual_by_age: tuple[float, ...]
    exit_healthy_multiple: float
    exit_insolvent_monthly: float


@dataclass(frozen=True)
class LoansParameters:
    """Who asks and who is granted."""

    apply_monthly: float
    apply_strain: float
    sales_12m_min_yuan: float
    amount_share_median: float
    amount_log_sd: float
    amount_min_yuan: float
    amount_max_yuan: float
    amount_step_yuan: float
    tenor_months: int
    rate_annual_by_year: dict[str, float]
    churn_rates_annual: tuple[float, ...]
    churn_shares: tuple[float, ...]
    policy_size_weight: float
    policy_age_weight: float
    policy_capital_weight: float
    policy_arrears_weight: float
    policy_noise_sd: float
    policy_cut: float
    policy_override_share: float
    purpose_weights: dict[str, float]
    epidemic_share: float
    over_leverage_share: float


@dataclass(frozen=True)
class LenderParameters:
    """What each bureau knows, and when."""

    coverage_by_source: dict[str, float]
    lag_months_by_source: dict[str, float]
    courts_slow_share: float
    missing_month_share_by_source: dict[str, float]
    repeated_month_share_by_source: dict[str, float]
    slipped_digit_share_by_source: dict[str, float]
    untidy_name_share: float
    untidy_code_share: float
    failing_code_share: float


@dataclass(frozen=True)
class Parameters:
    """All sections, with the SHA-256 of the file they were read from."""

    world: WorldParameters
    firms: FirmsParameters
    economy: EconomyParameters
    cashflow: CashflowParameters
    traces: TracesParameters
    events: EventsParameters
    loans: LoansParameters
    lender: LenderParameters
    signals: SignalsParameters
    sha256: str


def load(path: Path = PATH) -> Parameters:
    """Read parameters from a file; raises ParameterError naming the key and the value."""
    return parse(path.read_bytes())


@cache
def standard() -> Parameters:
    """The parameters that come with the package."""
    return load()


def parse(text: bytes) -> Parameters:
    """Read parameters from the bytes of a TOML file; raises as `load`."""
    written = tomllib.loads(text.decode())
    sections = {name: kind for name, kind in get_type_hints(Parameters).items() if name != "sha256"}
    _same_names("sections", written, sections)
    made = {name: _section(name, kind, written[name]) for name, kind in sections.items()}
    sectors = made["firms"].sector_weights
    for section, values in made.items():
        for field in fields(values):
            if field.name.endswith("_by_sector"):
                _same_names(f"{section}.{field.name}.value", getattr(values, field.name), sectors)
    return Parameters(**made, sha256=hashlib.sha256(text).hexdigest())


def _section(section: str, kind: type[Any], written: object) -> Any:
    if not isinstance(written, dict):
        raise ParameterError(section, written, "a table of parameters")
    hints = get_type_hints(kind)
    _same_names(section, written, hints)
    return kind(**{name: _entry(f"{section}.{name}", hints[name], written[name]) for name in hints})


def _entry(key: str, kind: Any, written: object) -> Any:
    if not isinstance(written, dict):
        raise ParameterError(key, written, "a table with value, unit and source")
    _same_names(key, written, ("value", "unit", "source"))
    for told in ("unit", "source"):
        text = written[told]
        if not isinstance(text, str) or not text.strip():
            raise ParameterError(f"{key}.{told}", text, "a text that is not empty")
    value = _value(f"{key}.value", kind, written["value"])
    if key.endswith("_weights"):
        shares = list(value.values() if isinstance(value, dict) else value)
        if abs(sum(shares) - 1.0) > 1e-9:
            raise ParameterError(key, round(sum(shares), 9), "shares that sum to 1")
        if min(shares) < 0:
            raise ParameterError(key, min(shares), "shares of at least 0")
    return value


def _value(key: str, kind: Any, value: object) -> Any:
    origin = get_origin(kind)
    if origin is dict:
        if not isinstance(value, dict) or not value:
            raise ParameterError(key, value, "a table of numbers by name")
        item = get_args(kind)[1]
        return {name: _value(f"{key}.{name}", item, one) for name, one in value.items()}
    if origin is tuple:
        if not isinstance(value, list) or not value:
            raise ParameterError(key, value, "a list of numbers")
        item = get_args(kind)[0]
        return tuple(_value(f"{key}[{i}]", item, one) for i, one in enumerate(value))
    if kind is str:
        if not isinstance(value, str) or not value:
            raise ParameterError(key, value, "a text")
        return value
    if kind is int:
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise ParameterError(key, value, "a whole number of at least 0")
        return value
    if not isinstance(value, int | float) or isinstance(value, bool) or not isfinite(value):
        raise ParameterError(key, value, "a finite number")
    return float(value)


def _same_names(key: str, got: Mapping[str, object], expected: Any) -> None:
    for name in got:
        if name not in expected:
            raise ParameterError(f"{key}: {name}", "an unknown key", f"one of {sorted(expected)}")
    for name in expected:
        if name not in got:
            raise ParameterError(f"{key}: {name}", "nothing", "this key to be there")
