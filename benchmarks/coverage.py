"""Do the intervals hold? Simulated audits over a grid of true rates, prompts, generations and spread between prompts.

Run: python benchmarks/coverage.py [audits a cell, 10000 by default] [--quick]. Prints one line a cell and the worst.

A cell draws prompts with rates p_i from a Beta distribution of mean θ and intra-class correlation ρ (0: all alike, 1:
each prompt always copies or never does), counts copies among m generations of each, and asks whether the interval of
`clustered_rate` holds θ. The ends of that interval are quantiles of 100,000 random means (Gaffke's bound); whether an
end lies beyond θ is the question whether a linear form in gamma variables is positive with probability at least α/2.
Here it is answered without random numbers: by the saddlepoint approximation (Lugannani and Rice 1980), and where that
is close to α/2, by integrating the inverse Laplace transform through the saddlepoint. Twenty audits of each cell are
also put through `clustered_rate` itself; a decision that differs is counted and printed.

Width is compared with the best interval known for the case: Clopper and Pearson's for n·m / (1 + (m − 1) ρ) independent
tries, the effective sample size (Korn and Graubard 1998) with the true ρ, which an auditor does not know.
"""

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from typing import Any

import numpy as np
from scipy.special import betaincinv
from scipy.stats import betabinom, binom, norm

from copyrisk.rates.intervals import Sample, clustered_rate

RATES = (1e-6, 1e-4, 1e-3, 1e-2, 0.1, 0.5)
PROMPTS = (5, 50, 500, 5000)
GENERATIONS = (1, 4, 20, 100, 500)
SPREADS = (0.0, 0.1, 0.5, 1.0)
ALPHA = 0.05
CHECKED = 20


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("audits", nargs="?", type=int, default=10_000)
    arguments.add_argument("--quick", action="store_true", help="every seventh cell")
    given = arguments.parse_args()
    cells = list(product(RATES, PROMPTS, GENERATIONS, SPREADS))[:: 7 if given.quick else 1]
    began = time.monotonic()
    print(f"{given.audits:,} audits a cell, {len(cells)} cells, 95 % intervals")
    print("    rate prompts images spread coverage     width      best  ratio")
    found = []
    with ProcessPoolExecutor() as pool:
        for cell, result in zip(cells, pool.map(simulate, cells, [given.audits] * len(cells)), strict=True):
            found.append((*cell, *result))
            rate, prompts, generations, spread = cell
            covered, width, best, _ = result
            print(
                f"{rate:8g} {prompts:7d} {generations:6d} {spread:6.1f} {covered:8.4f} {width:9.2e} {best:9.2e} "
                f"{width / best:6.2f}",
                flush=True,
            )
    table = np.array(found)
    worst = table[table[:, 4].argmin()]
    place = "rate {:g}, {:g} prompts, {:g} images, spread {:g}".format(*worst[:4])
    print(f"\nworst coverage {worst[4]:.4f} at {place}")
    print(f"cells below 0.945: {(table[:, 4] < 0.945).sum()} of {len(table)}; below 0.95: {(table[:, 4] < 0.95).sum()}")
    ratio = table[:, 5] / table[:, 6]
    for spread in SPREADS:
        here = ratio[table[:, 3] == spread]
        print(f"width / best known, spread {spread}: median {np.median(here):.2f}, largest {here.max():.2f}")
    print(f"decisions that differ from clustered_rate's: {int(table[:, 7].sum())} of {CHECKED * len(table)}")
    print(f"{time.monotonic() - began:.0f} s")
    sys.exit(bool((table[:, 4] < 0.945).any()))


def simulate(cell: tuple[float, int, int, float], audits: int) -> tuple[float, float, float, int]:
    """Return the coverage, the mean width and that of the best known interval, and differing decisions of a cell."""
    rate, prompts, generations, spread = cell
    generator = np.random.default_rng([int(1e6 * rate), prompts, generations, int(10 * spread)])
    counts = generator.multinomial(prompts, probabilities(rate, generations, spread), size=audits)
    # Many audits are alike where copies are rare.
    different, which = np.unique(counts, axis=0, return_inverse=True)
    holds = ends_hold(different, np.arange(generations + 1) / generations, rate)
    covered = holds[which.reshape(-1)].mean()
    widths, bests, differing = [], [], 0
    effective = prompts * generations / (1 + (generations - 1) * spread)
    for row in which.reshape(-1)[:CHECKED]:
        copies = np.repeat(np.arange(generations + 1), different[row])
        found = clustered_rate(Sample.of(copies, np.full(prompts, generations)))
        differing += (found.low <= rate <= found.high) != holds[row]
        widths.append(found.high - found.low)
        successes = found.estimate * effective
        low = betaincinv(successes, effective - successes + 1, ALPHA / 2) if successes > 0 else 0.0
        high = betaincinv(successes + 1, effective - successes, 1 - ALPHA / 2) if successes < effective else 1.0
        bests.append(high - low)
    return float(covered), float(np.mean(widths)), float(np.mean(bests)), int(differing)


def probabilities(rate: float, generations: int, spread: float) -> Any:
    """The distribution of a prompt's copies: shape (generations + 1,)."""
    copies = np.arange(generations + 1)
    if spread == 0:
        found = binom.pmf(copies, generations, rate)
    elif spread == 1:
        found = np.where(copies == generations, rate, np.where(copies == 0, 1 - rate, 0))
    else:
        total = (1 - spread) / spread
        found = betabinom.pmf(copies, generations, rate * total, (1 - rate) * total)
    return found / found.sum()


def ends_hold(counts: Any, shares: Any, rate: float) -> Any:
    """Whether both ends of each audit's interval lie on their side of the rate; counts: (audits, shares)."""
    return np.logical_and(
        above(counts, shares, 1.0, rate) >= ALPHA / 2, 1 - above(counts, shares, 0.0, rate) >= ALPHA / 2
    )


def above(counts: Any, shares: Any, extra: float, rate: float) -> Any:
    """P(Σ (v_j − rate) G_j > 0), G_j gamma of shape counts_j, with one more unit of share `extra`."""
    values, places = np.unique(np.append(shares, extra), return_inverse=True)
    shapes = np.zeros((len(counts), len(values)))
    np.add.at(shapes.T, places, np.column_stack([counts, np.ones(len(counts))]).T.astype(float))
    used = shapes.any(axis=0)
    return np.concatenate(
        [positive(part, values[used] - rate) for part in np.array_split(shapes[:, used], 1 + len(shapes) // 500)]
    )


def positive(shapes: Any, coefficients: Any) -> Any:
    up = (shapes * (coefficients > 0)).any(axis=1)
    down = (shapes * (coefficients < 0)).any(axis=1)
    answer = np.where(up, 1.0, 0.0)
    both = up & down
    if both.any():
        saddle = saddlepoint(shapes[both], coefficients)
        tail = approximate(shapes[both], coefficients, saddle)
        # The approximation is off by up to 4 % of the tail for five prompts, and less for more.
        factor = 1.5 if shapes[0].sum() < 50 else 1.15
        beyond = np.minimum(tail, 1 - tail)
        near = (beyond > ALPHA / 2 / factor) & (beyond < ALPHA / 2 * factor)
        tail[near] = [
            exact(shape[shape > 0], coefficients[shape > 0], point)
            for shape, point in zip(shapes[both][near], saddle[near], strict=True)
        ]
        answer[both] = tail
    return answer


def saddlepoint(shapes: Any, coefficients: Any) -> Any:
    """Where the derivative of K(s) = −Σ a_j log(1 − c_j s) is zero, by Newton's method inside a bracket."""
    present = np.where(shapes > 0, coefficients, 0)
    low, high = 1 / present.min(axis=1), 1 / present.max(axis=1)
    point = np.zeros(len(shapes))
    for _ in range(200):
        ratio = present / (1 - present * point[:, None])
        first, second = (shapes * ratio).sum(axis=1), (shapes * ratio**2).sum(axis=1)
        if np.all(np.abs(first) <= 1e-9 * np.sqrt(second)):
            break
        high, low = np.where(first > 0, point, high), np.where(first > 0, low, point)
        step = point - first / second
        point = np.where((step > low) & (step < high), step, (low + high) / 2)
    return point


def approximate(shapes: Any, coefficients: Any, point: Any) -> Any:
    present = np.where(shapes > 0, coefficients, 0)
    rest = 1 - present * point[:, None]
    cumulant = -(shapes * np.log(rest)).sum(axis=1)
    second = (shapes * (present / rest) ** 2).sum(axis=1)
    w, u = np.sign(point) * np.sqrt(np.maximum(-2 * cumulant, 0)), point * np.sqrt(second)
    middle = np.abs(w) < 1e-5
    w, u = np.where(middle, 1, w), np.where(middle, 1, u)
    return np.where(middle, 0.5, 1 - norm.cdf(w) - norm.pdf(w) * (1 / w - 1 / u))


def exact(shapes: Any, coefficients: Any, point: float, nodes: int = 300) -> float:
    """The same probability by the inverse Laplace transform on the line through the saddlepoint."""
    width = 1 / np.sqrt((shapes * (coefficients / (1 - coefficients * point)) ** 2).sum())
    angle = np.pi / 2 * (np.arange(nodes) + 0.5) / nodes
    z = point + 1j * width * np.tan(angle)
    cumulant = -np.log(1 - coefficients * z[:, None]) @ shapes
    total = (np.exp(cumulant) / z).real @ (1 / np.cos(angle) ** 2) * width * (np.pi / 2 / nodes) / np.pi
    return float(total if point > 0 else 1 + total)


if __name__ == "__main__":
    main()
