"""Do the combined intervals hold? Strata, weights counted on a log, a test with errors, controls, adaptive draws.

Run: python benchmarks/coverage_combined.py [audits a cell, 10,000 by default] [beginning of the cells' names]. The
plain rates have a grid of their own in `coverage.py`. Interval ends use 10,000 draws here in place of 100,000, which
makes their level uncertain to 0.16 %: that is noise between audits, not a shift.
"""

import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
from scipy.special import expit

from copyrisk.attacks.controls import in_turn, weights_of
from copyrisk.rates import ends
from copyrisk.rates.allocation import Population, Tally, propose, stream
from copyrisk.rates.anytime import anytime_interval

ends.DRAWS = 10_000

Answer = tuple[float, float, float]
"""The truth and the two ends of one audit's interval."""


def strata(generator: np.random.Generator, rates: Any, prompts: Any, images: int, spread: float) -> Answer:
    """Known weights 0.9, 0.09, 0.01; few prompts where it matters most."""
    weights = np.array([0.9, 0.09, 0.01])
    parts = [
        sample(generator, rate, count, images, spread, h)
        for h, (rate, count) in enumerate(zip(rates, prompts, strict=True))
    ]
    return float(weights @ rates), *ends.weighted(parts, weights).interval(0.95)


def counted(generator: np.random.Generator, lines: int, spread: float) -> Answer:
    """A log of some lines from a use whose strata have shares 0.7, 0.2, 0.1; each stratum's prompts are its lines."""
    shares, rates = np.array([0.7, 0.2, 0.1]), np.array([0.001, 0.05, 0.4])
    counts = generator.multinomial(lines, shares)
    parts = [
        sample(generator, rate, count, 4, spread, h) for h, (rate, count) in enumerate(zip(rates, counts, strict=True))
    ]
    return float(shares @ rates), *ends.weighted(parts, counts, counted=True).interval(0.95)


def with_errors(generator: np.random.Generator, rate: float, false: float, sensitivity: float, known: int) -> Answer:
    """A test that misses copies and invents others; its errors are measured on `known` copies and 400 controls."""
    copied = generator.beta(rate, 1 - rate, 100) if rate > 0 else np.zeros(100)
    seen = generator.binomial(8, copied * sensitivity + (1 - copied) * false)
    observed = ends.of_sample(ends.Sample.of(seen, np.full(100, 8)), 1)
    accidents = ends.of_sample(ends.Sample.of(generator.binomial(4, false, 400), np.full(400, 4)), 2)
    found = ends.of_binomial(int(generator.binomial(known, sensitivity)), known, 3)
    return rate, *ends.corrected(observed, found, accidents).interval(0.95)


def controls(
    generator: np.random.Generator, images: int, captions: int, spread: float, shared: float, heavier: float
) -> Answer:
    """Controls that take turns: unequal numbers of images a caption, captions of several pictures.

    A caption has 1 + Poisson(`shared`) pictures; of single ones 1 % of the images are hits, of others `heavier` times
    as many. The truth is that of a picture of the population that the captions are a sample of.
    """
    pictures = 1 + generator.poisson(shared, captions)
    rates = np.where(pictures > 1, heavier, 1.0) * 0.01
    total = (1 - spread) / spread
    chance = generator.beta(rates * total, (1 - rates) * total)
    rows = [{"prompt_id": str(caption)} for caption in generator.permutation(np.repeat(np.arange(captions), pictures))]
    drawn = Counter(row["prompt_id"] for row in in_turn(rows, images))
    asked = np.array([int(name) for name in drawn])
    made, weights = np.array(list(drawn.values())), weights_of(rows, drawn)
    sample = ends.Sample.of(generator.binomial(made, chance[asked]), made, [weights[str(name)] for name in asked])
    alone = np.exp(-shared)
    truth = 0.01 * (alone + heavier * (1 + shared - alone)) / (1 + shared)
    return float(truth), *ends.of_sample(sample).interval(0.95)


def adaptive(generator: np.random.Generator, kind: str, budget: int) -> Answer:
    """The interval at the worst of many looks: it must hold at all of them."""
    multiplicity = np.concatenate([np.ones(400), np.repeat([2, 8, 32, 128], 25)])
    mean = 0.002 + 0.998 * expit(1.8 * np.log(multiplicity / 20))
    rates = {"alike": mean, "all or nothing": generator.binomial(1, mean).astype(float), "none": 0 * mean}[kind]
    population = Population(np.full(500, 1 / 500), np.repeat(np.arange(5), [400, 25, 25, 25, 25]))
    truth, tally, columns, drawn = float(rates.mean()), Tally.empty(population), [], 0
    low, high = 0.0, 1.0
    while drawn < budget:
        size = min(max(32, drawn // 2), budget - drawn)
        proposal = propose(population, tally)
        prompts = proposal.draw(generator.random((size, 2)))
        copies = (generator.random(size) < rates[prompts]).astype(float)
        terms = proposal.overall()
        parts = (terms.ratio, proposal.guesses, terms.centre, terms.bottom, terms.top)
        columns.append(np.stack([*(part[prompts] for part in parts), copies]))
        tally.add(prompts, copies)
        drawn += size
        low, high = anytime_interval(stream(*np.concatenate(columns, axis=1)))
        if not low <= truth <= high:
            break
    return truth, low, high


def sample(generator: np.random.Generator, rate: float, prompts: int, images: int, spread: float, seed: int) -> Any:
    total = (1 - spread) / spread
    copies = generator.binomial(images, generator.beta(rate * total, (1 - rate) * total, int(prompts)))
    return ends.of_sample(ends.Sample.of(copies, np.full(int(prompts), images)), seed)


CELLS: list[tuple[str, Any, tuple[Any, ...]]] = [
    ("strata, equal prompts, alike", strata, ([0.001, 0.1, 0.9], [100, 100, 100], 4, 0.05)),
    ("strata, equal prompts, all or nothing", strata, ([0.001, 0.1, 0.9], [100, 100, 100], 4, 0.95)),
    ("strata, few prompts", strata, ([0.001, 0.1, 0.9], [20, 10, 10], 16, 0.5)),
    ("strata, rare", strata, ([0.0001, 0.001, 0.01], [500, 200, 50], 16, 0.5)),
    ("log of 100 lines", counted, (100, 0.5)),
    ("log of 2,000 lines", counted, (2000, 0.5)),
    ("errors: 10 % copied, f 0.4 %, s 94 %", with_errors, (0.1, 0.004, 0.94, 200)),
    ("errors: 1 % copied, f 1 %, s 80 %", with_errors, (0.01, 0.01, 0.8, 50)),
    ("errors: none copied, f 1 %, s 80 %", with_errors, (0.0, 0.01, 0.8, 50)),
    ("controls, 400 images of 1,000", controls, (400, 1000, 0.5, 0.0, 1.0)),
    ("controls, 1,000 images of 300", controls, (1000, 300, 0.5, 0.0, 1.0)),
    ("controls, 600 images of 800, captions shared", controls, (600, 400, 0.5, 1.0, 1.0)),
    ("controls, 1,000 images of 800, shared and hit", controls, (1000, 400, 0.9, 1.0, 5.0)),
    ("controls, 100 images of 40, shared and hit", controls, (100, 20, 0.9, 1.0, 5.0)),
    ("adaptive, all looks, prompts alike", adaptive, ("alike", 1500)),
    ("adaptive, all looks, all or nothing", adaptive, ("all or nothing", 1500)),
    ("adaptive, all looks, no copy", adaptive, ("none", 1500)),
]


def simulate(number: int, audits: int) -> tuple[float, float]:
    """Return the coverage and the mean width of a cell."""
    _, function, arguments = CELLS[number]
    found = np.array([function(np.random.default_rng([number, audit]), *arguments) for audit in range(audits)])
    return float(((found[:, 1] <= found[:, 0]) & (found[:, 0] <= found[:, 2])).mean()), float(
        (found[:, 2] - found[:, 1]).mean()
    )


def main() -> None:
    audits = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    cells = [number for number, cell in enumerate(CELLS) if cell[0].startswith("".join(sys.argv[2:3]))]
    began = time.monotonic()
    print(f"{audits:,} audits a cell, 95 % intervals\n{'case':46} coverage  mean width")
    worst = 1.0
    with ProcessPoolExecutor() as pool:
        results = pool.map(simulate, cells, [audits] * len(cells))
        for number, (covered, width) in zip(cells, results, strict=True):
            name = CELLS[number][0]
            worst = min(worst, covered)
            print(f"{name:46} {covered:8.4f}  {width:10.5f}", flush=True)
    print(f"worst {worst:.4f}; {time.monotonic() - began:.0f} s")
    sys.exit(worst < 0.945)


if __name__ == "__main__":
    main()
