"""The API documents, and Swagger UI to browse them; its files come from a package, so no internet is needed."""

from functools import cache
from pathlib import Path

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from swagger_ui_bundle import swagger_ui_path  # type: ignore[import-untyped]

from schemas.openapi import openapi
from worker.config import documents
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


def document_routes() -> list[BaseRoute]:
    """`/openapi.json`, `/asyncapi.yaml`, and `/docs`."""
    return [
        _fixed("/openapi.json", _openapi_json(), JSON),
        _fixed("/asyncapi.yaml", documents.read("asyncapi.yaml"), "application/yaml"),
        _fixed("/docs", _PAGE, "text/html", _ONLY_FROM_HERE),
        _fixed("/docs/start.js", _START, "text/javascript"),
        Mount("/docs/assets", StaticFiles(directory=Path(str(swagger_ui_path)))),
    ]
