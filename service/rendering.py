"""Pages that fetch nothing: a template of this folder filled in, and a chart as plotly draws it.

plain.html is what plain pages extend. Imported by commands, never to answer a request.
"""

from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def rendered(template: str, **told: Any) -> str:
    """A template of this folder filled in; raises jinja2's error for what is not told."""
    return str(_environment().get_template(template).render(**told))


def drawn(figure: Any, height: str, right: int = 10) -> str:
    """A plotly figure as part of a page, with all that draws it; `right`: its margin, pixels."""
    figure.update_layout(
        template="plotly_white",
        legend={"orientation": "h", "y": -0.2},
        margin={"l": 55, "r": right, "t": 10, "b": 40},
    )
    return str(
        figure.to_html(
            include_plotlyjs=True,
            full_html=False,
            default_height=height,
            config={"displayModeBar": False, "responsive": True},
        )
    )


@cache
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True,
    )  # fmt: skip
