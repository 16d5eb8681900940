"""Does the usual advice on prompting tell memorized captions from others, and how many prompts does an answer take?

Run: python benchmarks/prompt_advice.py [FOLDER]. FOLDER holds sd14_memorized_500.csv and sd14_not_memorized_500.csv:
500 captions known to be memorized by Stable Diffusion 1.4 and 500 LAION captions not known to be (published with NeMo,
Hintersdorf et al. 2024, after Webster 2023 and Wen et al. 2024). Without it the tables on real captions are left out.

The first table is of a case-control sample: half of its captions are memorized because they were chosen so. It gives
odds ratios and no rates, and it is about captions of a training set, not about what people type. Memorized captions
come in families (148 of 500 begin with the same two words): intervals that take them for independent are too narrow, so
the table is given again with one caption a family (the first two words). The third table asks, among the memorized
captions, how near generations come to the training image. The last is simulated. Nothing is compared with a rival.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.stats.contingency import odds_ratio

from copyrisk.attacks.features import features_of
from copyrisk.rates.advice import ADVICE, CONFIRMED, Comparison, compare
from copyrisk.rates.intervals import Sample

FILES = ("sd14_memorized_500.csv", "sd14_not_memorized_500.csv")
REPEATS = 200


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    if folder is None or not all((folder / name).is_file() for name in FILES):
        print(f"Skipped: the tables on real captions need a folder with {' and '.join(FILES)}, given as argument.\n")
    else:
        memorized, others = (described(folder / name) for name in FILES)
        print("Odds of being memorized, captions with the feature against those without (95 % interval, exact)")
        print(odds(memorized, others).to_string(index=False), "\n")
        print("The same with one caption a family (the first two words)")
        print(odds(one_a_family(memorized), one_a_family(others)).to_string(index=False), "\n")
        print("Among memorized captions, one a family: mean SSCD similarity of 10 generations with the training image")
        print(nearness(one_a_family(memorized)).to_string(index=False), "\n")
    print(
        f"Simulated: how often an advice is confirmed, of {REPEATS} audits with 16 images a prompt, half of the prompts"
    )
    print("following it. One prompt in five copies at all, with a probability between 0 and ten times the rate.")
    print(power().to_string(index=False))


def described(path: Path) -> pd.DataFrame:
    frame = pd.read_csv(path, sep=";")
    return frame.join(features_of(pa.array(frame["Caption"], pa.string())).to_pandas())


def one_a_family(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[~frame["Caption"].str.lower().str.split().str[:2].str.join(" ").duplicated()]


def odds(memorized: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    tests = [(name, lambda frame, name=name: frame[name]) for name in ("named", "styled", "abstract")]
    tests += [(f"at most {most} words", lambda frame, most=most: frame["words"] <= most) for most in (3, 5, 8, 12, 16)]
    rows = []
    for name, has in tests:
        with_it = [int(has(frame).sum()) for frame in (memorized, others)]
        without = [len(frame) - count for frame, count in zip((memorized, others), with_it, strict=True)]
        found = odds_ratio([with_it, without])
        low, high = found.confidence_interval(0.95)
        rows.append(
            {
                "feature": name,
                "of memorized": f"{with_it[0]} of {len(memorized)}",
                "of others": f"{with_it[1]} of {len(others)}",
                "odds ratio": f"{found.statistic:.2f} ({low:.2f} to {high:.2f})",
            }
        )
    return pd.DataFrame(rows)


def nearness(memorized: pd.DataFrame) -> pd.DataFrame:
    memorized = memorized[memorized["mean_sscd"].notna()]
    similarity = memorized["mean_sscd"].clip(0, 1).to_numpy()
    rows = []
    for advice in ADVICE:
        follows = memorized[advice.feature].to_numpy() == advice.wanted
        samples = Sample.of(similarity[follows]), Sample.of(similarity[~follows])
        found = compare(advice.text, *samples, 1 - 0.05 / len(ADVICE))
        rows.append(
            {
                "advice": advice.text,
                "followed": f"{found.followed.estimate:.2f} (n {found.followed.units})",
                "ignored": f"{found.ignored.estimate:.2f} (n {found.ignored.units})",
                "difference": f"{found.difference:+.2f} ({found.difference_low:+.2f} to {found.difference_high:+.2f})",
                "verdict": found.verdict,
            }
        )
    return pd.DataFrame(rows)


def power() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = []
    for ignored, followed in ((0.05, 0.05), (0.05, 0.025), (0.05, 0.01), (0.01, 0.005)):
        row = {"rate ignored": f"{ignored:.1%}", "rate followed": f"{followed:.1%}"}
        for prompts in (200, 1000, 5000):
            verdicts = [audit(rng, followed, ignored, prompts // 2).verdict for _ in range(REPEATS)]
            row[f"{prompts:,} prompts"] = f"{verdicts.count(CONFIRMED) / REPEATS:.1%}"
        rows.append(row)
    return pd.DataFrame(rows)


def audit(rng: np.random.Generator, followed: float, ignored: float, each: int) -> Comparison:
    samples = []
    for mean in (followed, ignored):
        probability = rng.uniform(0, 10 * mean, each) * (rng.random(each) < 0.2)
        samples.append(Sample.of(rng.binomial(16, probability), np.full(each, 16)))
    return compare("", *samples, 1 - 0.05 / len(ADVICE))


if __name__ == "__main__":
    main()
