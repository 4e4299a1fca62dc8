"""What a working server opens and imports: `python -m tests.opened ARTIFACT FOLDER APPLICATION`.

An audit hook sees every import, every file opened and every class that a pickle asks for, from the
first line on. Prints them as JSON.
"""

import json
import sys
from pathlib import Path
from typing import Any

seen: dict[str, set[str]] = {"import": set(), "open": set(), "pickle.find_class": set()}


def look(event: str, args: tuple[Any, ...]) -> None:
    if event in seen:
        seen[event].add(str(args[0]))


def main() -> None:
    sys.addaudithook(look)

    import httpx

    from service.options import load_engine
    from service.settings import Settings
    from tests.in_process import JSON, talking

    artifact, folder, application = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
    settings = Settings(
        artifact=artifact, ledger=f"sqlite:///{folder / 'ledger.db'}", showcase=folder / "none",
        keys=folder / "keys.json",
    )  # fmt: skip
    body = application.read_bytes()

    async def talk(client: httpx.AsyncClient) -> None:
        made = await client.post("/v1/decisions", content=body, headers=JSON)
        at = f"/v1/decisions/{made.json()['decision_id']}"
        await client.post(f"{at}/replay", headers=JSON)
        for path in (at, f"{at}/notice", "/readyz", "/metrics", "/openapi.json", "/zh/"):
            (await client.get(path)).raise_for_status()
        for path in ("/v1/recourse", "/v1/previews"):
            (await client.post(path, content=body, headers=JSON)).raise_for_status()

    talking(settings, load_engine(artifact), talk)
    sys.stdout.write(json.dumps({event: sorted(names) for event, names in seen.items()}))


if __name__ == "__main__":
    main()
