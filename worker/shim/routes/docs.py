"""The API documents, and Swagger UI to browse them; its files come from a package, so no internet is needed.

Whoever made the package does not own what it carries. So nothing of it is executed or served but the files that are
named here, and those only where they are what the project itself has released.
"""

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from schemas.documents.openapi import openapi
from worker.config import documents
from worker.runtime.errors import ConfigurationError
from worker.shim.kit.envelope import JSON

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Perps DMA API</title>
  <link rel="stylesheet" href="/docs/assets/swagger-ui.css">
  <link rel="icon" href="/docs/assets/favicon-32x32.png">
</head>
<body>
  <div id="api"></div>
  <script src="/docs/assets/swagger-ui-bundle.js"></script>
  <script src="/docs/start.js"></script>
</body>
</html>
"""

_START = """\
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  displayRequestDuration: true,
  validatorUrl: null,
});
"""

ASSETS: Mapping[str, str] = MappingProxyType(
    {
        "swagger-ui.css": "9e576f8322132c76949da47f9bb53c891373c303ea3a761ff548ffc9de50a98c",
        "swagger-ui-bundle.js": "93b7b0862a80e2786f85b560be7693c2344354ffa7e7e224f850a54349724c31",
        "favicon-32x32.png": "3ed612f41e050ca5e7000cad6f1cbe7e7da39f65fca99c02e99e6591056e5837",
    }
)
"""What is served, by SHA-256: the files of the npm package swagger-ui-dist 5.31.0, checked 2026-11-29.

Its integrity is sha512-zSUTIck02fSga6rc0RZP3b7J7wgHXwLea8ZjgLA3Vgnb8QeOl3Wou2/j5QkzSGeoz6HusP/coYuJl33aQxQZpg==
"""

_FOLDER = "vendor/swagger-ui-5.31.0"

_ONLY_FROM_HERE = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}
"""The browser itself then refuses anything from elsewhere."""


@cache
def _openapi_json() -> bytes:
    return orjson.dumps(openapi())


def _fixed(path: str, content: str | bytes, media_type: str, headers: dict[str, str] | None = None) -> Route:
    async def endpoint(_: Request) -> Response:
        return Response(content, headers=headers, media_type=media_type)

    return Route(path, endpoint)


def released(folder: Path) -> Path:
    """The folder, if its files are as they were released. Raises ConfigurationError."""
    for name, digest in ASSETS.items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
            raise ConfigurationError(f"{folder / name} is not the file of Swagger UI's release; install it anew")
    return folder


class _Assets(StaticFiles):
    """The files that are named, and no others of their folder."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        if path not in ASSETS:
            raise HTTPException(404)
        return await super().get_response(path, scope)


def _swagger_ui() -> Path:
    found = find_spec("swagger_ui_bundle")  # found, not imported
    (place,) = (found and found.submodule_search_locations) or [""]
    return released(Path(place) / _FOLDER)


def document_routes() -> list[BaseRoute]:
    """`/openapi.json`, `/asyncapi.yaml`, and `/docs`."""
    return [
        _fixed("/openapi.json", _openapi_json(), JSON),
        _fixed("/asyncapi.yaml", documents.read("asyncapi.yaml"), "application/yaml"),
        _fixed("/docs", _PAGE, "text/html", _ONLY_FROM_HERE),
        _fixed("/docs/start.js", _START, "text/javascript"),
        Mount("/docs/assets", _Assets(directory=_swagger_ui())),
    ]
