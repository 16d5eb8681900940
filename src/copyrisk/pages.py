"""Pages in the report's style: HTML files that open from disk and ask the network for nothing."""

import base64
import hashlib
from functools import lru_cache
from importlib.resources import files
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


@lru_cache
def environment(room: str) -> Environment:
    """Return the templates of a room, a folder in the package, with `shared.html`, which all pages begin with.

    Text from outside is escaped wherever it appears.
    """
    return Environment(
        loader=ChoiceLoader([PackageLoader("copyrisk", room), PackageLoader("copyrisk", "report")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def asset(room: str, name: str) -> Markup:
    """Return a style or script of a room."""
    return Markup(files("copyrisk").joinpath(room, name).read_text(encoding="utf-8"))


def render(
    templates: Environment,
    template: str,
    style: Markup = Markup(),  # noqa: B008 - it cannot change
    script: Markup | None = None,
    pictures: bool = True,
    **values: Any,
) -> str:
    """Return a page as text: a template with `values`, the report's style with `style` after it, and a script.

    Its content security policy allows this style, this script and, with `pictures`, pictures inside the page.
    """
    style = asset("report", "report.css") + style
    policy = ["default-src 'none'", *(["img-src data:"] if pictures else []), f"style-src {_hash(style)}"]
    if script is not None:
        policy.append(f"script-src {_hash(script)}")
        values["script"] = script
    html = templates.get_template(template).render(style=style, policy="; ".join(policy), **values)
    # File names may hold bytes that are no text; as lone surrogates they could not be written to disk.
    return html.encode("utf-8", "replace").decode()


def count(number: int, one: str, many: str) -> str:
    """Return `1 image` or `1,234 images`."""
    return f"{number:,} {one if number == 1 else many}"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
