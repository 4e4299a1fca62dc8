"""Pages that fetch nothing: what is told is written safely, what is not told is an error."""

import pytest
from jinja2 import UndefinedError
from plotly.graph_objects import Figure, Scatter

from service.rendering import drawn, rendered


def test_what_is_told_is_no_markup_and_what_is_missing_is_an_error() -> None:
    told = {"cut_off": "8%", "rows": [("<b>tax</b>", "1%", "2%")], "chart": "<svg></svg>"}
    page = rendered("frontier.html", applications="<i>7</i>", **told)
    assert "&lt;i&gt;7&lt;/i&gt;" in page
    assert "&lt;b&gt;tax&lt;/b&gt;" in page
    assert "<svg></svg>" in page
    assert page.startswith("<!doctype html>")
    assert page.count("Efficient frontier 有效前沿") == 2  # the title and the heading
    with pytest.raises(UndefinedError):
        rendered("frontier.html", **told)


def test_a_chart_brings_all_that_draws_it() -> None:
    chart = drawn(Figure(Scatter(x=[1, 2], y=[3, 4])), "20rem", right=45)
    assert "<script src" not in chart
    assert chart.count("<script") == chart.count("</script>") > 0
    assert "20rem" in chart
