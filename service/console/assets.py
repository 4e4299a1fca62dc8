"""What the pages fetch besides JSON: style, scripts and the chart library, all from this server.

Everything is under one hash, so that browsers may keep it for ever and never mix versions.
"""

import hashlib
from importlib.util import find_spec
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from service.problem import Problem

FOLDER = Path(__file__).parent / "static"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
CHARTS = "plotly.min.js"
_FOR_EVER = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
}


class Assets:
    """The files of the console, read once."""

    def __init__(self) -> None:
        self._files = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir())}
        self._charts = _charts()
        joined = b"".join(self._files.values()) + str(self._charts.stat().st_size).encode()
        self.base = f"/assets/{hashlib.sha256(joined).hexdigest()[:12]}"

    def route(self) -> Route:
        """Where they are fetched."""
        return Route(f"{self.base}/{{name}}", self._get, methods=["GET"])

    async def _get(self, request: Request) -> Response:
        name = str(request.path_params["name"])
        if name == CHARTS:
            return FileResponse(self._charts, media_type="text/javascript", headers=_FOR_EVER)
        if name not in self._files:
            raise Problem("not-found", 404, f"There is no file {name[:40]!r}.")
        kind = TYPES[Path(name).suffix]
        return Response(self._files[name], media_type=kind, headers=_FOR_EVER)


def _charts() -> Path:
    """Plotly's bundle as its package carries it; the package itself is not imported."""
    found = find_spec("plotly")
    if found is None or found.origin is None:
        raise FileNotFoundError("plotly: not installed; expected the package with its bundle")
    return Path(found.origin).parent / "package_data" / CHARTS
