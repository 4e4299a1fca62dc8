"""What decides the traces a firm leaves with seven more sources, drawn before its months."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from model.credit_file import SIGNALS
from synthetic_data.draws import (
    Bools,
    Floats,
    Ints,
    Subject,
    around,
    expit,
    generator,
    logit,
)
from synthetic_data.events import NEVER
from synthetic_data.firms import Firms, Table
from synthetic_data.parameters import Parameters

SITES = ("zlzp", "qcwy", "zhyc")
TITLES = ("high_tech", "little_giant", "specialised_new", "technology_sme", "contract_keeping")


@dataclass(frozen=True, slots=True)
class SignalTraits(Table):
    """One entry per firm; zero for what a firm does not do."""

    source_luck: (
        Floats  # (n_firms, n_signals): one answers below its coverage; the others: firms.py
    )
    in_fund: Bools
    fund_delay_months: Ints  # the fund stays paid while social security is behind
    water_times: Floats  # what is usual
    export_share: Floats
    import_share: Floats
    customs_since: Ints  # month
    customs_luck: Floats
    patents_yearly: Floats
    trademarks: Ints
    copyrights: Ints
    titled: Bools  # (n_firms, n_titles): would be given the title in good health
    posts_monthly: Floats  # (n_firms, n_sites)
    wage_times: Floats
    web_site_since: Ints  # month
    shops: Ints
    online_share: Floats
    machines: Ints
    orders_monthly: Floats


def draw(parameters: Parameters, firms: Firms, seed: int, block: int) -> SignalTraits:
    """The traits of a block of firms."""
    p, n = parameters.signals, len(firms)
    rng = generator(seed, block, Subject.SIGNALS)
    u, z = rng.random((34, n)), rng.standard_normal((14, n))
    sectors = list(parameters.firms.sector_weights)
    sector, founded = firms.traits.sector, firms.traits.founded
    size = np.log(firms.traits.level_yuan * 12.0 / parameters.firms.sales_annual_median_yuan)

    def by_sector(values: dict[str, float]) -> Floats:
        return np.array([values[one] for one in sectors])[sector]

    share = by_sector(p.trader_share_by_sector)
    trades = u[7] < expit(np.log(share / (1.0 - share)) + p.trader_size * size)
    innovative = by_sector(p.innovation_by_sector)
    patents = p.patents_median * np.exp(p.patents_log_sd * z[0]) / p.patents_years
    shop = u[11] < p.online_shop_share * by_sector(p.online_by_sector)
    connected = (u[12] < p.connected_share) & (sector == sectors.index("C"))
    yearly = firms.traits.level_yuan * 12e-6
    posts = p.posts_12m_median / 12.0 * np.exp(p.posts_log_sd * z[1:4])
    wanted = np.array([p.title_share[name] for name in TITLES])
    contract = np.array([name == "contract_keeping" for name in TITLES])
    tilt = np.where(contract, 1.0, innovative[:, None])
    return SignalTraits(
        source_luck=u[: len(SIGNALS)].T,
        in_fund=u[13] < expit(logit(p.fund_participating_share) + p.fund_size * size),
        fund_delay_months=1 + np.floor(-np.log1p(-u[14]) * p.fund_delay_months).astype(np.int64),
        water_times=np.exp(p.water_log_sd * z[4]),
        export_share=np.where(
            trades, around(p.export_share_median, p.export_share_logit_sd, z[5]), 0.0
        ),
        import_share=np.where(
            trades & (u[8] < p.importer_share),
            around(p.import_share_median, p.export_share_logit_sd, z[6]),
            0.0,
        ),
        customs_since=np.where(trades, founded + 2 + np.floor(24 * u[9]), NEVER).astype(np.int64),
        customs_luck=expit(np.log(u[10] / (1.0 - u[10])) - p.trader_size * size),
        patents_yearly=np.where(u[15] < p.patent_share * innovative, patents, 0.0),
        trademarks=np.where(u[16] < p.trademark_share, 1 + np.floor(3 * u[17]), 0).astype(np.int64),
        copyrights=np.where(
            u[18] < p.copyright_share * innovative, np.ceil(2.0 * np.exp(z[7])), 0
        ).astype(np.int64),
        titled=wanted * tilt > u[19:24].T,
        posts_monthly=np.where(
            np.array([p.posting_share[site] for site in SITES]) > u[24:27].T, posts.T, 0.0
        ),
        wage_times=np.exp(p.wage_offered_log_sd * z[8]),
        web_site_since=np.where(
            u[27] < p.web_site_share, founded + 1 + np.floor(36 * u[28]), NEVER
        ).astype(np.int64),
        shops=np.where(shop, np.ceil(np.exp(0.5 * z[9])), 0).astype(np.int64),
        online_share=np.where(
            shop, around(p.online_share_median, p.online_share_logit_sd, z[10]), 0.0
        ),
        machines=np.where(
            connected, np.ceil(p.machines_per_million_yuan * yearly * np.exp(0.5 * z[11])), 0
        ).astype(np.int64),
        orders_monthly=p.orders_monthly * np.exp(p.orders_log_sd * z[12]),
    )
