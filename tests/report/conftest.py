"""A sample audit: the facts as the run writes them, with the pictures that belong to them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from copyrisk.report.pictures import Pair


def rate(successes: int, trials: int, unit: str, units: int | None = None) -> dict[str, Any]:
    units = trials if units is None else units
    share = successes / trials if trials else 0.0
    margin = 1.96 * (max(share * (1 - share), 0.05) / max(units, 1)) ** 0.5
    return {
        "estimate": share,
        "low": max(0.0, share - margin) if successes else 0.0,
        "high": min(1.0, share + margin) if successes else min(1.0, 3.7 / max(units, 1)),
        "confidence": 0.95,
        "successes": successes,
        "trials": trials,
        "unit": unit,
        "units": units,
    }


def stratum(label: str, low: int | None, high: int | None, pictures: int, found: int, copies: int) -> dict[str, Any]:
    return {
        "stratum": label,
        "multiplicity_low": low,
        "multiplicity_high": high,
        "weight": 0.2,
        "pictures": pictures,
        "pictures_extracted": found,
        "prompts": pictures,
        "generations": 16 * pictures,
        "copies": copies,
        "regurgitation": rate(copies, 16 * pictures, "prompts", pictures),
        "extraction": rate(found, pictures, "pictures"),
    }


def prompt(index: int) -> dict[str, Any]:
    label, low, mean = [("1", 1, 0), ("2", 2, 0), ("3–4", 3, 1), ("5–8", 6, 4), ("9–16", 12, 10)][index % 5]
    control = index % 6 == 5
    copies = 0 if control else min(16, max(0, mean + index % 3 - 1))
    return {
        "prompt": f"a handwritten digit {index % 10}, sheet {index}, blue ink on lined paper",
        "role": "control" if control else "reference",
        "stratum": "controls" if control else label,
        "multiplicity": None if control else low,
        "generations": 16,
        "copies": copies,
        "regurgitation": rate(copies, 16, "generations"),
        "nearest_statistic": round(1.9 - copies / 9 + (index % 7) / 50, 4),
        "nearest_reference": f"digits/{index:05d}.png",
    }


def pair(index: int) -> dict[str, Any]:
    statistic = 0.31 + 0.018 * index
    return {
        "generation_id": f"p{index:04d}-s{index % 16:02d}",
        "prompt": f"a handwritten digit {index % 10}, sheet {index}, blue ink on lined paper",
        "seed": 4_000_000_000 + index,
        "reference": f"digits/{index:05d}.png",
        "multiplicity": 16 - index % 12,
        "distance": 0.021 + 0.0013 * index,
        "statistic": statistic,
        "verdict": "copy" if statistic <= 1 else "no copy",
        "copies_of_this": max(1, 9 - index // 6),
    }


def sample_facts(pairs: int = 30, prompts: int = 120) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "copyrisk_version": "0.1.0",
        "created": "2026-11-24T18:00:00+00:00",
        "model": {"specifier": "diffusers:./digits-model", "fingerprint": "3b7d" * 16, "conditional": True},
        "answer": {
            "sentence": "About 1 in 5 generated pictures is a copy of a reference image (21.3 %; 95 % interval 16.2 % "
            "to 26.9 %). Pictures that the training set holds once or twice came back rarely; those it holds nine "
            "times or more came back most of the time.",
            "verdict": "copies",
            "regurgitation": rate(341, 1600, "prompts", 100),
            "extraction": rate(38, 100, "pictures"),
            "controls": rate(1, 320, "prompts", 20),
        },
        "test": {
            "name": "ratio",
            "threshold": 1.0,
            "statistic": "the distance to the nearest reference, divided by half the mean distance between that "
            "reference and its 50 nearest neighbours",
            "source": "Carlini et al. 2023, section 5.1",
            "descriptor": "pixels:32",
        },
        "counts": {
            "references": 1437,
            "pictures": 612,
            "controls": 180,
            "control_pictures_dropped": 3,
            "unreadable": 2,
            "prompts": 120,
            "generations": 1920,
            "copies": 341,
            "failed_generations": 4,
        },
        "strata": [
            stratum("1", 1, 1, 30, 0, 0),
            stratum("2", 2, 2, 25, 3, 9),
            stratum("3–4", 3, 4, 20, 8, 47),
            stratum("5–8", 5, 8, 15, 13, 112),
            stratum("9–16", 9, 16, 10, 10, 129),
        ],
        "pairs": [pair(index) for index in range(pairs)],
        "prompts": [prompt(index) for index in range(prompts)],
        "prompts_omitted": 0,
        "unreadable": [
            {"source": "digits/00911.png", "reason": "the file ends too early"},
            {"source": "digits/notes.txt.jpg", "reason": "not an image"},
        ],
        "notes": ["4 generations failed and were left out.", "3 controls were near-identical to references: dropped."],
        "options": {
            "model": "diffusers:./digits-model",
            "references": "./digits",
            "test": "ratio",
            "threshold": None,
            "generations": 16,
            "trust_remote_code": False,
        },
        "command": "copyrisk audit --model diffusers:./digits-model --references ./digits --controls ./held-out "
        "--test ratio --generations 16 --out ./run",
        "stages": [
            {"stage": "index", "seconds": 4.21, "rows": 1617, "key": "9f2c" * 16},
            {"stage": "generate", "seconds": 812.5, "rows": 1920, "key": "77ab" * 16},
            {"stage": "match", "seconds": 9730.0, "rows": 1920, "key": "01de" * 16},
        ],
        "versions": {"copyrisk": "0.1.0", "python": "3.11.7", "numpy": "2.4.6", "torch": "2.9.0"},
        "truth": {
            "title": "Check against planted copies",
            "sentence": "Here the truth is known: the audit found 36 of the 38 pictures that the model was made to "
            "memorize.",
            "columns": ["Multiplicity", "Planted", "Found", "Sensitivity"],
            "rows": [["3–4", 8, 7, 0.875], ["5–8", 14, 13, 0.9286], ["9–16", 16, 16, 1.0]],
        },
    }


def sample_pictures(count: int, side: int = 8) -> list[Pair]:
    """Digits as references; each generation is its reference with more and more noise."""
    digits, noise = load_digits().images, np.random.default_rng(0)
    pairs = []
    for index in range(count):
        clean = digits[index] * 255 / 16
        dirty = clean + noise.normal(0, 6 + 2 * index, clean.shape)
        images = [Image.fromarray(np.clip(each, 0, 255).astype(np.uint8)) for each in (dirty, clean)]
        pairs.append(Pair(*(image.resize((side, side), Image.Resampling.BICUBIC) for image in images)))
    return pairs


@pytest.fixture
def make_facts() -> Callable[..., dict[str, Any]]:
    return sample_facts


@pytest.fixture
def facts() -> dict[str, Any]:
    return sample_facts()


@pytest.fixture
def pictures(facts: dict[str, Any]) -> list[Pair]:
    return sample_pictures(len(facts["pairs"]))
