"""The interactive documentation; nothing of it comes from another host."""

from importlib.resources import as_file, files

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

_STATIC = "/docs/static"


def add_docs_page(app: FastAPI) -> None:
    """Serves Swagger UI at /docs, with the files that `fastapi-offline` brings."""
    with as_file(files("fastapi_offline") / "static") as directory:
        app.mount(_STATIC, StaticFiles(directory=directory))

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=app.title,
            swagger_js_url=f"{_STATIC}/swagger-ui-bundle.js",
            swagger_css_url=f"{_STATIC}/swagger-ui.css",
            swagger_favicon_url=f"{_STATIC}/favicon.png",
        )
