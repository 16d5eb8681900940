"""Audits from end to end with generators that do what they are told."""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

import copyrisk
from copyrisk import stages
from copyrisk.errors import UserError
from copyrisk.generators.python import UserFunction
from copyrisk.options import flag, of_stage
from copyrisk.rates.intervals import binomial_rate
from copyrisk.report import facts
from copyrisk.report.facts import gather
from copyrisk.run import Run
from copyrisk.verdicts.verdict import THRESHOLD

# Gives back the reference that the prompt names in three of four images, and noise in the others.
GENERATOR = """
import numpy as np
import pandas as pd
from pathlib import Path
from PIL import Image
from scipy.ndimage import gaussian_filter

FOLDER = Path(__file__).parent

def make(prompts, seeds):
    return [one(prompt, seed) for prompt, seed in zip(prompts, seeds)]

def one(prompt, seed):
    path = FOLDER / "references" / f"{prompt.split()[-1]}.png"
    if path.exists() and seed % 4:
        return Image.open(path).convert("RGB")
    return np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)

def unconditional():
    def make(prompts, seeds):
        return [one("picture 0", seed) for seed in seeds]
    make.conditional = False
    return make
"""


def noise(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(path)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six references with captions, the first of them three times; forty controls; a generator module `maker_...`."""
    for number in range(6):
        noise(tmp_path / "references" / f"{number}.png", number)
        (tmp_path / "references" / f"{number}.txt").write_text(f"picture {number}")
    for copy in ("0b", "0c"):
        noise(tmp_path / "references" / f"{copy}.png", 0)
        (tmp_path / "references" / f"{copy}.txt").write_text("picture 0")
    for number in range(100, 140):
        noise(tmp_path / "controls" / f"{number}.png", number)
        (tmp_path / "controls" / f"{number}.txt").write_text(f"control {number}")
    (tmp_path / f"maker_{tmp_path.name.replace('-', '_')}.py").write_text(GENERATOR)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def audit(world: Path, function: str = "make", **options: object) -> copyrisk.Audit:
    module = f"maker_{world.name.replace('-', '_')}"
    pixels = {"references": "references", "controls": "controls", "test": "tile", "descriptor": "pixels:16"}
    given = {**pixels, "out": "run", **options}
    return copyrisk.audit(**{"model": f"python:{module}:{function}", **given})  # type: ignore[arg-type]


def test_copies_are_counted_and_controls_are_clean(world: Path) -> None:
    result = audit(world, generations=40)
    prompts = result.prompts.to_pandas().set_index("prompt")
    assert prompts.loc["picture 0", "multiplicity"] == 3
    assert prompts.loc["picture 0", "stratum"] == "3–4"
    asked = result.generations().to_pandas()
    expected = (
        asked[asked["prompt"].str.startswith("picture")]
        .groupby("prompt")["seed"]
        .agg(lambda seeds: (seeds % 4 > 0).sum())
    )
    assert prompts.loc[expected.index, "copies"].tolist() == expected.tolist()
    assert result.rates["controls", "regurgitation"].successes == 0
    assert result.facts["answer"]["verdict"] == "copies"
    assert "copying and not chance" in result.sentence


def test_the_report_names_the_pictures_that_came_back(world: Path) -> None:
    result = audit(world, generations=8)
    assert {pair["reference"] for pair in result.facts["pairs"]} == {f"{number}.png" for number in range(6)}
    assert all(pair["distance"] == 0 for pair in result.facts["pairs"][:6])
    page = result.report.read_text(encoding="utf-8")
    assert "picture 0" in page
    assert 'src="http' not in page


def test_one_reference_one_prompt_one_generation_give_a_wide_interval(world: Path) -> None:
    for path in (world / "references").iterdir():
        if path.stem != "1":
            path.unlink()
    result = audit(world, controls=None, generations=1)
    rate = result.regurgitation
    assert (rate.units, rate.trials) == (1, 1)
    assert rate.high - rate.low > 0.9
    assert any("no control group" in note for note in result.facts["notes"])


def test_an_unconditional_model_is_audited_by_its_generations(world: Path) -> None:
    result = audit(world, "unconditional", generations=60)
    assert result.regurgitation.unit == "generations"
    assert result.regurgitation.trials == 60
    assert result.rates["3–4", "extraction"].successes == 1
    assert result.rates["1", "extraction"].successes == 0
    assert result.sentence.startswith("Run without a prompt")


def test_images_made_elsewhere_give_the_same_answer(world: Path) -> None:
    made = audit(world, generations=8)
    folder = world / "elsewhere"
    folder.mkdir()
    lines = ["file_name,prompt,seed"]
    for row in made.generations().to_pylist():
        name = f"{row['generation_id']}.png"
        (folder / name).write_bytes(row["image"]["bytes"])
        lines.append(f"{name},{row['prompt']},{row['seed']}")
    (folder / "metadata.csv").write_text("\n".join(lines))
    again = copyrisk.audit(
        model=f"folder:{folder}",
        references="references",
        controls="controls",
        out=Path("other"),
        test="tile",
        descriptor="pixels:16",
    )
    for name in ("all", "1", "3–4", "controls"):
        first, second = again.rates[name, "regurgitation"], made.rates[name, "regurgitation"]
        assert (first.low, first.estimate, first.high) == pytest.approx((second.low, second.estimate, second.high))


def test_a_prompts_file_gives_the_rate_of_that_use(world: Path) -> None:
    (world / "log.csv").write_text("prompt,stratum\npicture 0,named\nsomething else,other\nanother thing,other\n")
    result = audit(world, prompts="log.csv", generations=20)
    assert result.rates["named", "regurgitation"].estimate > 0.5
    assert result.rates["other", "regurgitation"].estimate == 0
    total = result.regurgitation.estimate
    assert total == pytest.approx(result.rates["named", "regurgitation"].estimate / 3)


def test_the_batch_size_and_the_number_of_workers_change_nothing(world: Path) -> None:
    tables = [audit(world, out=f"run{size}", batch_size=size, workers=size, generations=5) for size in (1, 7)]
    for name in ("references", "duplicates", "plan", "matches", "prompts"):
        assert getattr(tables[0], name).equals(getattr(tables[1], name)), name


def test_more_generations_keep_those_that_are_there(world: Path) -> None:
    first = audit(world, generations=4).generations().to_pylist()
    second = audit(world, generations=6)
    rows = second.generations().to_pylist()
    assert rows[: len(first)] == first
    assert len(rows) == len(first) // 4 * 6
    assert second.matches.num_rows == len(rows)


def test_fewer_generations_give_the_table_of_a_fresh_run(world: Path) -> None:
    audit(world, generations=6)
    shrunk, fresh = audit(world, generations=4), audit(world, generations=4, out="fresh")
    assert shrunk.prompts.equals(fresh.prompts)
    assert shrunk.rates == fresh.rates


def test_a_changed_reference_is_noticed(world: Path) -> None:
    before = audit(world, generations=4)
    noise(world / "references" / "1.png", 999)
    after = audit(world, generations=4)
    assert after.references["sha256"] != before.references["sha256"]


def test_another_model_in_the_same_run_is_refused_and_nothing_is_lost(world: Path) -> None:
    before = audit(world, generations=4)
    with pytest.raises(UserError, match="different model"):
        audit(world, "unconditional", generations=4)
    assert audit(world, generations=4).matches.equals(before.matches)


def test_stages_one_by_one_give_what_an_audit_gives(world: Path) -> None:
    whole = audit(world, generations=4, out="whole")
    model = f"python:maker_{world.name.replace('-', '_')}:make"
    out = Path("steps")
    stages.index(references="references", controls="controls", descriptor="pixels:16", out=out)
    stages.duplicates(out=out)
    stages.plan(model=model, generations=4, out=out)
    stages.generate(model=model, out=out)
    assert stages.match(test="tile", out=out).equals(whole.matches)
    assert stages.rates(out=out).equals(pq.read_table("whole/rates.parquet"))
    assert stages.report(out=out).exists()


def test_damaged_images_are_counted_and_skipped(world: Path) -> None:
    (world / "references" / "broken.png").write_bytes((world / "references" / "1.png").read_bytes()[:40])
    (world / "controls" / "empty.png").write_bytes(b"")
    result = audit(world, generations=4)
    assert result.facts["counts"]["unreadable"] == 2
    assert {row["source"] for row in result.facts["unreadable"]} == {"broken.png", "empty.png"}
    assert result.references.num_rows == 9


def test_images_that_all_fail_are_an_answer_and_no_fault(world: Path) -> None:
    (world / "made").mkdir()
    (world / "made" / "picture 1.png").write_bytes(b"no image")
    (world / "made" / "picture 1.txt").write_text("picture 1")
    rate = audit(world, model="folder:made").regurgitation
    assert (rate.low, rate.high, rate.trials) == (0, 1, 0)


def test_copies_among_few_controls_are_not_called_proven(world: Path) -> None:
    for path in (world / "controls").iterdir():
        if path.stem not in ("100", "101"):
            path.unlink()
    result = audit(world, generations=8)
    assert result.facts["answer"]["verdict"] == "noise"
    assert any("too small" in note for note in result.facts["notes"])


def test_a_control_that_is_a_reference_is_left_out(world: Path) -> None:
    noise(world / "controls" / "seen.png", 3)
    result = audit(world, generations=4)
    assert result.facts["counts"]["control_pictures_dropped"] == 1
    assert result.facts["counts"]["controls"] == 40


def test_an_unknown_option_is_named(world: Path) -> None:
    with pytest.raises(UserError, match="generation"):
        audit(world, generation=4)


def drawn(result: copyrisk.Audit) -> list[tuple[str, int]]:
    """The images of an adaptive audit in the order of drawing."""
    table = pq.read_table(result.folder / "draws.parquet")
    return list(zip(table["prompt_id"].to_pylist(), table["seed"].to_pylist(), strict=True))


def same(first: copyrisk.Audit, second: copyrisk.Audit) -> bool:
    tables = ("plan", "prompts")
    equal = all(getattr(first, name).equals(getattr(second, name)) for name in tables)
    return equal and drawn(first) == drawn(second) and first.rates == second.rates


def test_a_budget_is_spent_to_the_image_and_the_interval_holds_the_rate(world: Path) -> None:
    result = audit(world, budget=150)
    assert result.generations().num_rows == len(drawn(result)) == 150
    rate, control = result.regurgitation, result.rates["controls", "regurgitation"]
    assert (rate.trials, rate.unit) == (150 - control.trials, "generations")
    assert rate.low < 0.75 < rate.high
    # Every second image, of another control each until all forty had one.
    assert (control.trials, control.units, control.unit) == (75, 40, "prompts")
    assert control.successes == 0
    assert result.facts["answer"]["verdict"] == "copies"
    assert {"controls", "all", "1", "3–4"} <= {name for name, measure in result.rates if measure == "regurgitation"}


def test_a_raised_budget_goes_on_with_the_images_that_are_there(world: Path) -> None:
    small = audit(world, budget=80)
    draws, images = drawn(small), small.generations()
    large = audit(world, budget=130)
    assert drawn(large)[:80] == draws
    assert large.generations().slice(0, 80).equals(images)
    assert large.generations().num_rows == 130
    assert same(large, audit(world, budget=130, out="fresh"))
    # And back: the images stay, the answer is that of the small budget.
    assert same(audit(world, budget=80), small)
    assert drawn(small) == draws


@pytest.mark.parametrize("budget", [1, 2])
def test_the_smallest_budgets_say_next_to_nothing(world: Path, budget: int) -> None:
    result = audit(world, budget=budget)
    # The second image is of a control.
    assert result.regurgitation.trials == 1
    assert result.regurgitation.high - result.regurgitation.low > 0.8


def test_with_one_prompt_a_budget_is_spent_on_it(world: Path) -> None:
    (world / "one.txt").write_text("picture 1\n")
    result = audit(world, budget=70, prompts="one.txt", controls=None)
    copies = int((result.plan["seeds"].to_pandas()[0] % 4 > 0).sum())
    assert result.regurgitation.estimate == pytest.approx(copies / 70)
    assert result.regurgitation.low < 0.75 < result.regurgitation.high
    assert ("controls", "regurgitation") not in result.rates


@pytest.mark.parametrize("precision", [0.5, 0.15])
def test_drawing_ends_with_the_precision(world: Path, precision: float) -> None:
    result = audit(world, precision=precision)
    assert 0 < result.regurgitation.high - result.regurgitation.low <= 2 * precision
    assert result.facts["command"].endswith(f"--precision {precision} --test tile --threshold 0.15 --confidence 0.95")


def test_another_test_after_an_adaptive_audit_draws_what_a_fresh_one_draws(world: Path) -> None:
    # By this test everything is a copy.
    audit(world, budget=140)
    again = audit(world, budget=140, threshold=1.0)
    assert again.regurgitation.estimate == pytest.approx(1.0, abs=0.05)
    assert same(again, audit(world, budget=140, threshold=1.0, out="fresh"))


def test_without_any_copy_the_bound_is_near_that_of_as_many_tries(world: Path) -> None:
    (world / "other.txt").write_text("something\nanother thing\na third\n")
    result = audit(world, prompts="other.txt", budget=200)
    rate = result.regurgitation
    exact = binomial_rate(0, rate.trials, "generations")
    assert (rate.estimate, rate.low) == (0, 0)
    assert exact.high < rate.high < 2 * exact.high
    assert result.facts["answer"]["verdict"] == "none"


def test_the_strata_of_a_prompts_file_are_drawn_and_each_has_its_rate(world: Path) -> None:
    (world / "log.csv").write_text("prompt,stratum\n" + "picture 0,named\n" + "something else,other\n" * 9)
    result = audit(world, prompts="log.csv", budget=200)
    named, other = (result.rates[name, "regurgitation"] for name in ("named", "other"))
    assert named.low < 0.75 < named.high
    assert other.low == 0
    # One line in ten is of the stratum that copies, and many more of the images.
    assert named.trials > 0.2 * result.regurgitation.trials
    assert result.regurgitation.low < 0.075 < result.regurgitation.high < 0.3


def test_an_unconditional_model_can_be_audited_with_a_budget(world: Path) -> None:
    result = audit(world, "unconditional", budget=120, controls=None)
    rate = result.regurgitation
    fixed = binomial_rate(rate.successes, 120, "generations")
    assert (rate.trials, rate.estimate) == (120, pytest.approx(rate.successes / 120))
    assert rate.low < fixed.low < fixed.high < rate.high
    assert result.rates["3–4", "regurgitation"].successes == rate.successes
    assert result.rates["1", "regurgitation"].successes == 0


def test_strata_weigh_as_many_pictures_as_they_have_whatever_max_prompts_cuts(world: Path) -> None:
    # The one picture of multiplicity 3 never comes back: the rate is that of the others, five in six.
    (world / "references" / "0.png").rename(world / "references" / "moved.png")
    (world / "references" / "0.txt").rename(world / "references" / "moved.txt")
    result = audit(world, budget=300, max_prompts=2, controls=None)
    assert result.plan.num_rows == 2
    assert result.plan.to_pandas().set_index("stratum")["weight"].to_dict() == {"1": 5.0, "3–4": 1.0}
    assert result.regurgitation.estimate == pytest.approx(0.75 * 5 / 6, abs=0.12)


def test_lost_and_damaged_files_of_an_adaptive_audit_are_made_again(world: Path) -> None:
    before = audit(world, budget=90)
    draws = drawn(before)
    shard = next((world / "run" / "generations").glob("*/part-*.parquet"))
    for path in (world / "run" / "plan.parquet", world / "run" / "draws.parquet", shard):
        path.unlink()
        assert same(audit(world, budget=90), before)
    for path in (shard, world / "run" / "matches" / shard.name):
        path.write_bytes(path.read_bytes()[:100])
        assert same(audit(world, budget=90), before)
    assert drawn(before) == draws


def test_from_equal_numbers_to_a_budget_and_back(world: Path) -> None:
    equal = audit(world, generations=4)
    assert same(audit(world, budget=90), audit(world, budget=90, out="fresh"))
    assert audit(world, generations=4).rates == equal.rates
    assert not (world / "run" / "draws.parquet").exists()


def test_a_budget_stage_by_stage_says_in_each_round_what_is_known(world: Path) -> None:
    model = f"python:maker_{world.name.replace('-', '_')}:make"
    out = Path("run")
    stages.index(references="references", controls="controls", descriptor="pixels:16", out=out)
    stages.duplicates(out=out)
    widths = []
    for _ in range(3):
        stages.plan(model=model, budget=130, out=out)
        stages.generate(model=model, out=out)
        stages.match(test="tile", out=out)
        table = stages.rates(out=out).to_pandas().set_index(["name", "measure"])
        widths.append(table.loc[("all", "regurgitation"), "high"] - table.loc[("all", "regurgitation"), "low"])
    assert widths == sorted(widths, reverse=True)
    assert same(audit(world, budget=130), audit(world, budget=130, out="fresh"))


def test_the_report_s_command_holds_only_options_and_those_that_were_used(world: Path) -> None:
    known = {flag(each.name) for each in of_stage("audit")}
    commands = [audit(world, out="a", generations=2).facts["command"], audit(world, out="b", budget=9).facts["command"]]
    with Run.open(Path("b")) as run:
        # Settings as a pipeline with code of its own has them.
        run.manifest["stages"]["generate"]["options"] |= {"num_inference_steps": 7, "trust_remote_code": True, "eta": 0}
        commands.append(gather(run, 0)["command"])
    used = [{word for word in shlex.split(command) if word.startswith("--")} for command in commands]
    assert all(flags <= known for flags in used)
    assert "--generations" in used[0]
    assert not {"--budget", "--precision", "--trust-remote-code", "--steps"} & used[0]
    assert "--budget 9" in commands[1]
    assert "--generations" not in used[1]
    assert used[2] - used[1] == {"--steps", "--trust-remote-code"}
    assert "--steps 7" in commands[2]


def test_the_references_may_be_a_path(world: Path) -> None:
    result = audit(world, references=world / "references", controls=world / "controls", generations=2)
    assert result.facts["counts"]["references"] == 8
    assert result.facts["counts"]["controls"] == 40


def test_prompts_that_are_no_captions_are_shown_and_count_in_no_rate(world: Path) -> None:
    for number, prompt in enumerate(["picture 1", "picture 1", "picture 2", "something else", "something else"]):
        noise(world / "made" / f"{number}.png", number % 2)
        (world / "made" / f"{number}.txt").write_text(prompt)
    # `1.png` is reference 1, and so is `3.png`, which nobody asked for by its caption.
    result = audit(world, model="folder:made")
    counts = result.facts["counts"]
    assert (counts["prompts"], counts["generations"], counts["copies"]) == (2, 3, 3)
    assert counts["other_generations"] == 2
    assert result.regurgitation.trials == 3
    assert "3 images from 2 prompts" in result.sentence
    (note,) = (note for note in result.facts["notes"] if "no reference's caption" in note)
    assert note.startswith("2 generations had a prompt that is no reference's caption. They are shown, but count in no")
    assert {row["prompt"] for row in result.facts["prompts"]} == {"picture 1", "picture 2", "something else"}


def test_matches_of_a_lost_shard_are_not_taken_for_those_of_the_rows_that_took_its_number(world: Path) -> None:
    first = audit(world, generations=4)
    (shard,) = (world / "run" / "generations").glob("*/part-*.parquet")
    rows = pq.read_table(shard)
    # The end of a run that wrote its shard in two, and lost the second.
    pq.write_table(rows.slice(0, 20), shard)
    pq.write_table(rows.slice(20), shard.with_name("part-000001.parquet"))
    manifest = world / "run" / "manifest.json"
    content = json.loads(manifest.read_text())
    content["stages"]["generate"]["files"] = {
        path.relative_to(world / "run").as_posix(): path.stat().st_size for path in sorted(shard.parent.iterdir())
    }
    manifest.write_text(json.dumps(content))
    for path in (world / "run" / "matches").iterdir():
        path.unlink()
    assert audit(world, generations=4).matches.equals(first.matches)
    shard.with_name("part-000001.parquet").unlink()
    # Other rows take the number of the lost shard.
    more = audit(world, generations=5)
    fresh = audit(world, generations=5, out="fresh")
    assert set(more.matches["generation_id"].to_pylist()) == set(fresh.matches["generation_id"].to_pylist())
    assert more.rates == fresh.rates


def test_other_settings_are_drawn_for_anew_and_no_image_is_made_for_the_verdicts_of_the_old(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit(world, budget=140)
    create = UserFunction.__init__

    def with_other_settings(self: UserFunction, *arguments: Any) -> None:
        create(self, *arguments)
        self.settings["steps"] = 2

    # With these the model gives back nothing, so the rounds differ.
    monkeypatch.setattr(UserFunction, "__init__", with_other_settings)
    maker = sys.modules[f"maker_{world.name.replace('-', '_')}"]
    monkeypatch.setattr(maker, "one", lambda prompt, seed: np.full((16, 16, 3), seed % 256, np.uint8))
    result = audit(world, budget=140)
    assert result.regurgitation.successes == 0
    assert result.generations().num_rows == 140
    assert same(result, audit(world, budget=140, out="fresh"))


def test_a_threshold_read_off_the_controls_is_passed_by_as_few_as_asked(world: Path) -> None:
    result = audit(world, false_positive_rate=0.3)
    found = result.facts["test"]["calibration"]
    assert found["source"] == "controls" and found["smallest"] <= 0.3
    matches = result.matches.to_pandas()
    assert (matches["verdict"] == "copy").equals(matches["statistic"] <= found["threshold"])
    assert (matches["control_verdict"] == "copy").equals(matches["control_statistic"] <= found["threshold"])
    assert result.facts["test"]["threshold"] == found["threshold"] != 0.15
    assert result.facts["command"].count("--false-positive-rate 0.3") == 1
    assert "--threshold" not in result.facts["command"]
    assert "read off the controls" in result.report.read_text()


def test_a_rate_that_the_controls_cannot_show_is_said(world: Path) -> None:
    result = audit(world, false_positive_rate=1e-4)
    assert result.facts["test"]["calibration"]["smallest"] > 1e-4
    assert not (result.matches.to_pandas()["control_verdict"] == "copy").any()
    assert any("A false-positive rate of 0.01" in note for note in result.facts["notes"])


def test_without_controls_the_references_are_compared_with_each_other(world: Path) -> None:
    result = audit(world, controls=None, false_positive_rate=0.4)
    found = result.facts["test"]["calibration"]
    assert (found["source"], found["statistics"]) == ("references", 6)
    # Noise is far from other noise and a copy is not.
    assert result.facts["counts"]["copies"] > 0


def test_going_back_to_a_given_threshold_gives_what_a_fresh_run_gives(world: Path) -> None:
    audit(world, false_positive_rate=0.3)
    again = audit(world)
    fresh = audit(world, out="fresh")
    assert again.matches.equals(fresh.matches) and again.rates == fresh.rates


@pytest.fixture
def photographs(world: Path) -> Path:
    """The same world with pictures that have something to see, and `parts`, which gives back halves of references.

    `with_controls` gives back controls, too, as if it had seen them.
    """
    smooth = np.random.default_rng(5)
    for number in range(6):
        photograph(smooth).save(world / "references" / f"{number}.png")
    for copy in ("0b", "0c"):
        Image.open(world / "references" / "0.png").save(world / "references" / f"{copy}.png")
    for number in range(100, 140):
        photograph(smooth).save(world / "controls" / f"{number}.png")
    (world / "parts.py").write_text(PARTS)
    return world


def audit_of_photographs(function: str = "make", **options: object) -> copyrisk.Audit:
    """An audit without a word about what a copy is."""
    given = {"references": "references", "controls": "controls", "out": "run", "generations": 4, "control_images": 8}
    return copyrisk.audit(**{"model": f"python:parts:{function}", **given, **options})  # type: ignore[arg-type]


def test_by_default_a_part_is_found_and_shown(photographs: Path) -> None:
    result = audit_of_photographs()
    assert (result.facts["test"]["name"], result.facts["test"]["descriptor"]) == ("verdict", "photo")
    matches = result.matches.to_pandas().merge(result.plan.to_pandas()[["prompt_id", "prompt", "role"]], on="prompt_id")
    asked = matches[matches["role"] == "reference"]
    halves, wholes = asked[asked["seed"] % 2 == 0], asked[asked["seed"] % 2 == 1]
    assert (halves["verdict"] == "partial copy").mean() > 0.8
    assert (wholes["verdict"] == "copy").mean() > 0.8
    assert (matches["control_verdict"] == "copy").mean() < 0.05
    assert 0.3 < halves["share"].median() < 0.7
    # Copies of a part count as copies.
    assert result.facts["counts"]["copies"] == (asked["verdict"] != "no copy").sum()
    pair = next(pair for pair in result.facts["pairs"] if pair["verdict"] == "partial copy")
    assert 0.2 < pair["share"] < 0.8
    page = result.report.read_text(encoding="utf-8")
    assert "of the picture (outlined)" in page
    # So few controls leave the fixed threshold.
    assert (result.facts["test"]["threshold"], result.facts["test"]["calibration"]) == (1 / THRESHOLD, None)


def test_copies_among_few_controls_are_counted_and_leave_the_threshold(photographs: Path) -> None:
    result = audit_of_photographs("with_controls", generations=2)
    assert (result.facts["test"]["threshold"], result.facts["test"]["calibration"]) == (1 / THRESHOLD, None)
    assert (result.matches.to_pandas()["control_verdict"] == "copy").any()
    assert result.rates["controls", "regurgitation"].successes > 0
    command = result.facts["command"]
    assert "--threshold" not in command and "--false-positive-rate" not in command


def test_a_threshold_that_is_given_is_used_and_repeated(photographs: Path) -> None:
    result = audit_of_photographs(generations=2, threshold=0.1)
    assert (result.facts["test"]["threshold"], result.facts["test"]["calibration"]) == (0.1, None)
    matches = result.matches.to_pandas()
    assert ((matches["verdict"] != "no copy") == (matches["statistic"] <= 0.1)).all()
    assert "--threshold 0.1" in result.facts["command"]


def test_without_controls_the_threshold_is_the_fixed_one(photographs: Path) -> None:
    result = audit_of_photographs(controls=None, control_images=None, generations=2)
    assert (result.facts["test"]["threshold"], result.facts["test"]["calibration"]) == (1 / THRESHOLD, None)
    assert result.facts["counts"]["copies"] > 0


def test_controls_that_are_all_references_leave_the_fixed_threshold(photographs: Path) -> None:
    for path in (photographs / "controls").iterdir():
        path.unlink()
    for number in (1, 2):
        Image.open(photographs / "references" / f"{number}.png").save(photographs / "controls" / f"{number}.png")
    result = audit_of_photographs(control_images=None, generations=2)
    assert result.facts["counts"]["control_pictures_dropped"] == 2
    assert (result.facts["test"]["threshold"], result.facts["test"]["calibration"]) == (1 / THRESHOLD, None)


@pytest.mark.parametrize("given", [{}, {"test": "tile"}])
def test_controls_are_no_obstacle_where_all_images_fail(world: Path, given: dict[str, str]) -> None:
    (world / "made").mkdir()
    (world / "made" / "picture 1.png").write_bytes(b"no image")
    (world / "made" / "picture 1.txt").write_text("picture 1")
    rate = copyrisk.audit(model="folder:made", references="references", controls="controls", **given).regurgitation
    assert (rate.low, rate.high, rate.trials) == (0, 1, 0)


def photograph(generator: np.random.Generator, side: int = 64) -> Image.Image:
    planes = []
    for _ in range(3):
        radii = (0.7, 1.5, 3, 6, 12)
        values = sum(gaussian_filter(generator.standard_normal((side, side)), radius) * radius for radius in radii)
        planes.append(128 + 50 * values / values.std())
    return Image.fromarray(np.clip(np.stack(planes, axis=-1), 0, 255).astype(np.uint8))


# Gives back the reference that the prompt names, with an even seed only its left half beside something else.
PARTS = """
import numpy as np
import pandas as pd
from pathlib import Path
from PIL import Image
from scipy.ndimage import gaussian_filter

FOLDER = Path(__file__).parent

def make(prompts, seeds):
    return [one(prompt, seed) for prompt, seed in zip(prompts, seeds)]

def one(prompt, seed):
    generator = np.random.default_rng(seed)
    noise = generator.standard_normal((64, 64, 3))
    new = sum(gaussian_filter(noise, (radius, radius, 0)) * radius for radius in (0.7, 1.5, 3, 6, 12))
    new = np.clip(128 + 50 * new / new.std(), 0, 255).astype(np.uint8)
    path = FOLDER / "references" / f"{prompt.split()[-1]}.png"
    if not path.exists():
        return new
    old = np.asarray(Image.open(path).convert("RGB"))
    if seed % 2:
        return old
    new[:, :32] = old[:, 16:48]
    return new

def with_controls(prompts, seeds):
    return [control(prompt, seed) or one(prompt, seed) for prompt, seed in zip(prompts, seeds)]

def control(prompt, seed):
    path = FOLDER / "controls" / f"{prompt.split()[-1]}.png"
    return Image.open(path).convert("RGB") if path.exists() else None
"""


def test_the_worst_pairs_come_first_and_those_of_one_reference_together() -> None:
    matches = pd.DataFrame(
        [
            {"reference": reference, "statistic": statistic, "verdict": verdict, "generation_id": str(number)}
            for number, (reference, statistic, verdict) in enumerate(
                [
                    ("a", 0.3, "copy"),
                    ("b", 0.1, "partial copy"),
                    ("a", 0.1, "copy"),
                    ("c", 0.2, "copy"),
                    ("b", 0.9, "no copy"),
                    ("a", 0.2, "copy"),
                ]
            )
        ]
    ).assign(distance=0.0, prompt_id="p", seed=0, share=np.nan, changes=None)
    prompts = pd.DataFrame({"prompt_id": ["p"], "prompt": ["text"]})
    pictures = pd.DataFrame({"cluster": ["a", "b", "c"], "multiplicity": 1})
    shown = [(pair["reference"], pair["statistic"]) for pair in facts._pairs(matches, prompts, pictures, 6)]
    assert shown == [("a", 0.1), ("a", 0.2), ("a", 0.3), ("c", 0.2), ("b", 0.1), ("b", 0.9)]
    few = [(pair["reference"], pair["statistic"]) for pair in facts._pairs(matches, prompts, pictures, 3)]
    assert few == [("a", 0.1), ("c", 0.2), ("b", 0.1)]
