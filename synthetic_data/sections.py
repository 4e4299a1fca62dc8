"""The sections of parameters.toml: every number of the economy, by name and type."""

from dataclasses import dataclass


@dataclass(frozen=True)
class WorldParameters:
    """The world's calendar."""

    first_month: str
    burn_in_months: int
    lending_from: str
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
    sales_annual_yuan_by_quantile: dict[str, float]
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
    tax_burden_max: float
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
    purchase_invoice_share_max: float
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
    balance_share_logit_sd: float
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
    mill_first_months: int
    wilful_care: float
    capital_spike_weights: dict[str, float]
    capital_median_yuan: float
    capital_log_sd: float
    capital_dirty_share: float
    paid_in_share_mean: float
    paid_in_thrift_correlation: float
    representative_share_weights: dict[str, float]
    representative_founder_share: float
    punctual_sd: float


@dataclass(frozen=True)
class NetworkParameters:
    """Who deals with whom."""

    linked_share_by_sector: dict[str, float]
    buyers_named: int
    next_buyer_ratio: float
    named_share_max: float
    purchases_share: float
    spill_over: float
    unknown_chain_weight: float
    owner_shared_share: float
    ring_size: int


@dataclass(frozen=True)
class EconomyParameters:
    """Demand and tax rules, month by month."""

    season_by_month: tuple[float, ...]
    trend_annual: float
    vat_rates: dict[str, dict[str, float]]
    vat_class_by_sector: dict[str, str]
    vat_reference_month: str
    small_scale_annual_max_yuan: float
    epidemic_times: float
    q1_2020_by_sector: dict[str, float]
    year_2020_by_sector: dict[str, float]
    q1_2020_shape: tuple[float, ...]
    april_2020_share: float
    recovery_2020: float
    small_firm_multiple: float
    deferral_share: float
    deferral_share_short: float
    deferral_first_month: str
    deferral_last_month: str
    eased_first_month: str
    eased_last_month: str
    social_waived_share: float
    mask_industries: tuple[str, ...]
    mask_switch_share: float
    mask_multiple_min: float
    mask_multiple_max: float
    mask_first_month: str
    mask_boom_by_month: tuple[float, ...]
    mask_after_by_month: tuple[float, ...]
    mask_cost_by_month: tuple[float, ...]
    recession_first_month: str
    recession_months: int
    recession_depth: float
    recession_collection_fall: float
    regional_province: str
    regional_first_month: str
    regional_months: int
    regional_depth: float


@dataclass(frozen=True)
class CashflowParameters:
    """How money moves in a month."""

    health_persistence: float
    health_to_margin: float
    health_to_growth: float
    health_to_tax: float
    chain_to_growth: float
    growth_young: float
    young_months: int
    young_start: float
    young_volatility: float
    level_sd: float
    level_reversion: float
    growth_base: float
    loss_monthly: float
    loss_months_min: float
    loss_months_max: float
    loss_tail: float
    rescue_share: float
    rescue_months: float
    rescue_reserve_months: float
    rescue_thrift: float
    wilful_monthly: float
    slump_monthly: float
    slump_months_max: int
    slump_depth: float
    slump_shock: float
    slump_most: float
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
    void_invoices: float
    void_mill: float
    red_strain: float
    kwh_fixed_share: float
    kwh_log_sd: float
    kwh_price_yuan: float
    top_buyer_noise_sd: float
    mill_circulated_share: float
    balance_log_sd: float
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
    silent_source: str
    silent_first_month: str
    missing_month_share_by_source: dict[str, float]
    repeated_month_share_by_source: dict[str, float]
    slipped_digit_share_by_source: dict[str, float]
    untidy_name_share: float
    untidy_code_share: float
    failing_code_share: float
