"""The `yidaitong` command: with worlds.py the one place that knows all three packages.

Each command imports what it needs when it runs, so that `serve` stays small: no scikit-learn, no
pandas and no simulator in the served process.
"""

import sys
import time
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from service import backoffice, custody, imports, keyring, operating, scorecards, worlds
from service.options import (
    Artifact,
    LedgerUrl,
    World,
    err,
    fail,
    load_engine,
    out,
    settings_of,
    settle,
    show,
    write_json,
)
from service.scorecards import train_on_world
from service.settings import HOME, Settings
from service.worlds import (
    DEMO_FIRMS,
    DEMO_MONTHS,
    DEMO_SEED,
    simulate,
)

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
app.add_typer(scorecards.app)
app.add_typer(imports.app)
app.add_typer(backoffice.app)
app.add_typer(custody.app)
app.add_typer(operating.app)
app.add_typer(worlds.app)
app.add_typer(keyring.app, name="keys")


@app.command()
def decide(
    file: Annotated[Path, typer.Argument(help="applicant JSON, as posted to /v1/decisions")],
    artifact: Artifact = None,
) -> None:
    """Decide one application here and now and print the decision; nothing is recorded."""
    from uuid import uuid4

    import msgspec

    from service.application import parse
    from service.decide import decide as decided

    request = parse(_applicant(file), date.max)
    decision = decided(
        request,
        load_engine(artifact),
        decision_id=uuid4().hex,
        decided_at=datetime.now(UTC),
        tick=time.perf_counter_ns,
    )
    show(msgspec.json.encode(decision))


@app.command()
def recourse(
    file: Annotated[Path, typer.Argument(help="applicant JSON, as posted to /v1/decisions")],
    amount: Annotated[float | None, typer.Option(help="yuan to reach; any when left out")] = None,
    artifact: Artifact = None,
) -> None:
    """Show the cheapest changes that lead to yes, each tried by deciding again."""
    import msgspec

    from service.application import parse
    from service.recourse import recourse as ways

    found = ways(parse(_applicant(file), date.max), load_engine(artifact), amount)
    show(msgspec.json.encode(found))


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="address to listen on")] = None,
    port: Annotated[int | None, typer.Option(help="port to listen on; 0 picks one")] = None,
    ledger: LedgerUrl = None,
    artifact: Artifact = None,
    showcase: Annotated[Path | None, typer.Option(help="what the console shows besides")] = None,
    exchange: Annotated[str | None, typer.Option(help="URL of the data exchange to ask")] = None,
    open: Annotated[
        bool | None, typer.Option("--open", help="ask nobody for a key; this machine only")
    ] = None,
    log: Annotated[str | None, typer.Option(help="how to log: text or json")] = None,
) -> None:
    """Start the server with its console; without a scorecard it makes the demo's first.

    A scorecard of a lender's own table is asked for scores alone and needs no ledger.
    """
    from service import server
    from service.scores import own_table

    settings = settings_of(
        host=host, port=port, ledger=ledger, artifact=artifact, showcase=showcase,
        exchange=exchange, open=open, log=log,
    )  # fmt: skip
    address = f"http://{settings.host}:{settings.port}"
    if (scores := own_table(settings.artifact)) is not None:
        err.print(f"{address}  POST /v1/scores with {settings.artifact}", soft_wrap=True)
        server.run(settings, scores)
        return
    engine = load_engine(settings.artifact)
    err.print(f"{address}  ledger {settings.ledger}")
    server.run(settings, engine)


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="stop after the stories")] = False,
    port: Annotated[int, typer.Option(help="port to serve on; 0 picks one")] = 8000,
) -> None:
    """Show data-driven credit: make what is missing, start server and exchange, tell stories."""
    from service import demo as shown
    from service.intake import without_file
    from synthetic_data.stories import STORIES
    from synthetic_data.stories import application as posted

    prepare()
    stories, world = [], HOME / "world"
    for code, told in STORIES.items():
        request: dict[str, Any] = posted(code)
        titles = (told.title_zh, told.title_en, told.shows_zh, told.shows_en)
        stories.append(shown.Told(*titles, request, without_file(request["application"])))
    shown.run(
        out,
        stories,
        lambda port, exchange: [*_serve_command(port), "--exchange", exchange],
        lambda port: _exchange_command(port, world),
        port=port,
        once=once,
    )


@app.command()
def bench(
    url: Annotated[str | None, typer.Option(help="a running server; started when left out")] = None,
    rate: Annotated[float | None, typer.Option(help="open-loop requests a second")] = None,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="10 % of saturation to five times it")
    ] = False,
    seconds: Annotated[float, typer.Option(min=0.5, help="length of each measurement")] = 5.0,
    json: Annotated[Path | None, typer.Option(help="also write the figures as JSON")] = None,
    html: Annotated[Path | None, typer.Option(help="also write them as a page")] = None,
    naive: Annotated[bool, typer.Option(help="measure the naive baseline beside it")] = True,
    engine_only: Annotated[
        bool, typer.Option("--engine", help="in process only, beside peers")
    ] = False,
    sources: Annotated[
        bool, typer.Option("--sources", help="C2 with sources asked, by how they behave")
    ] = False,
    floor: Annotated[
        bool, typer.Option("--floor", help="C2 beside the least a durable reply costs")
    ] = False,
    postgres: Annotated[
        str | None, typer.Option(help="with --floor: postgresql://... of an empty ledger")
    ] = None,
    artifact: Artifact = None,
) -> None:
    """Measure decision time: C3 in process, C2 over HTTP, beside what tutorials teach."""
    if sources:
        _bench_sources(rate or 10.0, seconds, json, artifact)
        return
    import msgspec

    from service import bench as benches
    from service.application import parse
    from service.decide import decide as decided
    from synthetic_data.stories import application as posted

    body = msgspec.json.encode(posted("mask-maker"))
    engine, request, at = load_engine(artifact), parse(body, date.max), datetime.now(UTC)

    settle()  # as the server does
    if engine_only:
        from service import peer, rivals

        found = peer.measure(engine, request, seconds)
        out.print(peer.table(found))
        with err.status("fitting and timing other scorers"):
            scored = rivals.measure(seconds)
        out.print(rivals.table(scored))
        if json is not None:
            write_json(json, {"decision": found, "scoring": scored})
        return

    def decide_once() -> object:
        return decided(
            request, engine, decision_id="0" * 32, decided_at=at, tick=time.perf_counter_ns
        )

    if floor:
        from service import yardsticks

        with TemporaryDirectory(dir=HOME) as folder, err.status("starting") as status:
            beside = yardsticks.measure(
                body,
                msgspec.json.encode(decide_once()),
                lambda port, ledger: _serve_command(port, ledger, artifact),
                seconds=seconds,
                folder=Path(folder),
                postgres=postgres,
                step=status.update,
            )
        out.print(yardsticks.table(beside))
        if json is not None:
            write_json(json, beside)
        return
    report = benches.run(
        out,
        decide_once=decide_once,
        server_command=lambda port, ledger: _serve_command(port, ledger, artifact),
        url=url,
        body=body,
        naive=naive,
        naive_threads=1,  # several spin against each other when the machine is busy
        rate=rate,
        sweep=sweep,
        seconds=seconds,
        out_json=json,
    )
    if html is not None:
        from service.bench_page import page

        html.write_text(page(report), "utf-8")


def _bench_sources(rate: float, seconds: float, json: Path | None, artifact: Path | None) -> None:
    """The C2 of applications without a credit file, one for each firm of the demo's world."""
    import msgspec

    from service import waits
    from service.sources import GatewaySettings

    load_engine(artifact)  # makes the demo's world and scorecard when there are none
    world = HOME / "world"
    bodies = [msgspec.json.encode(one) for one in waits.asking_firms(world, int(rate * seconds))]

    def serve(port: int, ledger: str, exchange: str) -> list[str]:
        return [*_serve_command(port, ledger, artifact), "--exchange", exchange]

    def exchange(port: int, profile: str) -> list[str]:
        return [*_exchange_command(port, world), "--delays", profile]

    with err.status("starting") as status:
        found = waits.measure(
            bodies,
            serve,
            exchange,
            deadline_ms=GatewaySettings.load(Settings().sources_file).deadline_ms,
            rate=rate,
            seconds=seconds,
            step=status.update,
            folder=HOME,
        )
    out.width = max(out.width, 145)  # ten columns
    out.print(waits.table(found))
    if json is not None:
        write_json(json, found)


@app.command(hidden=True)
def prepare() -> None:
    """Make the demo's world, scorecard and showcase when there are none."""
    from service import showcase as shown
    from service.tables import metrics_table

    world, settings = HOME / "world", Settings()
    if not (settings.artifact / "card.json").exists():
        if not (world / "world.json").exists():
            simulate(world, DEMO_FIRMS, DEMO_MONTHS, DEMO_SEED)
        out.print(metrics_table(train_on_world(world, settings.artifact)))
    engine = load_engine(None)
    if shown.made_for(settings.showcase) != engine.versions.scorecard and world.is_dir():
        showcase(world, settings.showcase)


@app.command(hidden=True)
def showcase(
    world: World,
    to: Annotated[Path, typer.Option("--out", help="folder to write the showcase into")],
    artifact: Artifact = None,
) -> None:
    """Study a world and write what the console shows of it: stories, firms, figures."""
    import msgspec

    from service import showcase as shown
    from service import study
    from service.backtest import Parts
    from synthetic_data.stories import STORIES
    from synthetic_data.stories import application as posted

    settings = settings_of(artifact=artifact)
    parts = Parts(settings.artifact, settings.policy_file, settings.catalogue_file)
    stories = [
        msgspec.to_builtins(told) | {"request": posted(code)} for code, told in STORIES.items()
    ]
    with err.status("studying") as status:
        seen = list(study.applications(world, parts.load()))
        found = study.study(world, parts, seen, lambda step: status.update(f"studying: {step}"))
    shown.write(to, stories, (one.request for one in seen), found)


@app.command(hidden=True)
def examples() -> None:
    """Write the request and reply shown in the OpenAPI document, from the demo's scorecard."""
    import httpx
    import msgspec

    from service.openapi import EXAMPLES
    from service.process import running
    from synthetic_data.stories import application as posted

    request = posted("young-shop")
    ledger = f"sqlite:///{HOME / 'examples.db'}"
    with running(lambda port: _serve_command(port, ledger)) as server:
        reply = httpx.post(f"{server.url}/v1/decisions", json=request).raise_for_status()
    shown = {"Request": request, "Decision": reply.json()}
    EXAMPLES.write_bytes(msgspec.json.format(msgspec.json.encode(shown), indent=1) + b"\n")


def _serve_command(port: int, ledger: str | None = None, artifact: Path | None = None) -> list[str]:
    command = [sys.executable, "-m", "service.cli", "serve", "--port", str(port), "--open"]
    command += ["--ledger", ledger] if ledger else []
    return command + (["--artifact", str(artifact)] if artifact else [])


def _exchange_command(port: int, world: Path) -> list[str]:
    command = [sys.executable, "-m", "service.cli", "exchange", "--port", str(port)]
    return command + (["--world", str(world)] if world.is_dir() else [])


def _applicant(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        fail(f"{file}: {error.strerror}; expected a file of applicant JSON")


def main() -> None:
    """Run the command; known errors are one sentence, not a traceback."""
    from rich.markup import escape

    from model.credit_file import Fault
    from service.ledger import LedgerError

    try:
        app()
    except (Fault, ValueError, RuntimeError, LedgerError, OSError) as error:
        err.print(f"[red]error:[/red] {escape(str(error))}", soft_wrap=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
