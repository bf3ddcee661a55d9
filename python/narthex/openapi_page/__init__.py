"""The page that shows the OpenAPI document and tries it: Swagger UI, from files that are in the wheel.

``page`` says which file is where; the native half serves them. Not here: the document itself, which is made there.
"""

import html
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

OURS: Final = Path(__file__).parent
SWAGGER_UI: Final = OURS / "swagger-ui"
"""What scripts/swagger_ui.py puts there before the wheel is made."""

JAVASCRIPT: Final = "text/javascript; charset=utf-8"
ASSETS: Final = (
    (OURS / "page.js", JAVASCRIPT),
    (SWAGGER_UI / "swagger-ui-bundle.js", JAVASCRIPT),
    (SWAGGER_UI / "swagger-ui.css", "text/css; charset=utf-8"),
)

# Nothing is fetched from elsewhere, and nothing is sent there. The icons of Swagger UI are in its styles.
POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)


@dataclass(frozen=True, slots=True)
class Page:
    """The page with all that it is made of."""

    policy: str
    """What a browser lets it do."""
    files: tuple[tuple[str, str, bytes], ...]
    """Where each is served, its media type and its content."""


def page(path: str, document: str) -> Page:
    """The page at ``path`` for the document at ``document``.

    Raises:
        FileNotFoundError: the wheel was made without Swagger UI.
    """
    folder = path if path.endswith("/") else path + "/"
    assets = ((folder + file.name, media_type, file.read_bytes()) for file, media_type in ASSETS)
    # Relative, so that a proxy may put all of it below a prefix; with a dot, since the first segment may have a colon.
    names = {
        "assets": "./" + folder[path.rindex("/") + 1 :],
        "document": "./" + "../" * (path.count("/") - 1) + document.removeprefix("/"),
    }
    shown = Template((OURS / "page.html").read_text(encoding="utf-8"))
    text = shown.substitute({name: html.escape(value) for name, value in names.items()})
    return Page(POLICY, ((path, "text/html; charset=utf-8", text.encode()), *assets))
