"""Commands over API keys: make one, list them, take one back."""

from pathlib import Path
from typing import Annotated

import typer

from service.options import out, settings_of

app = typer.Typer(no_args_is_help=True, help="Make, list and take back API keys.")
File = Annotated[Path | None, typer.Option("--keys", help="file of the keys")]


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="whose key it is")],
    scope: Annotated[list[str], typer.Option(help="apply, lend, audit, operate; may be repeated")],
    per_minute: Annotated[int, typer.Option(min=1, help="requests a minute")] = 600,
    keys: File = None,
) -> None:
    """Make a key and print it: now and never again. With one key the door is shut to all others."""
    from service.keys import Keys

    key, token = Keys(settings_of(keys=keys).keys).add(name, scope, per_minute)
    out.print(f"{token}\n{key.key_id}  {key.name}: {', '.join(key.scopes)}", soft_wrap=True)


@app.command("list")
def list_keys(keys: File = None) -> None:
    """List the keys, also those taken back."""
    from service.keys import Keys

    for key in Keys(settings_of(keys=keys).keys).list():
        state = f"revoked {key.revoked_at:%F}" if key.revoked_at else f"made {key.made_at:%F}"
        may = f"{', '.join(key.scopes)}, {key.per_minute} a minute"
        out.print(f"{key.key_id}  {key.name}: {may}, {state}", soft_wrap=True, markup=False)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="number of the key, as listed")],
    keys: File = None,
) -> None:
    """Take a key back; a running server lets it in for a second at most."""
    from service.keys import Keys

    key = Keys(settings_of(keys=keys).keys).revoke(key_id)
    out.print(f"{key.key_id}  {key.name}: revoked")
