"""What several rooms need: pictures that nobody has seen, and a collection of them."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image


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
