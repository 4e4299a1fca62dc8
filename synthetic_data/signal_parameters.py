"""The parameters of what a firm does beside its money: staff funds, water, trade, patents, jobs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SignalsParameters:
    """What seven more sources could see of a firm."""

    fund_participating_share: float
    fund_size: float
    fund_insured_share: float
    fund_wage_share: float
    fund_delay_months: float
    water_per_person: float
    water_per_1000_yuan_by_sector: dict[str, float]
    water_log_sd: float
    water_month_log_sd: float
    water_price_yuan: float
    water_unpaid_strained: float
    trader_share_by_sector: dict[str, float]
    trader_size: float
    export_share_median: float
    export_share_logit_sd: float
    importer_share: float
    import_share_median: float
    trade_month_log_sd: float
    trade_idle_share: float
    exports_growth_by_year: dict[str, float]
    customs_advanced_share: float
    customs_general_share: float
    customs_dishonest_strained: float
    innovation_by_sector: dict[str, float]
    patent_share: float
    patents_median: float
    patents_log_sd: float
    patents_years: float
    patent_health: float
    trademark_share: float
    copyright_share: float
    title_share: dict[str, float]
    title_months: dict[str, float]
    title_round_month: dict[str, float]
    title_strain_max: float
    posting_share: dict[str, float]
    posts_12m_median: float
    posts_log_sd: float
    posts_growth: float
    posts_strain: float
    wage_offered_log_sd: float
    web_site_share: float
    online_shop_share: float
    online_by_sector: dict[str, float]
    online_share_median: float
    online_share_logit_sd: float
    online_month_log_sd: float
    online_strain: float
    news_size: float
    negative_news_monthly: float
    negative_news_strain: float
    negative_news_health: float
    positive_news_monthly: float
    positive_news_health: float
    connected_share: float
    machines_per_million_yuan: float
    machine_hours_monthly: float
    machine_fixed_share: float
    machine_hours_log_sd: float
    orders_monthly: float
    orders_elasticity: float
    orders_log_sd: float
