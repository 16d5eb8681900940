"""A generator that copies given pictures with known probabilities, to check the whole chain from images to interval.

`python:copyrisk.testbed.simulated:make` is it on the command line. It reads the TOML file that the environment variable
`COPYRISK_SIMULATED` names, else `simulated.toml` in the current folder:

    references = "train"                # as --references; paths are relative to this file
    probability = 0.05                  # that a generation from a reference's caption is a copy of it
    probabilities = "known.csv"         # or for each prompt: columns prompt, probability and, if wanted, reference (its
                                        # id); a prompt may have a line for each of several references
    others = "unseen"                   # what is not a copy looks like these; blends of references where not given
    strength = 1.0                      # of the disturbance; at 0 copies are exact
    side = 8                            # width and height of the generations; those of the first reference if not given
    conditional = true                  # false: it takes no prompt, and copies references chosen at random

`Simulated` is the same thing made from arrays. Every generation depends on its prompt and seed alone.
"""

import os
import tomllib
from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from scipy.special import ndtri

from copyrisk.collections import open_collection
from copyrisk.collections.captions import read_metadata
from copyrisk.collections.decode import decode
from copyrisk.errors import UnreadableImage, UserError
from copyrisk.files import read_table
from copyrisk.run import log

VARIABLE = "COPYRISK_SIMULATED"
FILE = "simulated.toml"
KEYS = ("references", "probability", "probabilities", "others", "strength", "side", "conditional")

CONTRAST, BRIGHTNESS, SMOOTH, FINE = 0.03, 3.0, 5.0, 9.0
"""Standard deviations of a disturbance of strength 1: of the contrast's factor, and in levels of 255.

Near those of the copies that a trained testbed gives (1,144 of the demo's: contrast 0.97 ± 0.03, brightness +3 ± 3, the
rest 10 levels in the median, between 1 and 27, correlated 0.15 with the next pixel's). There as here some copies are
nearly exact and some are poor: the noise of a generation has a level of its own, between none and twice these values.
"""
GRID = 3
"""Smooth noise is drawn on a grid of GRID × GRID points and interpolated linearly."""
BLEND = np.array([0.5, 0.3, 0.2], np.float32)
"""Shares of the mirrored references in a picture that is not a copy."""

# Which numbers of a generation's random sequence decide what.
COPY, SOURCE, LEVEL, TONE, NOISE = 0, 1, 7, 8, 10

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Keys = NDArray[np.uint64]


class Simulated:
    """A generator of known probabilities; call it with prompts and seeds, as any `python:` model is called."""

    def __init__(
        self,
        references: Pixels,
        prompts: Sequence[str],
        probabilities: ArrayLike,
        rows: ArrayLike | None = None,
        others: Pixels | None = None,
        strength: float = 1.0,
        conditional: bool = True,
    ):
        """Copy `references[rows[i]]` with probability `probabilities[i]` where the prompt is `prompts[i]`.

        references: (n, height, width, channels) in uint8, 1 or 3 channels. rows: 0, 1, 2, ... where not given. A prompt
        may occur several times, with a picture each; its probabilities sum to at most 1. A prompt that does not occur
        is never answered with a copy. others: (m, height, width, channels); what is not a copy is one of them,
        disturbed likewise; where not given it is a blend of three mirrored references with the contrast of one.

        Raises UserError where a probability or the strength is out of bounds.
        """
        self.references = references
        self.others = others
        self.strength = strength
        self.conditional = conditional
        self.batch_size = 512
        self.numbers: dict[str, int] = {}
        codes = np.array([self.numbers.setdefault(prompt, len(self.numbers)) for prompt in prompts], np.int64)
        order = np.argsort(codes, kind="stable")
        chosen = np.asarray(probabilities, np.float64)
        if not (strength >= 0 and bool((chosen >= 0).all())):
            raise UserError("A simulated generator needs probabilities and a strength of at least 0.")
        self.codes = codes[order]
        self.rows = np.asarray(np.arange(len(codes)) if rows is None else rows, np.int64)[order]
        self.shares = chosen[order]
        self.totals = np.bincount(codes, chosen, len(self.numbers))
        if (self.totals > 1 + 1e-9).any():
            worst = list(self.numbers)[int(self.totals.argmax())]
            raise UserError(f"The probabilities of the prompt '{worst}' sum to {self.totals.max():g}; 1 is the most.")
        # Prompt c owns the line from c to c + 1; each of its pictures owns a stretch as long as its probability.
        before = np.concatenate([[0.0], np.cumsum(self.totals)[:-1]])
        self.ends = self.codes + np.cumsum(self.shares) - before[self.codes] if len(codes) else np.zeros(0)
        self.hashes = np.array([_hash(prompt) for prompt in self.numbers], np.uint64)

    def __call__(self, prompts: Sequence[str], seeds: Sequence[int]) -> Pixels:
        """Make one picture for each prompt and seed: (generations, height, width, channels) in uint8."""
        codes, keys = self._keys(prompts, seeds)
        rows = self._copied(codes, keys)
        pictures = np.empty((len(rows), *self.references.shape[1:]), np.float32)
        pictures[rows >= 0] = self.references[rows[rows >= 0]]
        pictures[rows < 0] = self._new(keys[rows < 0])
        return self._disturbed(pictures, keys)

    @property
    def fingerprint(self) -> str:
        """A text that changes with the pictures, the prompts and their probabilities."""
        arrays = [self.references, self.rows, self.shares, self.hashes, *([] if self.others is None else [self.others])]
        found = blake2b(repr((self.strength, self.conditional)).encode(), digest_size=16)
        for array in arrays:
            found.update(np.ascontiguousarray(array).data)
        return found.hexdigest()

    def copied(self, prompts: Sequence[str], seeds: Sequence[int]) -> NDArray[np.int64]:
        """Return which reference each generation is a copy of, -1 for none."""
        return self._copied(*self._keys(prompts, seeds))

    def probability(self, prompts: Sequence[str]) -> NDArray[np.float64]:
        """Return the probability that a generation of each prompt is a copy."""
        codes = np.array([self.numbers.get(prompt, -1) for prompt in prompts], np.int64)
        known = np.append(self.totals, 0.0)
        return known[codes]

    def true_rates(
        self,
        prompts: Sequence[str] | None = None,
        strata: Sequence[str] | None = None,
        weights: ArrayLike | None = None,
        generations: int = 1,
    ) -> pd.DataFrame:
        """Return what an audit of these prompts estimates: one row a stratum, and `all`.

        Columns: `name`, `weight`, `regurgitation` (the weighted mean of the prompts' probabilities p) and `extraction`
        (that of 1 − (1 − p)^generations). prompts: all that are known where not given.
        """
        prompts = list(self.numbers) if prompts is None else prompts
        p = self.probability(prompts)
        weight = np.ones(len(p)) if weights is None else np.asarray(weights, np.float64)
        groups = dict(pd.Series(np.arange(len(p))).groupby(list(strata)).indices) if strata is not None else {}
        groups["all"] = np.arange(len(p))
        rows = [
            {
                "name": str(name),
                "weight": float(weight[at].sum()),
                "regurgitation": float(np.average(p[at], weights=weight[at])),
                "extraction": float(np.average(1 - (1 - p[at]) ** generations, weights=weight[at])),
            }
            for name, at in groups.items()
        ]
        return pd.DataFrame(rows)

    def extracted(self, generations: int) -> NDArray[np.float64]:
        """Return the probability that each reference is copied at least once, given `generations` of every prompt."""
        missed = np.ones(len(self.references))
        np.multiply.at(missed, self.rows, (1 - self.shares) ** generations)
        return 1 - missed

    def _keys(self, prompts: Sequence[str], seeds: Sequence[int]) -> tuple[NDArray[np.int64], Keys]:
        """Return the number of each prompt (-1 where unknown) and a random key of each prompt and seed."""
        codes = np.array([self.numbers.get(prompt, -1) for prompt in prompts], np.int64)
        hashes = np.empty(len(codes), np.uint64)
        hashes[codes >= 0] = self.hashes[codes[codes >= 0]]
        hashes[codes < 0] = [_hash(prompt) for prompt in prompts if prompt not in self.numbers]
        return codes, _mixed(hashes ^ _mixed(np.asarray(seeds, np.int64).astype(np.uint64)))

    def _copied(self, codes: NDArray[np.int64], keys: Keys) -> NDArray[np.int64]:
        at = np.searchsorted(self.ends, codes + _uniform(keys, COPY, 1)[:, 0], side="right")
        owner = np.append(self.codes, -2)[at]
        return np.where((owner == codes) & (codes >= 0), np.append(self.rows, -1)[at], -1)

    def _new(self, keys: Keys) -> Floats:
        """Make pictures that are no copies: one of `others` each, or a blend of mirrored references."""
        chance = _uniform(keys, SOURCE, 6)
        if self.others is not None:
            return self.others[(chance[:, 0] * len(self.others)).astype(np.int64)].astype(np.float32)
        blend = np.zeros((len(keys), *self.references.shape[1:]), np.float32)
        contrast = np.ones(len(keys), np.float32)
        for number, share in enumerate(BLEND):
            source = self.references[(chance[:, number] * len(self.references)).astype(np.int64)].astype(np.float32)
            mirror = (chance[:, 3 + number] * 3).astype(np.int64)
            source[mirror != 0] = source[mirror != 0, :, ::-1]
            source[mirror != 1] = source[mirror != 1, ::-1]
            contrast = source.std(axis=(1, 2, 3)) if number == 0 else contrast
            blend += share * source
        # A blend is paler than what it is made of.
        mean, deviation = blend.mean(axis=(1, 2, 3), keepdims=True), blend.std(axis=(1, 2, 3))
        factor = contrast / np.maximum(deviation, 1e-3)
        restored: Floats = mean + (blend - mean) * factor[:, None, None, None]
        return restored.clip(0, 255)

    def _disturbed(self, pictures: Floats, keys: Keys) -> Pixels:
        """Change contrast and brightness a little, add smooth and fine noise, round to whole levels."""
        count, height, width, channels = pictures.shape
        if self.strength > 0 and count:
            contrast, brightness = _normal(keys, TONE, 2).T[..., None, None, None] * np.float32(self.strength)
            coarse = _normal(keys, NOISE, GRID * GRID * channels).reshape(count, GRID, GRID, channels)
            down, across = _interpolation(height), _interpolation(width)
            smooth = np.einsum("hi,nijc,wj->nhwc", down, coarse, across, optimize=True)
            fine = _normal(keys, NOISE + coarse[0].size, pictures[0].size).reshape(pictures.shape)
            mean = pictures.mean(axis=(1, 2, 3), keepdims=True)
            level = (2 * self.strength * _uniform(keys, LEVEL, 1)).astype(np.float32)[..., None, None]
            noise = BRIGHTNESS * brightness + level * (SMOOTH * smooth + FINE * fine)
            pictures = mean + (pictures - mean) * (1 + CONTRAST * contrast) + noise
        return pictures.round().clip(0, 255).astype(np.uint8)


def make() -> Simulated:
    """Make the generator that the file `COPYRISK_SIMULATED` (else `simulated.toml`) describes.

    Raises UserError where the file or what it names is missing or wrong.
    """
    path = Path(os.environ.get(VARIABLE, FILE))
    if not path.is_file():
        raise UserError(f"There is no file {path}. Write {FILE} here, or set {VARIABLE} to the path of such a file.")
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid TOML: {error}.") from None
    unknown = ", ".join(sorted(given.keys() - set(KEYS)))
    if unknown or "references" not in given:
        wrong = f"has the unknown key {unknown}" if unknown else "does not say where the references are"
        raise UserError(f"{path} {wrong}. Its keys are {', '.join(KEYS)}; 'references' is needed.")
    for key, kinds in (("probability", (int, float)), ("strength", (int, float)), ("side", int), ("conditional", bool)):
        if key in given and (not isinstance(given[key], kinds) or (kinds is not bool and given[key] is True)):
            raise UserError(
                f"{path}: '{key}' is {given[key]!r}, which is no {'true or false' if kinds is bool else 'number'}."
            )
    side = (given["side"],) * 2 if "side" in given else None
    ids, captions, references = _load(path, given["references"], side)
    size = (references.shape[2], references.shape[1])
    others = _load(path, given["others"], size)[2] if "others" in given else None
    conditional = given.get("conditional", True)
    if "probabilities" in given:
        entries = _entries(path.parent / given["probabilities"], ids, captions, conditional)
    else:
        named = [(caption, row) for row, caption in enumerate(captions) if caption or not conditional]
        named = named if conditional else [("", row) for _, row in named]
        counts = Counter(prompt for prompt, _ in named)
        entries = [(prompt, row, given.get("probability", 0.1) / counts[prompt]) for prompt, row in named]
    prompts, rows, probabilities = zip(*entries, strict=True) if entries else ((), (), ())
    return Simulated(
        references, prompts, probabilities, rows, others, strength=given.get("strength", 1.0), conditional=conditional
    )


def _load(path: Path, location: str, size: tuple[int, int] | None) -> tuple[list[str], list[str], Pixels]:
    """Read a collection as arrays of one size: ids, captions and pixels."""
    ids, captions, pictures = [], [], []
    for item in open_collection(str(path.parent / location), str(path)).items():
        try:
            picture = decode(item.read())
        except UnreadableImage as error:
            log.warning("%s is left out: %s", item.id, error)
            continue
        size = size or picture.size
        ids.append(item.id)
        captions.append(item.caption)
        pictures.append(np.asarray(picture.resize(size, Image.Resampling.BOX), np.uint8))
    if not pictures:
        raise UserError(f"{path}: none of the images in {location} can be read.")
    return ids, captions, np.stack(pictures)


def _entries(path: Path, ids: list[str], captions: list[str], conditional: bool) -> list[tuple[str, int, float]]:
    """Read the table of probabilities: (prompt, row of the reference, probability)."""
    if not path.is_file():
        raise UserError(f"There is no file {path} of probabilities.")
    lines: list[dict[str, Any]] = read_table(path).to_pylist() if path.suffix == ".parquet" else read_metadata(path)
    row_of = {name: row for row, name in reversed(list(enumerate(ids)))}
    captioned: dict[str, list[int]] = {}
    for row, caption in enumerate(captions):
        captioned.setdefault(caption, []).append(row)
    found = []
    for number, line in enumerate(lines, start=1):
        prompt, reference = str(line.get("prompt") or "") if conditional else "", line.get("reference")
        try:
            probability = float(line["probability"])
        except (KeyError, TypeError, ValueError):
            raise UserError(f"{path}, row {number}: there is no number in the column 'probability'.") from None
        if reference not in (None, "") and str(reference) not in row_of:
            raise UserError(f"{path}, row {number}: there is no reference '{reference}'.")
        rows = [row_of[str(reference)]] if reference not in (None, "") else captioned.get(prompt) if prompt else None
        # A prompt that is nobody's caption gives back a picture of its own, as a memorized one would.
        rows = rows or [_hash(prompt) % len(ids)]
        found += [(prompt, row, probability / len(rows)) for row in rows]
    return found


def _hash(prompt: str) -> int:
    return int.from_bytes(blake2b(prompt.encode(), digest_size=8).digest(), "big")


def _mixed(keys: Keys) -> Keys:
    """Mix the bits of 64-bit keys (SplitMix64: Steele, Lea and Flood 2014, OOPSLA, figure 16)."""
    keys = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    keys = (keys ^ (keys >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return keys ^ (keys >> np.uint64(31))


def _uniform(keys: Keys, start: int, count: int) -> NDArray[np.float64]:
    """Return numbers `start` to `start + count` of each key's sequence, in (0, 1): shape (keys, count)."""
    steps = np.arange(start + 1, start + count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    bits = (_mixed(keys[:, None] + steps) >> np.uint64(12)).astype(np.float64)
    # Half a bit more than 52 bits, so that neither 0 nor 1 occurs.
    return (bits + 0.5) * 2.0**-52


def _normal(keys: Keys, start: int, count: int) -> Floats:
    normal: Floats = ndtri(_uniform(keys, start, count)).astype(np.float32)
    return normal


def _interpolation(side: int) -> Floats:
    """Return the weights of the GRID points for each pixel of a side: shape (side, GRID)."""
    place = np.linspace(0, GRID - 1, side)
    weights: Floats = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(GRID))).astype(np.float32)
    return weights
