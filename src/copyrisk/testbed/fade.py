"""The thought experiment: a model trained on one picture gives back that picture. How does that fade with more?"""

from typing import Any

from copyrisk.options import FadeOptions, TestbedOptions, numbers
from copyrisk.rates.intervals import Rate
from copyrisk.run import log
from copyrisk.stages import audit
from copyrisk.testbed import train_testbed

COLUMNS = ["training pictures", "images made", "copies", "share of copies", "interval", "on controls"]


def run_fade(options: FadeOptions) -> list[list[Any]]:
    """Train and audit one model a size; return a row of `COLUMNS` for each.

    The test is `tile`: unlike `ratio` it needs no second picture.
    """
    rows = []
    for size in numbers(options.sizes, "--sizes"):
        log.info("A model trained on %d %s ...", size, "picture" if size == 1 else "pictures")
        folder = options.out / str(size)
        testbed = train_testbed(
            TestbedOptions(
                out=folder / "testbed",
                images=options.images,
                side=options.side,
                limit=size,
                ladder="1",
                held_out=options.held_out,
                steps=options.steps,
                seed=options.seed,
            )
        )
        result = audit(
            model=f"diffusers:{testbed.model}",
            trust_remote_code=True,
            references=str(testbed.references),
            controls=str(testbed.controls),
            test="tile",
            descriptor=f"pixels:{testbed.side}",
            generations=max(1, 1000 // size),
            seed=options.seed,
            out=folder / "run",
        )
        rate = result.regurgitation
        row = [size, rate.trials, rate.successes, f"{100 * rate.estimate:.1f} %", _interval(rate)]
        rows.append([*row, _interval(result.rates["controls", "regurgitation"])])
    return rows


def _interval(rate: Rate) -> str:
    return f"{100 * rate.low:.1f} to {100 * rate.high:.1f} %"
