"""Audits from end to end with generators that do what they are told."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import copyrisk
from copyrisk import stages
from copyrisk.errors import UserError

# Gives back the reference that the prompt names in three of four images, and noise in the others.
GENERATOR = """
import numpy as np
from pathlib import Path
from PIL import Image

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
    given = {"references": "references", "controls": "controls", "out": "run", "descriptor": "pixels:16", **options}
    return copyrisk.audit(model=f"python:{module}:{function}", **given)  # type: ignore[arg-type]


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
    assert stages.match(out=out).equals(whole.matches)
    assert stages.rates(out=out).equals(pq.read_table("whole/rates.parquet"))
    assert stages.report(out=out).exists()


def test_damaged_images_are_counted_and_skipped(world: Path) -> None:
    (world / "references" / "broken.png").write_bytes((world / "references" / "1.png").read_bytes()[:40])
    (world / "controls" / "empty.png").write_bytes(b"")
    result = audit(world, generations=4)
    assert result.facts["counts"]["unreadable"] == 2
    assert {row["source"] for row in result.facts["unreadable"]} == {"broken.png", "empty.png"}
    assert result.references.num_rows == 9


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
