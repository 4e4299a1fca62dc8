"""A benchmark as one page that fetches nothing: every figure, and the wait by how much is asked."""

from service.bench import BUSY, Figure, Report
from service.load import LoadResult
from service.rendering import drawn, rendered


def page(report: Report) -> str:
    """The page of a report; with a sweep, its curve."""
    by_key = {figure.key: figure for figure in report.figures if figure.side == "ours"}
    closed, opened = by_key[f"closed {BUSY}"], by_key["open"]
    return rendered(
        "bench.html",
        machine=report.machine.said(),
        rows=[_row(figure) for figure in [*report.figures, *report.sweep]],
        curve=_curve(report.sweep) if report.sweep else "",
        busy=BUSY,
        closed_p99=_ms(closed, "p99_us"),
        open_p99=_ms(opened, "p99_us"),
        closed_per_s=f"{closed.per_s:,.0f}",
        open_per_s=f"{opened.per_s:,.0f}",
        method=report.method,
    )


def _row(figure: Figure) -> list[str]:
    waits = [_ms(figure, of) for of in ("p50_us", "p99_us", "max_us")]
    withheld = figure.ratio is None or figure.key.startswith("sweep")
    ratio = "" if withheld else f"{figure.ratio:.3g}"
    return [
        f"{figure.clock} {figure.name}", figure.side, f"{figure.per_s:,.0f}", *waits,
        f"{figure.errors:,}", ratio,
    ]  # fmt: skip


def _ms(figure: Figure, of: str) -> str:
    return f"{getattr(figure.latency, of) / 1e3:,.3g}" if figure.latency else "–"


def _curve(sweep: list[Figure]) -> str:
    """Waits and answers a second over requests a second, as plotly draws them."""
    from plotly.graph_objects import Figure as Chart
    from plotly.graph_objects import Scatter

    loads = [(one.rounds[0], one) for one in sweep]
    offered = [getattr(load, "offered_per_s", one.per_s) for load, one in loads]
    chart = Chart()
    for of, color in (("p50", "#2f7a70"), ("p99", "#c0594d")):
        waits = [
            getattr(one.latency, f"{of}_us") / 1e3 if one.latency else None for _, one in loads
        ]
        chart.add_trace(Scatter(x=offered, y=waits, name=f"{of}, ms", line={"color": color}))
    turned_away = [load.refused if isinstance(load, LoadResult) else None for load, _ in loads]
    refused = [wait.p99_us / 1e3 if wait else None for wait in turned_away]
    if any(refused):
        dashes = {"color": "#8a959b", "dash": "dot"}
        chart.add_trace(Scatter(x=offered, y=refused, name="refused 拒绝, p99, ms", line=dashes))
    answered = [one.per_s for _, one in loads]
    chart.add_trace(
        Scatter(
            x=offered,
            y=answered,
            name="answered a second 每秒答复",
            yaxis="y2",
            line={"color": "#5b6fb5", "dash": "dash"},
        )
    )
    chart.update_layout(
        xaxis={"title": "requests a second 每秒请求", "rangemode": "tozero"},
        yaxis={"title": "ms", "type": "log"},
        yaxis2={
            "overlaying": "y",
            "side": "right",
            "rangemode": "tozero",
            "showgrid": False,
            "tickmode": "auto",
            "title": "a second",
        },
    )
    return drawn(chart, "30rem", right=45)
