"""The world, on one page: firms live month by month, some borrow, some fail, bureaus look on.

A block of 1,000 firms is the unit of work. Its draws depend on the seed, the block and the month
alone, so a firm's history is the same in a larger world, in a longer one, and on any number of
workers.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import joblib
import msgspec
import numpy as np

from synthetic_data import (
    cashflow,
    economy,
    events,
    lender_view,
    loans,
    network,
    outcomes,
    ratings,
    signal_traits,
    signals,
    survival,
    tables,
    traces,
    typing_faults,
)  # fmt: skip
from synthetic_data.calendar import month_index
from synthetic_data.draws import Ints, Subject, generator
from synthetic_data.economy import Economy
from synthetic_data.events import Events
from synthetic_data.firms import BLOCK_FIRMS, Firms, draw, stack, where
from synthetic_data.history import History, kept
from synthetic_data.loans import Applications
from synthetic_data.network import Network
from synthetic_data.outcomes import Fortune
from synthetic_data.parameters import Parameters, standard
from synthetic_data.state import DRAWS, State
from synthetic_data.tables import Tables

FORMAT = 2
"""Version of the files of a world."""


@dataclass(frozen=True)
class Lives:
    """What happened to a block of firms."""

    history: History
    happened: Events
    closed: Ints  # month of closing, (n_firms,)
    met: Fortune
    asked: list[tuple[Applications, State]]  # with the states of all firms at the time


def generate(
    out: Path,
    firms: int,
    months: int,
    seed: int,
    on_block: Callable[[int], None] | None = None,
    workers: int = 2,
    parameters: Parameters | None = None,
) -> None:
    """Simulate `firms` firms for `months` months and write the world's files into `out`.

    `parameters` are the standard ones or those of scenarios (`parameters.load`). `on_block` is told
    how many firms each finished block adds. Same numbers, same bytes, for any number of workers.
    Raises ValueError for a world too small or too short.
    """
    parameters = parameters or standard()
    _check(parameters, firms, months)
    blocks = range(-(-firms // BLOCK_FIRMS))
    parallel = joblib.Parallel(n_jobs=min(workers, len(blocks)), return_as="generator")
    with tables.Writer(out) as writer, TemporaryDirectory(dir=out) as folder:
        sizes = [min(BLOCK_FIRMS, firms - block * BLOCK_FIRMS) for block in blocks]
        simulated = parallel(
            joblib.delayed(_simulate_into)(
                Path(folder) / str(block), parameters, block, months, seed, size
            )
            for block, size in zip(blocks, sizes, strict=True)
        )
        for size, parts in zip(sizes, simulated, strict=True):
            writer.append(tables.load(parts))
            shutil.rmtree(parts)
            if on_block is not None:
                on_block(size)
    about = {
        "format": FORMAT,
        "seed": seed,
        "firms": firms,
        "months": months,
        "first_month": parameters.world.first_month,
        "parameters_sha256": parameters.sha256,
        "scenarios": parameters.scenarios,
        "scenarios_sha256": parameters.scenarios_sha256,
    }
    (out / "world.json").write_bytes(msgspec.json.format(msgspec.json.encode(about)) + b"\n")


def _simulate_into(
    folder: Path, parameters: Parameters, block: int, months: int, seed: int, keep: int
) -> Path:
    """One block into a folder of its own: files hand millions of numbers over faster than pipes."""
    tables.save(folder, simulate_block(parameters, block, months, seed, keep))
    return folder


def simulate_block(
    parameters: Parameters, block: int, months: int, seed: int, keep: int = BLOCK_FIRMS
) -> Tables:
    """One block from founding to credit files; the tables hold its first `keep` firms."""
    total = parameters.world.burn_in_months + months
    climate = economy.build(parameters, total)
    members, links = network.draw(parameters, draw(parameters, seed, block), seed, block)
    lives = live(parameters, members, links, climate, seed, block, total)
    truth = outcomes.live_again(
        parameters, climate, members.traits, links.debtor, lives.asked, lives.met, seed, block
    )
    bureaus = asked_about(parameters, members, lives, seed, block)
    applications = stack([asked for asked, _ in lives.asked])
    mine = applications.firm < keep
    return {
        "firms": tables.firms_table(members, lives.closed, climate.first + total)[:keep],
        "months": tables.months_table(
            members, lives.history, bureaus.signals, parameters.world.burn_in_months, keep
        ),
        "links": tables.links_table(members, links.links, keep),
        "events": tables.events_table(
            members, lives.happened, parameters, climate.first + total, keep
        ),
        **tables.loan_tables(
            members, applications.take(mine), truth.take(mine), bureaus, parameters
        ),
    }


def asked_about(
    parameters: Parameters, members: Firms, lives: Lives, seed: int, block: int
) -> lender_view.Bureaus:
    """The sources, ready to be asked about a block of firms that has lived."""
    history = lives.history
    rated = ratings.rate(parameters, members, history, seed, block)
    usual = signal_traits.draw(parameters, members, seed, block)
    seen = signals.observe(parameters, members, usual, history, seed, block)
    faults = typing_faults.draw(parameters.lender, members, history.first, seed, block)
    return lender_view.Bureaus(parameters, members, history, lives.happened, rated, seen, faults)


def live(
    parameters: Parameters,
    members: Firms,
    links: Network,
    climate: Economy,
    seed: int,
    block: int,
    months: int,
) -> Lives:
    """A block, month by month: firms enter, ask for loans, trade, pay, leave traces, close."""
    n, traits, burn_in = len(members), members.traits, parameters.world.burn_in_months
    opening = generator(seed, block, Subject.OPENING).standard_normal((4, n))
    state = newborn = cashflow.opening(parameters, traits, opening, climate.first)
    memory = fresh = traces.nothing(n)
    closed: Ints = np.full(n, events.NEVER)
    history = History(climate.first, months, n)
    luck, calls = np.zeros((months, DRAWS, n)), np.zeros((months, n))
    lending = month_index(parameters.world.lending_from) - climate.first
    happened: list[Events] = []
    asked_all: list[tuple[Applications, State]] = []
    for at in range(months):
        month = climate.first + at
        entering = traits.founded == month
        state, memory = cashflow.enter(entering, newborn, state), where(entering, fresh, memory)
        alive = (traits.founded <= month) & (closed > month)
        weather = climate.weather(month, traits)
        if at >= lending:
            asked = loans.ask(
                members, state, weather, alive, memory.strain, history, at,
                generator(seed, block, Subject.APPLICATIONS, at), parameters,
            )  # fmt: skip
            recorded = burn_in <= at < months - parameters.world.window_months
            if len(asked.firm) and recorded:
                asked_all.append((asked, state))
            state = loans.pay_out(state, asked, parameters)
        drawn = cashflow.draws(generator(seed, block, Subject.CASHFLOW, at), n)
        luck[at], before = links.share(drawn), state
        after, flows = cashflow.step(traits, before, weather, luck[at], parameters)
        state = network.called(before, after, links.debtor, traits)
        calls[at] = state.called_yuan
        chance = generator(seed, block, Subject.TRACES, at)
        memory, seen = traces.observe(
            members, state, flows, memory, weather.eased, chance, parameters
        )
        history.record(at, alive.astype(np.float64), kept(state, flows, memory, seen))
        chance = generator(seed, block, Subject.EVENTS, at)
        happened += events.happen(
            month, alive, memory.strain, state.scale_yuan,
            state.loan_yuan + state.overdue_yuan, state.defaulted & ~before.defaulted,
            chance, parameters.events,
        )  # fmt: skip
        age, u = month - traits.founded, chance.random(n)
        closing = survival.closing(state, age, u, parameters.events)
        closed = np.where(alive & closing, month + 1, closed)
    return Lives(history, events.join(happened), closed, Fortune(luck, calls), asked_all)


def _check(parameters: Parameters, firms: int, months: int) -> None:
    if firms < 1:
        raise ValueError(f"firms: got {firms}, expected at least 1")
    shortest = parameters.world.window_months + 1
    if months < shortest:
        raise ValueError(
            f"months: got {months}, expected at least {shortest}, so that one vintage "
            f"has its {parameters.world.window_months} months of performance"
        )
