"""The command that changes what running servers decide with, or changes it back: swap."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.options import fail, out
from service.settings import Settings

if TYPE_CHECKING:
    import httpx

app = typer.Typer()
_NAMED = "name in the server's folder of releases, or a version that decided before"


@app.command()
def swap(
    scorecard: Annotated[str | None, typer.Option(help=_NAMED)] = None,
    policy: Annotated[str | None, typer.Option(help=_NAMED)] = None,
    catalogue: Annotated[str | None, typer.Option(help=_NAMED)] = None,
    back: Annotated[bool, typer.Option("--back", help="bring back what decided before")] = False,
    said: Annotated[str, typer.Option(help="why, for the record")] = "",
    server: Annotated[
        list[str] | None, typer.Option(help="URL; repeat it for servers that share no ledger")
    ] = None,
    key: Annotated[
        str | None, typer.Option(envvar="YIDAITONG_KEY", help="API key with the scope operate")
    ] = None,
) -> None:
    """Swap what running servers decide with, or show it; stops at the first that refuses."""
    import httpx

    named = {"scorecard": scorecard, "policy": policy, "catalogue": catalogue}
    wanted = {part: name for part, name in named.items() if name is not None}
    if back and wanted:
        fail("swap: got --back and a part, expected one or the other")
    headers = {"authorization": f"Bearer {key}"} if key else {}
    done: list[str] = []
    with httpx.Client(headers=headers, timeout=60.0) as client:
        for url in server or [f"http://127.0.0.1:{Settings().port}"]:
            try:
                if back or wanted:
                    path = "rollbacks" if back else "swaps"
                    reply = client.post(f"{url}/v1/{path}", json=wanted | {"said": said})
                else:
                    reply = client.get(f"{url}/v1/versions")
            except httpx.HTTPError as error:
                fail(f"{url}: {error}; {_so_far(done)}")
            if reply.is_error:
                fail(f"{url}: {_problem(reply)}; {_so_far(done)}")
            done.append(url)
            out.print(f"{url}  {_told(reply.json())}", soft_wrap=True, markup=False)


def _told(reply: dict[str, Any]) -> str:
    versions = ", ".join(f"{part} {version}" for part, version in reply["versions"].items())
    if "since" in reply:
        how = f"{reply['kind']} {reply['number']}" if reply["number"] else "the settings"
        return f"decides with {versions}; by {how} since {reply['since']} ({reply['by']})"
    return f"{reply['kind']} {reply['number']}: decides with {versions}"


def _problem(reply: "httpx.Response") -> str:
    """What the server said was wrong, in one sentence."""
    try:
        told = reply.json()
        places = [f"{one['value']}: {one['expected']}" for one in told["errors"]]
        return " ".join([told["detail"], *places])
    except (ValueError, KeyError, TypeError):
        return f"answered {reply.status_code}, expected a server of this program"


def _so_far(done: list[str]) -> str:
    return f"done before: {', '.join(done)}" if done else "nothing was changed"
