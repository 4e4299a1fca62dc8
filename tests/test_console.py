"""The console in a real browser, against a real server with a real ledger."""

import json
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect

from service.bench import Figure, Machine, Ratios, Report
from service.load import summarise
from service.process import Server, running
from tests.browser import Heard, chromium, context
from tests.conftest import exchange_command

pytestmark = pytest.mark.slow
BOTH = [(lang, theme) for lang in ("zh", "en") for theme in ("light", "dark")]
TWO = [("zh", "light"), ("en", "dark")]
"""Each language and each theme once: what the longer tests look at depends on no pair of them."""
OF_A_DECISION = ("decision", "portrait", "what-if")
PLAIN = ("", "concept", "speed", "desk", "models")


@pytest.fixture(scope="module")
def server(serve_showcase: Any, world: Path) -> Iterator[Server]:
    with (
        running(exchange_command("--world", str(world))) as exchange,
        running(lambda port: [*serve_showcase(port), "--exchange", exchange.url]) as started,
    ):
        with httpx.Client(base_url=started.url) as client:
            for code in ("mask-maker-judgment", "mask-maker"):
                request = client.get(f"/v1/firms/{code}").content
                posted(client, request)
        yield started


def posted(client: httpx.Client, request: bytes) -> Any:
    reply = client.post(
        "/v1/decisions", content=request, headers={"content-type": "application/json"}
    )
    return reply.raise_for_status().json()


def in_arrears(client: httpx.Client) -> tuple[Any, Any]:
    """The young shop owing taxes, as posted, and the decision on it."""
    young = json.loads(client.get("/v1/firms/young-shop").content)
    young["credit_file"]["tax"]["arrears_yuan"] = 9_000.0
    return young, posted(client, json.dumps(young).encode())


def referred(client: httpx.Client, least_yuan: float = 1_000) -> bytes:
    """A firm of the world that the engine refers to a person, with something to lend."""
    for place in ("北京", "河北", "江苏", "浙江", "山东", "广东", "四川"):
        for firm in client.get("/v1/firms", params={"q": place}).json():
            request = client.get(f"/v1/firms/{firm['uscc']}").content
            json_type = {"content-type": "application/json"}
            tried = client.post("/v1/previews", content=request, headers=json_type).json()
            if tried["verdict"] == "refer" and tried["limit_yuan"] > least_yuan:
                return request
    raise AssertionError("no firm of the world is referred")


@pytest.fixture(scope="module")
def api(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url) as client:
        yield client


@pytest.fixture(scope="module")
def windows() -> Iterator[dict[str, BrowserContext]]:
    """One window a theme; they are kept, for the chart library takes a second to read."""
    with chromium() as browser:
        yield {theme: context(browser, theme) for theme in ("light", "dark")}


@pytest.fixture
def page(
    windows: dict[str, BrowserContext], server: Server, request: pytest.FixtureRequest
) -> Iterator[Page]:
    """A page in a language and theme, nobody signed in; nothing may go wrong on it."""
    _, theme = getattr(request, "param", ("en", "light"))
    windows[theme].clear_cookies()
    made = windows[theme].new_page()
    made.set_default_timeout(20_000)
    heard = Heard(made, server.url.removeprefix("http://"))
    made.heard = heard  # type: ignore[attr-defined]
    yield made
    made.close()
    assert heard.wrong == []


def forgive(page: Page, status: int) -> None:
    page.heard.forgive(status)  # type: ignore[attr-defined]


def drawn(page: Page, *charts: str) -> None:
    for chart in charts:
        expect(page.locator(f"{chart}[data-drawn] .main-svg").first).to_be_visible()


CHARTS = {
    "decision": ("#scale", "#waterfall"), "portrait": ("#months", "#radar", "#network"),
    "what-if": ("#waterfall",), "concept": ("#ladder", "#frontier"),
    "speed": ("#c3-bars", "#c2-bars", "#per-second"),
    "models": ("#shape", "#calibration", "#psi", "#vintages"),
}  # fmt: skip


@pytest.mark.parametrize("page", BOTH, indirect=True, ids=["-".join(one) for one in BOTH])
def test_every_page_is_whole_quick_and_accessible(
    page: Page, server: Server, request: pytest.FixtureRequest
) -> None:
    lang, theme = request.node.callspec.params["page"]
    for path in (*PLAIN, *OF_A_DECISION):
        page.goto(f"{server.url}/{lang}/{path}")
        drawn(page, *CHARTS.get(path, ()))
        expect(page.locator("nav [aria-current=page]")).to_have_count(1)
        assert page.evaluate("document.documentElement.lang").startswith(lang)
        paint = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
        assert page.wait_for_function(paint).json_value() < 1_000
        assert 0 < page.evaluate(WEIGHT) < 150_000
        if (lang, theme) in TWO:
            assert serious(page) == []


WEIGHT = """
performance.getEntriesByType("resource").concat(performance.getEntriesByType("navigation"))
  .filter((one) => /assets|[/](zh|en)[/]/.test(one.name) && !one.name.includes("plotly"))
  .reduce((sum, one) => sum + one.decodedBodySize, 0)
"""
"""Bytes of the page, its style and its scripts, the chart library left out."""


def serious(page: Page) -> list[Any]:
    """What axe-core finds serious or critical on a page, with the elements."""
    return [
        (page.url, one["id"], [node["html"][:120] for node in one["nodes"]][:3])
        for one in Axe().run(page).response["violations"]
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("page", TWO, indirect=True, ids=["-".join(one) for one in TWO])
def test_from_the_form_to_the_decision_in_three_clicks(
    page: Page, server: Server, api: httpx.Client, request: pytest.FixtureRequest
) -> None:
    lang = request.node.callspec.params["page"][0]
    page.goto(f"{server.url}/{lang}/")
    page.locator("[data-code=mask-maker]").click()
    expect(page.locator("#amount")).to_have_value("20000000")
    page.locator("#send").click()
    expect(page.locator("#verdict.approve")).to_be_visible()
    assert page.locator(".consent.lit").count() == 8
    page.locator("#open").click()
    expect(page.locator(".verdict-box.approve")).to_be_visible()
    drawn(page, "#scale", "#waterfall")
    decision_id = page.url.rsplit("/", 1)[1]
    told = api.get(f"/v1/decisions/{decision_id}").json()
    assert 0 < told["limit_yuan"] <= 20_000_000
    assert page.locator("#main").get_by_text(told["record"]["hash"]).is_visible()
    for reason in told["reasons"]:
        assert page.get_by_text(reason[f"text_{lang}"]).first.is_visible()
    page.locator("#replay").click()
    expect(page.locator("#checked .ok")).to_be_visible()
    page.locator("#verify").click()
    expect(page.locator("#checked code")).to_be_visible()


@pytest.mark.parametrize("page", TWO, indirect=True, ids=["-".join(one) for one in TWO])
def test_what_if_moves_as_it_is_dragged_and_plays_the_way_to_yes(
    page: Page, server: Server, api: httpx.Client, request: pytest.FixtureRequest
) -> None:
    lang = request.node.callspec.params["page"][0]
    _, decision = in_arrears(api)
    before = api.get("/v1/totals").json()["decisions"]
    page.goto(f"{server.url}/{lang}/what-if/{decision['decision_id']}")
    expect(page.locator(f"#verdict.{decision['verdict']}")).to_be_visible()
    drawn(page, "#waterfall")
    limit = page.locator("#limit").inner_text()
    page.locator("#slide-0").focus()
    for _ in range(5):
        page.keyboard.press("PageDown")
    expect(page.locator("#slide-0")).not_to_have_value(str(decision["application"]["amount_yuan"]))
    assert limit or decision["verdict"] == "decline"
    page.locator("#reset").click()
    page.locator("#way").click()
    first = page.locator("#ways li button").first
    first.click()
    expect(page.locator("#verdict.approve")).to_be_visible()
    page.locator("#switches input[value=tax]").uncheck()
    expect(page.locator("#verdict.approve")).to_have_count(1)
    capped = page.locator("#limit").inner_text()
    page.locator("#switches input[value=registry]").uncheck()
    expect(page.locator("#verdict.refer")).to_be_visible()
    assert capped
    assert api.get("/v1/totals").json()["decisions"] == before


@pytest.mark.parametrize("page", TWO, indirect=True, ids=["-".join(one) for one in TWO])
def test_two_officers_approve_what_the_engine_referred(
    page: Page, server: Server, api: httpx.Client, request: pytest.FixtureRequest
) -> None:
    lang = request.node.callspec.params["page"][0]
    above = api.get("/v1/desk/terms").json()["four_eyes_above_yuan"]
    decision = posted(api, referred(api, above))
    page.goto(f"{server.url}/{lang}/desk")
    page.locator("#filter").select_option("unclaimed")
    page.locator(f"#queue [data-id='{decision['decision_id']}']").click()
    page.locator("#claim").click()
    expect(page.locator("#toast.on")).to_be_visible()  # nobody is signed in
    forgive(page, 403)
    officers = page.locator("#officer option")
    page.locator("#officer").select_option(index=1)
    expect(page.locator("#toast")).to_contain_text(officers.nth(1).inner_text())
    page.locator("#claim").click()
    expect(page.locator("#release")).to_be_visible()
    page.locator("#filter").select_option("mine")
    expect(page.locator(f"#queue [data-id='{decision['decision_id']}']")).to_have_count(1)
    page.locator("#filter").select_option("")
    page.locator("#said").fill("The registry was seen on paper.")
    expect(page.locator("button[value=decline]")).to_be_disabled()  # the reason is an approval's
    assert serious(page) == []
    page.locator("button[value=approve]").click()
    expect(page.locator(".events li")).to_have_count(2)
    page.locator("#said").fill("I agree with myself entirely.")
    page.locator("button[value=yes]").click()
    expect(page.locator("#toast")).to_contain_text("expected another officer")
    forgive(page, 409)
    page.locator("#officer").select_option(index=2)
    expect(page.locator("#toast")).to_contain_text(officers.nth(2).inner_text())
    page.locator("#said").fill("I agree: the registry is right.")
    page.locator("button[value=yes]").click()
    expect(page.locator(".events li")).to_have_count(3)
    case = api.get(f"/v1/desk/decisions/{decision['decision_id']}").json()
    assert (case["status"], case["verdict"]) == ("signed", "approve")
    assert case["reason_code"] == "D-VERIFIED"
    page.locator("#dispute-box summary").click()
    page.locator("#objection").fill("The electricity bill is another firm's.")
    page.locator("#disputed").select_option("electricity")
    page.locator("#dispute-box button").click()
    expect(page.locator(".events li")).to_have_count(4)
    page.locator("#replay").click()
    expect(page.locator("#case-body .ok")).to_be_visible()
    page.locator("#find").fill(decision["decision_id"])
    expect(page.locator("#found tbody tr")).to_have_count(1)
    page.locator("#verify").click()
    expect(page.locator("#verified .ok")).to_be_visible()


@pytest.mark.parametrize("page", TWO, indirect=True, ids=["-".join(one) for one in TWO])
def test_a_wrong_datum_is_disputed_corrected_and_decided_anew(
    page: Page, server: Server, api: httpx.Client, request: pytest.FixtureRequest
) -> None:
    lang = request.node.callspec.params["page"][0]
    young, decision = in_arrears(api)
    assert decision["verdict"] == "refer"
    page.goto(f"{server.url}/{lang}/desk")
    page.locator("#officer").select_option(index=1)
    page.locator(f"#queue [data-id='{decision['decision_id']}']").click()
    page.locator("#dispute-box summary").click()
    page.locator("#disputed").select_option("tax")
    page.locator("#disputed-field").fill("arrears_yuan")
    page.locator("#right").fill("0")
    expect(page.locator("#dispute-box small")).to_contain_text("9000")
    page.locator("#objection").fill("The arrears were paid in May.")
    page.locator("#dispute-box button").click()
    expect(page.locator(".events li")).to_have_count(1)
    page.locator("#case-body form textarea").first.fill("The receipt of the bureau was seen.")
    page.locator("button[value=yes]").click()
    expect(page.locator(".events li")).to_have_count(2)
    page.locator("#evidence-box summary").click()
    page.locator("#what").fill("The arrears are gone.")
    page.locator("#file").fill("{")
    page.locator("#evidence-box button").click()
    expect(page.locator("#toast.on")).to_contain_text("JSON")
    young["credit_file"]["tax"]["arrears_yuan"] = 0.0
    page.locator("#file").fill(json.dumps(young["credit_file"]))
    page.locator("#evidence-box button").click()
    expect(page.locator(".events li")).to_have_count(3)
    assert serious(page) == []
    page.locator(".events li a").click()
    expect(page.locator(".verdict-box.approve")).to_be_visible()
    again = page.url.rsplit("/", 1)[1]
    assert api.get(f"/v1/desk/decisions/{again}").json()["decides_again"] == decision["decision_id"]


def test_a_person_is_asked_for_and_finds_the_case_in_the_queue(
    page: Page, server: Server, api: httpx.Client
) -> None:
    decision = posted(api, api.get("/v1/firms/mask-maker-judgment").content)
    page.goto(f"{server.url}/en/desk")
    page.locator("#officer").select_option(index=1)
    page.locator("#find").fill(decision["decision_id"])
    expect(page.locator("#found tbody tr")).to_have_count(1)
    page.locator("#found button").click()
    page.locator("#person-box summary").click()
    page.locator("#asks").fill("The enforcement was lifted in May.")
    page.locator("#person-box button").click()
    waiting = page.locator(f"#queue [data-id='{decision['decision_id']}']")
    expect(waiting).to_contain_text("person asked for")
    page.locator("#claim").click()
    page.locator("#said").fill("The enforcement is still in force.")
    page.locator("button[value=decline]").click()
    expect(page.locator("#status")).to_have_text("to sign")


def test_a_pasted_firm_with_a_hostile_name_is_text(
    page: Page, server: Server, api: httpx.Client
) -> None:
    name = "<img src=x onerror=alert(1)>{{7*7}}</script>"
    young = json.loads(api.get("/v1/firms/young-shop").content)
    young["credit_file"]["registry"]["name"] = name
    page.goto(f"{server.url}/en/")
    page.locator("#any-json summary").click()
    page.locator("#json").fill(json.dumps(young))
    page.locator("#use-json").click()
    expect(page.locator("#chosen")).to_have_text(name)
    page.locator("#send").click()
    expect(page.locator("#verdict.approve")).to_be_visible()
    page.locator("#open").click()
    for path in ("decision", "portrait", "what-if"):
        page.goto(f"{server.url}/en/{path}")
        expect(page.locator("bdi").first).to_have_text(name)
        assert page.locator("img[src=x]").count() == 0
    page.goto(f"{server.url}/en/desk")
    expect(page.locator("#found")).to_contain_text(name)
    assert page.locator("img[src=x]").count() == 0


def test_any_firm_of_the_world_can_be_chosen_and_its_sources_light_up(
    page: Page, server: Server, api: httpx.Client
) -> None:
    page.goto(f"{server.url}/zh/")
    page.locator("#any-firm summary").click()
    first = page.locator("#firms .firm").first
    first.click()
    expect(page.locator("#chosen")).not_to_be_empty()
    page.locator("#send").click()
    expect(page.locator("#open")).to_be_visible()
    decision_id = page.locator("#outcome").get_attribute("data-decision")
    answers = api.get(f"/v1/decisions/{decision_id}").json()["gathering"]["answers"]
    lit = {one["source"] for one in answers if one["status"] == "live"}
    assert lit, "its sources were asked by the server"
    boxes = page.locator(".consent.lit")
    assert {box.get_attribute("data-source") for box in boxes.all()} == lit
    assert all("s" in text for text in boxes.locator("small").all_inner_texts())


def test_the_cut_off_can_be_dragged(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/en/concept")
    drawn(page, "#ladder", "#frontier")
    was = page.locator("#at-cut").inner_text()
    page.locator("#cut").focus()
    page.keyboard.press("End")
    expect(page.locator("#at-cut")).not_to_have_text(was)
    expect(page.locator("#at-cut")).to_contain_text("100.0 %")


def test_a_benchmark_is_started_and_its_figures_are_told(page: Page, server: Server) -> None:
    """What a benchmark reports, as its own record would; the benchmark itself takes a minute."""
    figure = Figure(
        key="closed 16", name="closed loop, 16 connections", side="ours", clock="C2", per_s=1500.4,
        latency=summarise(array("q", [2_000_000] * 50)), errors=0, ratio=15.2, ratio_of="per_s",
        rounds=[],
    )  # fmt: skip
    machine = Machine("a processor", 2, 24.0, "a kernel", "3.11", 0.1)
    report = Report(machine, {}, "In turns.", 1500.0, 750.0, [figure], [], Ratios(50.0, 15.2))
    state = msgspec.json.encode({"running": False, "seconds": 50.0, "report": report})
    pressed: list[str] = []
    page.route(
        "**/v1/benchmarks",
        lambda route: (pressed.append(route.request.method),
                       route.fulfill(body=state, content_type="application/json")),
    )  # fmt: skip
    page.goto(f"{server.url}/en/speed")
    page.locator("#measure").click()
    expect(page.locator("#figures tbody tr")).to_have_count(1)
    row = page.locator("#figures tbody tr").inner_text()
    for told in ("C2 closed loop, 16 connections", "1,500", "2.00 ms", "15 ×"):
        assert told in row
    assert "POST" in pressed


def test_language_and_theme_are_kept(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/en/concept")
    page.locator(".only-light").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.locator("[hreflang=zh]").click()
    expect(page).to_have_url(f"{server.url}/zh/concept")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    kept = {one["name"]: one for one in page.context.cookies()}
    assert all(one["httpOnly"] and one["sameSite"] == "Strict" for one in kept.values())
    assert set(kept) == {"theme", "yidaitong"}


def test_the_pages_fit_a_phone(page: Page, server: Server) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for path in (*PLAIN, *OF_A_DECISION):
        page.goto(f"{server.url}/zh/{path}")
        drawn(page, *CHARTS.get(path, ()))
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
