"""What several rooms need: pictures that nobody has seen, a collection of them, and a browser."""

import io
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


@pytest.fixture
def picture() -> Callable[[int], bytes]:
    """Give a PNG of 16 × 16 pixels of noise for a seed."""

    def png(seed: int) -> bytes:
        pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        return buffer.getvalue()

    return png


@pytest.fixture
def collection(tmp_path: Path, picture: Callable[[int], bytes]) -> Callable[[str, Sequence[tuple[int, str]]], Path]:
    """Write `NAME.parquet` with a row for each (seed of the picture, caption); ids are 0, 1, 2, ..."""

    def write(name: str, rows: Sequence[tuple[int, str]]) -> Path:
        path = tmp_path / f"{name}.parquet"
        columns = {
            "id": [str(position) for position in range(len(rows))],
            "image": [picture(seed) for seed, _ in rows],
            "caption": [caption for _, caption in rows],
        }
        pq.write_table(pa.table(columns), path)
        return path

    return write


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if BROWSER is None:
        reason = "neither chromium nor google-chrome is installed"
        if os.environ.get("COPYRISK_REQUIRE_BROWSER") == "1":
            pytest.fail(f"COPYRISK_REQUIRE_BROWSER=1, but {reason}")
        pytest.skip(f"{reason}; set COPYRISK_REQUIRE_BROWSER=1 to make this a failure")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=BROWSER, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def open_file(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open a page from disk as a reader does; afterwards nothing may have been requested or complained about.

    schemes: of what it may ask for.
    """
    contexts, requests, complaints = [], [], []

    def open_(
        file: Path, viewport: dict[str, int], schemes: tuple[str, ...] = ("file:", "data:"), **context: Any
    ) -> Any:
        contexts.append(browser.new_context(viewport=viewport, **context))
        page = contexts[-1].new_page()
        page.on("request", lambda request: requests.append((request.url, schemes)))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(file.as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()
    assert [url for url, schemes in requests if not url.startswith(schemes)] == []
    assert complaints == []


@pytest.fixture
def look_over() -> Callable[..., None]:
    """Check that a page fits its window, shows so many pictures, and is accessible."""

    def look(page: Any, viewport: dict[str, int], pictures: int) -> None:
        from axe_playwright_python.sync_playwright import Axe

        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        shown = "[...document.images].every(image => image.complete && image.naturalWidth > 0)"
        assert page.evaluate(shown) and page.evaluate("document.images.length") == pictures
        found = Axe().run(page)
        assert [each["id"] for each in found.response["violations"]] == []

    return look
