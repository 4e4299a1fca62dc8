"""The server: engine, ledger, desk and console put together from the settings, and run."""

import logging
import sys
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from service.app import create_app, create_scores_app
from service.archive import Archive
from service.benchmark import Benchmark
from service.clocks import Clocks
from service.console.api import Parts
from service.console.session import Sessions
from service.decide import Engine
from service.desk import Desk
from service.door import guarded
from service.journal import Journal
from service.ledger import open_ledger
from service.options import settle
from service.scores import Scores
from service.settings import Settings
from service.showcase import read
from service.versions import InForce, Swaps


def make(settings: Settings, engine: Engine) -> ASGIApp:
    """The application of some settings; raises the errors of its parts."""
    ledger = open_ledger(settings.ledger)
    archive = Archive.beside(settings.ledger)
    archive.keep(engine.versions, settings.artifact, settings.policy_file, settings.catalogue_file)
    swaps = Swaps.beside(settings.ledger, engine, archive, settings.releases)
    gateway = None
    if settings.exchange is not None:
        from service.sources import Gateway, GatewaySettings  # only who asks sources pays for it

        asked = GatewaySettings.load(settings.sources_file)
        gateway = Gateway.to(settings.exchange, asked, settings.ledger)
    return create_app(
        Parts(
            settings=settings,
            swaps=swaps,
            ledger=ledger,
            archive=archive,
            journal=Journal(ledger, lambda: _offered(swaps.now)),
            desk=Desk.beside(settings.ledger),
            clocks=Clocks(),
            sessions=Sessions(settings.officers),
            benchmark=Benchmark(lambda out: _benchmark(swaps.now, out)),
            showcase=read(settings.showcase),
            gateway=gateway,
        )
    )


def run(settings: Settings, with_: Engine | Scores) -> None:
    """Serve until told to stop; what was accepted is finished. Scores alone need no ledger."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s")
    if isinstance(with_, Scores):
        app = create_scores_app(with_, settings.max_body_bytes)
    else:
        app = make(settings, with_)
    app = guarded(app, settings)
    settle()
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=10,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )


def _offered(now: InForce) -> tuple[int, int]:
    """How many institutions and products there are."""
    catalogue = now.engine.catalogue
    return len(catalogue.institutions), len(catalogue.products)


def _benchmark(now: InForce, out: Path) -> list[str]:
    """A short benchmark of a server that decides as this one does, with a ledger of its own."""
    return [
        "env", f"YIDAITONG_POLICY={now.policy}", f"YIDAITONG_CATALOGUE={now.catalogue}",
        sys.executable, "-m", "service.cli", "bench", "--seconds", "0.5",
        "--artifact", str(now.scorecard), "--json", str(out),
    ]  # fmt: skip
