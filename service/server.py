"""The server: engine, ledger, desk and console put together from the settings, and run."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import uvicorn
from starlette.types import ASGIApp

from service import logs
from service.app import create_app, create_scores_app
from service.archive import Archive
from service.benchmark import Benchmark
from service.clocks import Clocks
from service.connection import Connection
from service.console.api import Parts
from service.console.session import Sessions
from service.decide import Engine
from service.desk import Desk
from service.desk_terms import DeskTerms
from service.door import Door, guarded
from service.health import Health
from service.journal import Journal
from service.ledger import open_ledger
from service.metrics import Standing
from service.options import settle
from service.scores import Scores
from service.settings import Settings
from service.showcase import read
from service.versions import InForce, Swaps
from service.watch import Watch

if TYPE_CHECKING:
    from service.tracing import Traces


def make(settings: Settings, engine: Engine, watch: Watch | None = None) -> ASGIApp:
    """The application of some settings; raises the errors of its parts."""
    watch = watch or Watch()
    ledger = open_ledger(settings.ledger)
    archive = Archive.beside(settings.ledger)
    archive.keep(engine.versions, settings.artifact, settings.policy_file, settings.catalogue_file)
    swaps = Swaps.beside(settings.ledger, engine, archive, settings.releases)
    gateway = None
    if settings.exchange is not None:
        from service.sources import Gateway, GatewaySettings  # only who asks sources pays for it

        asked = GatewaySettings.load(settings.sources_file)
        gateway = Gateway.to(settings.exchange, asked, settings.ledger)
    desk = Desk.beside(settings.ledger, DeskTerms.load(settings.desk_file))
    stores = {"ledger": ledger.ready, "desk": desk.ready}
    if gateway is not None:
        stores["consents"] = gateway.consents.ready
    health = Health(lambda: swaps.now.engine, stores)

    def standing() -> Standing:
        sources = gateway.health() if gateway is not None else []
        versions = msgspec.structs.asdict(swaps.now.engine.versions)
        return Standing(health.parts(), ledger.commits, sources, versions)

    watch.meters.standing = standing
    return create_app(
        Parts(
            settings=settings,
            swaps=swaps,
            ledger=ledger,
            archive=archive,
            journal=Journal(ledger, lambda: _offered(swaps.now)),
            desk=desk,
            clocks=Clocks(),
            sessions=Sessions(settings.officers),
            benchmark=Benchmark(lambda out: _benchmark(swaps.now, out)),
            showcase=read(settings.showcase),
            gateway=gateway,
            watch=watch,
            health=health,
        )
    )


def run(settings: Settings, with_: Engine | Scores) -> None:
    """Serve until told to stop; what was accepted is finished. Scores alone need no ledger."""
    logs.configure(settings.log, settings.log_level)
    app = application(settings, with_)
    settle()
    served = uvicorn.Server(configured(app, settings))
    with suppress(KeyboardInterrupt):
        served.run()
    if not served.started:
        raise SystemExit(3)  # as uvicorn's own command says that it could not start


def configured(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """How uvicorn serves the application."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=Connection,
        ws="none",
        server_header=False,
        log_config=None,  # as service/logs.py has it
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=10,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )


def application(settings: Settings, with_: Engine | Scores) -> ASGIApp:
    """The whole application, as it is served: watched, behind its door."""
    watch = Watch(traces=_traces(settings))
    if isinstance(with_, Scores):
        versions = {"scorecard": with_.versions.scorecard}
        watch.meters.standing = lambda: Standing(versions=versions)
        app = create_scores_app(with_, watch, settings.max_body_bytes)
    else:
        app = make(settings, with_, watch)
    guarded_app = guarded(app, settings)
    here_only = not isinstance(guarded_app, Door)
    return watch.around(guarded_app, here_only=here_only, tls=settings.tls_cert is not None)


def _traces(settings: Settings) -> "Traces | None":
    if settings.traces is None:
        return None
    try:
        from service.tracing import Traces  # only who traces pays for it
    except ImportError as error:
        raise ValueError(
            f"traces: needs OpenTelemetry ({error}): pip install 'yidaitong[tracing]', or uv run "
            "--extra tracing"
        ) from error
    return Traces.to(settings.traces)


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
