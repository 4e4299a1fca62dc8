"""Scenarios tried: each beside its counterpart on one seed, each declared effect measured."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from synthetic_data import parameters, scenario, world
from synthetic_data.effects import RELATIVE, Files, Measured, measure
from synthetic_data.scenario import Knob, Move, Scenario

FUTURES = 10
"""An application: fewer than a world has, because the mean of many applications is looked at."""
MONTHS = 42
"""To June 2021: a year after the last month of the boom in masks."""


@dataclass(frozen=True)
class Finding:
    """One declared effect of one knob, and what was measured."""

    scenario: Scenario
    knob: Knob
    move: Move
    measured: Measured

    def told(self) -> tuple[str, ...]:
        """Knob, effect (whose, when), direction, beside, here, size, standard error, as texts."""
        move, m = self.move, self.measured
        whose = [f"{column} {' '.join(values)}" for column, values in move.of]
        when = move.first if move.first == move.last else f"{move.first} to {move.last}"
        name = f"{move.effect} of {move.section}" if move.section else move.effect
        size, error = (
            (f"{m.size:+.1%}", f"{m.standard_error:.1%}")
            if move.effect in RELATIVE
            else (f"{m.size:+.4f}", f"{m.standard_error:.4f}")
        )
        level = "{:.4g}" if move.effect in RELATIVE else "{:.4f}"
        return (
            self.knob.key,
            ", ".join([name, *whose, when, f"beside {move.beside}"]),
            move.direction,
            level.format(m.beside),
            level.format(m.ours),
            size,
            error,
        )


def markdown(found: Sequence[Finding]) -> str:
    """The findings as a table of Markdown."""
    heads = ("scenario", "knob", "effect", "declared", "beside", "here", "size", "s.e.", "")
    rows = [heads, ("---",) * len(heads)]
    for one in found:
        told = (one.scenario.name, *one.told(), "yes" if one.measured.as_declared else "NO")
        rows.append(told)
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def run(
    names: Sequence[str],
    firms: int,
    seed: int,
    months: int = MONTHS,
    workers: int = 2,
    on_world: Callable[[str], None] | None = None,
) -> list[Finding]:
    """Simulate the scenarios named and their counterparts, and measure what each knob declares.

    Scenarios are named as for `parameters.load`; `on_world` is told each world before it is made.
    """
    tried = [scenario.read(name) for name in names]
    moves = [(one, knob, move) for one in tried for knob in one.knobs for move in knob.moves]
    given = dict(zip((one.name for one in tried), names, strict=True))
    needed = dict.fromkeys([*given, *(move.beside for _, _, move in moves)])
    with tempfile.TemporaryDirectory() as folder:
        made = {}
        for name in needed:
            if on_world is not None:
                on_world(name)
            chosen = parameters.load(scenarios=[given.get(name, name)])
            chosen = replace(chosen, world=replace(chosen.world, futures=FUTURES))
            out = Path(folder) / name
            world.generate(out, firms, months, seed, workers=workers, parameters=chosen)
            made[name] = Files(out)
        return [
            Finding(one, knob, move, measure(move, made[one.name], made[move.beside]))
            for one, knob, move in moves
        ]
