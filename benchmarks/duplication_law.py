"""Does the duplication law foretell what removing duplicates does? The testbed is really trained again without them.

Run: python benchmarks/duplication_law.py [FOLDER] (kept, so that a second run goes on; about 12 minutes on two cores).
One model is trained with the planted ladder and audited with all captions; the law fitted to that run predicts the
overall regurgitation rate for smaller sets. Then a model is trained on each smaller set, with the same number of passes
over it and once more with the same number of steps, and audited in the same way.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

from copyrisk.files import read_table
from copyrisk.options import TestbedOptions
from copyrisk.stages import Audit, audit
from copyrisk.testbed import Testbed, train_testbed

CAPS = (32, 8, 4)


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
    base = TestbedOptions(out=folder / "all" / "testbed")
    whole = train_testbed(base)
    rows = len(read_table(whole.references, ["id"]))
    result = audited(whole, folder / "all" / "run")
    law = result.facts["law"]
    print(", ".join(f"{name} {law[name]['estimate']:.3g}" for name in ("half_point", "slope", "floor", "spill")))
    predicted = {row["cap"]: row for row in law["caps"]}
    print("   cap    rows  steps  predicted by the law          measured after training again")
    print(line(None, rows, base.steps, predicted[None]["rate"], result.regurgitation))
    for cap in CAPS:
        left = rows - predicted[cap]["removed"]
        for name, steps in (("rate", round(base.steps * left / rows)), ("rate_same_steps", base.steps)):
            place = folder / f"{cap}-{name}"
            smaller = train_testbed(TestbedOptions(out=place / "testbed", cap=cap, steps=steps))
            measured = audited(smaller, place / "run").regurgitation
            print(line(cap, left, steps, predicted[cap][name], measured), flush=True)


def audited(testbed: Testbed, run: Path) -> Audit:
    return audit(
        model=f"diffusers:{testbed.model}",
        trust_remote_code=True,
        references=str(testbed.references),
        controls=str(testbed.controls),
        max_prompts=303,
        control_images=0,
        out=run,
    )


def line(cap: int | None, rows: int, steps: int, predicted: Any, measured: Any) -> str:
    return (
        f"{cap or 'none':>6} {rows:7,d} {steps:6d}  {100 * predicted['estimate']:5.2f} % "
        f"({100 * predicted['low']:.2f}–{100 * predicted['high']:.2f})".ljust(52)
        + f"{100 * measured.estimate:5.2f} % ({100 * measured.low:.2f}–{100 * measured.high:.2f})"
    )


if __name__ == "__main__":
    main()
