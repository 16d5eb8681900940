"""A sample audit: the facts as the run writes them, with the pictures that belong to them."""

import json
from collections.abc import Callable, Iterator
from importlib.resources import files
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
        "withheld": 0,
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
        "share": None,
        "changes": None,
        "copies_of_this": max(1, 9 - index // 6),
    }


def bounds(estimate: float, low: float, high: float) -> dict[str, float]:
    return {"estimate": estimate, "low": low, "high": high}


def law() -> dict[str, Any]:
    """A law that rises from 1 % to 79 % between one and sixteen occurrences."""
    levels = [1, 2, 3, 4, 6, 8, 11, 16]
    shares = [0.01 + 0.99 / (1 + (10 / level) ** 2.8) for level in levels]
    return {
        "half_point": bounds(10.0, 8.04, 12.7),
        "slope": bounds(2.8, 1.9, 3.9),
        "floor": bounds(0.01, 0.002, 0.03),
        "tries": 16,
        "curve": [
            {
                "multiplicity": level,
                "regurgitation": bounds(share, share * 0.7, min(1.0, share * 1.2)),
                "extraction": bounds(min(1.0, share * 2), share, min(1.0, share * 3)),
            }
            for level, share in zip(levels, shares, strict=True)
        ],
        "spill": bounds(0.03, 0.02, 0.045),
        "caps": [
            {
                "cap": None,
                "rate": bounds(0.213, 0.162, 0.269),
                "rate_same_steps": bounds(0.213, 0.162, 0.269),
                "pictures": 0,
                "removed": 0,
            },
            {
                "cap": 8,
                "rate": bounds(0.121, 0.09, 0.16),
                "rate_same_steps": bounds(0.121, 0.09, 0.16),
                "pictures": 10,
                "removed": 41,
            },
            {
                "cap": 1,
                "rate": bounds(0.011, 0.003, 0.031),
                "rate_same_steps": bounds(0.011, 0.003, 0.031),
                "pictures": 70,
                "removed": 825,
            },
        ],
    }


def comparison(advice: str, followed: int, ignored: int, verdict: str) -> dict[str, Any]:
    return {
        "advice": advice,
        "followed": rate(followed, 800, "prompts", 50),
        "ignored": rate(ignored, 800, "prompts", 50),
        "difference": (followed - ignored) / 800,
        "difference_low": -0.31,
        "difference_high": 0.11,
        "ratio": followed / ignored,
        "ratio_low": 0.2345,
        "ratio_high": 0.8765,
        "verdict": verdict,
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
            "corrected": rate(341, 1600, "prompts", 100) | {"estimate": 0.208, "low": 0.151, "high": 0.266},
            "withheld": None,
        },
        "test": {
            "name": "ratio",
            "threshold": 1.0,
            "calibration": None,
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
            "other_generations": 0,
            "withheld": 0,
            "failed_generations": 4,
        },
        "strata": [
            stratum("1", 1, 1, 30, 0, 0),
            stratum("2", 2, 2, 25, 3, 9),
            stratum("3–4", 3, 4, 20, 8, 47),
            stratum("5–8", 5, 8, 15, 13, 112),
            stratum("9–16", 9, 16, 10, 10, 129),
        ],
        "design": {"generations": 16, "budget": None, "precision": None, "complete": True, "prompts_file": None},
        "use": {
            "at_least_one": [
                {"images": 1, **bounds(0.213, 0.162, 0.269)},
                {"images": 10, **bounds(0.909, 0.829, 0.957)},
                {"images": 100, **bounds(1.0, 0.99999, 1.0)},
                {"images": 1000, **bounds(1.0, 1.0, 1.0)},
            ],
            "even_odds": bounds(3, 3, 4),
        },
        "tries": [
            {"tries": 1, **bounds(0.213, 0.162, 0.269)},
            {"tries": 2, **bounds(0.301, 0.22, 0.39)},
            {"tries": 16, **bounds(0.402, 0.31, 0.51)},
        ],
        "law": law(),
        "advice": [
            comparison("Add a style.", 80, 160, "confirmed"),
            comparison("Ask for something abstract.", 160, 80, "refuted"),
            comparison("Prompt as in 'spring'.", 90, 100, "not shown with this many prompts"),
        ],
        "pairs": [pair(index) for index in range(pairs)],
        "prompts": [prompt(index) for index in range(prompts)],
        "prompts_omitted": 0,
        "failures": [{"reason": "the picture is entirely black", "count": 4}],
        "remarks": [],
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


def _violations(value: Any, schema: dict[str, Any], root: dict[str, Any], path: str = "facts") -> Iterator[str]:
    """Check the few words of JSON Schema that ours uses."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    if "anyOf" in schema:
        found = [list(_violations(value, each, root, path)) for each in schema["anyOf"]]
        yield from [] if [] in found else found[0]
        return
    types = {
        "object": dict,
        "array": list,
        "string": str,
        "boolean": bool,
        "null": type(None),
        "integer": int,
        "number": (int, float),
    }
    allowed = schema.get("type", [])
    allowed = [allowed] if isinstance(allowed, str) else allowed
    if allowed and not any(isinstance(value, types[name]) for name in allowed):
        yield f"{path} is {value!r}"
        return
    low, high = schema.get("minimum"), schema.get("maximum")
    if (
        ("enum" in schema and value not in schema["enum"])
        or ("const" in schema and value != schema["const"])
        or (low is not None and value is not None and value < low)
        or (high is not None and value is not None and value > high)
    ):
        yield f"{path} is {value!r}"
    if isinstance(value, dict):
        known = schema.get("properties", {})
        yield from (f"{path} lacks {key}" for key in schema.get("required", []) if key not in value)
        for key, each in value.items():
            if key in known:
                yield from _violations(each, known[key], root, f"{path}.{key}")
            elif schema.get("additionalProperties") is False:
                yield f"{path}.{key} is not in the schema"
    if isinstance(value, list) and "items" in schema:
        for index, each in enumerate(value):
            yield from _violations(each, schema["items"], root, f"{path}[{index}]")


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


@pytest.fixture
def violations() -> Callable[[dict[str, Any]], list[str]]:
    """List where facts differ from `report.schema.json`."""
    schema = json.loads(files("copyrisk.report").joinpath("report.schema.json").read_text(encoding="utf-8"))
    return lambda facts: list(_violations(facts, schema, schema))
