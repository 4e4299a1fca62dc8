"""Options that several commands share, and what they stand for."""

import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console

from service.settings import Settings

if TYPE_CHECKING:
    from service.decide import Engine

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

World = Annotated[Path, typer.Option(help="folder of a world written by `generate`")]
Artifact = Annotated[Path | None, typer.Option(help="folder of a scorecard written by `train`")]
LedgerUrl = Annotated[
    str | None, typer.Option(help="sqlite:///PATH or postgresql://... of the decision records")
]


def load_engine(artifact: Path | None) -> "Engine":
    """The engine of an artefact; the demo's is made, in a process of its own, when missing."""
    import subprocess

    from service.decide import Engine

    settings = settings_of(artifact=artifact)
    if settings.artifact == Settings().artifact and not (settings.artifact / "card.json").exists():
        subprocess.run([sys.executable, "-m", "service.cli", "prepare"], check=True)
    return Engine.load(settings.artifact, settings.policy_file, settings.catalogue_file)


def settings_of(**given: Any) -> Settings:
    """The settings, with options that were given on the command line instead."""
    return Settings(**{name: value for name, value in given.items() if value is not None})


def fail(sentence: str) -> NoReturn:
    """Say what is wrong, exit 1."""
    err.print(f"[red]error:[/red] {sentence}", soft_wrap=True)
    raise typer.Exit(1)


def settle() -> None:
    """Keep what start-up made out of the garbage collector's way, and let it run less often.

    A decision makes a few hundred objects that refer to each other in no circle; looking through
    them every 700 costs some percent of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def write_json(path: Path, told: object) -> None:
    """Write a record as JSON for people to read."""
    import msgspec

    path.write_bytes(msgspec.json.format(msgspec.json.encode(told)))


def show(json: bytes) -> None:
    """Print JSON for people to read."""
    import msgspec

    sys.stdout.write(msgspec.json.format(json, indent=2).decode() + "\n")
