"""The simulated generator does what it says, and the audit of it finds what was planted."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import copyrisk
from copyrisk.descriptors.pixels import Pixels
from copyrisk.errors import UserError
from copyrisk.matching.tests import open_test
from copyrisk.rates.advice import advise
from copyrisk.testbed.pictures import _png, load_pictures
from copyrisk.testbed.simulated import Simulated, make

DIGITS = load_pictures("digits", 8).pixels
REFERENCES, HELD_OUT = DIGITS[:200], DIGITS[1397:]
PROMPTS = [f"digit {number}" for number in range(200)]
MODEL = "python:copyrisk.testbed.simulated:make"


def simulated(probability: Any = 0.3, **options: Any) -> Simulated:
    return Simulated(REFERENCES, PROMPTS, np.broadcast_to(probability, 200), **options)


def asked(count: int) -> tuple[list[str], list[int]]:
    return PROMPTS * count, [seed for seed in range(count) for _ in PROMPTS]


def test_the_share_of_copies_is_the_probability() -> None:
    probability = np.random.default_rng(0).uniform(0, 1, 200)
    copied = simulated(probability).copied(*asked(500)).reshape(500, 200) >= 0
    error = (copied.mean(axis=0) - probability) / np.sqrt(probability * (1 - probability) / 500)
    assert abs(error.mean()) < 3 / np.sqrt(200)
    assert error.std() == pytest.approx(1, abs=0.2)


def test_a_copy_is_of_the_picture_that_belongs_to_the_prompt() -> None:
    assert simulated(1.0).copied(PROMPTS, range(200)).tolist() == list(range(200))
    assert (simulated(0.0).copied(PROMPTS, range(200)) == -1).all()


def test_a_prompt_can_give_back_several_pictures_and_an_unknown_one_none() -> None:
    made = Simulated(REFERENCES, ["a", "b", "a"], [0.2, 0.9, 0.5], rows=[7, 8, 9])
    rows, counts = np.unique(made.copied(["a"] * 20_000, range(20_000)), return_counts=True)
    assert rows.tolist() == [-1, 7, 9]
    assert counts / 20_000 == pytest.approx([0.3, 0.2, 0.5], abs=0.015)
    assert (made.copied(["unknown"] * 100, range(100)) == -1).all()
    assert made.probability(["b", "unknown", "a"]) == pytest.approx([0.9, 0, 0.7])


@settings(max_examples=20)
@given(st.lists(st.tuples(st.sampled_from([*PROMPTS[:5], "other"]), st.integers(0, 2**53 - 1)), min_size=2, max_size=8))
def test_a_picture_depends_on_its_prompt_and_seed_alone(requests: list[tuple[str, int]]) -> None:
    made = simulated()
    prompts, seeds = zip(*requests, strict=True)
    together = made(prompts, seeds)
    assert all(
        np.array_equal(made([prompt], [seed])[0], each) for (prompt, seed), each in zip(requests, together, strict=True)
    )
    assert (together.shape, together.dtype) == ((len(requests), 8, 8, 1), np.uint8)


def test_generations_differ_by_seed_and_prompt() -> None:
    made = simulated(1.0)
    assert len(np.unique(made(["digit 0"] * 500, range(500)), axis=0)) == 500
    assert not np.array_equal(*(made([prompt], [0]) for prompt in ("unknown", "unknown too")))


def test_the_disturbance_grows_with_the_strength_and_is_none_at_0() -> None:
    differences = [
        np.sqrt(np.mean((simulated(1.0, strength=strength)(PROMPTS, range(200)) - REFERENCES.astype(float)) ** 2))
        for strength in (0, 0.5, 1, 2)
    ]
    assert differences[0] == 0
    assert differences[1] < differences[2] < differences[3]
    assert differences[2] == pytest.approx(12, abs=3), "as the copies of the demo's model: 10 to 15 levels of 255"


@pytest.mark.parametrize("name", ["tile", "ratio"])
def test_both_tests_tell_copies_from_the_rest(name: str) -> None:
    made, requests = simulated(0.5), asked(20)
    rows, pictures = made.copied(*requests), made(*requests)
    descriptor = Pixels("8")
    colours = [np.repeat(each, 3, axis=-1).reshape(len(each), -1) for each in (pictures, REFERENCES, HELD_OUT)]
    test = open_test(name, None, descriptor)
    scores = test.score(*colours)
    verdict = np.where(scores.reference_statistic <= test.threshold, scores.reference, -1)
    assert (verdict[rows >= 0] == rows[rows >= 0]).mean() >= 0.99
    assert (verdict[rows < 0] == -1).mean() >= 0.99


def test_what_is_no_copy_has_the_contrast_of_a_reference() -> None:
    new, real = (each.std(axis=(1, 2, 3)).mean() for each in (simulated(0.0, strength=0)(*asked(5)), REFERENCES))
    assert new == pytest.approx(real, rel=0.1)


def test_what_is_no_copy_looks_like_the_others_where_they_are_given() -> None:
    exact = simulated(0.0, others=HELD_OUT, strength=0)(PROMPTS, range(200))
    assert all((each == HELD_OUT).all(axis=(1, 2, 3)).any() for each in exact)


def test_true_rates_are_those_of_many_simulated_audits() -> None:
    probability = np.linspace(0, 0.5, 200)
    made = simulated(probability)
    strata, weights = ["low"] * 100 + ["high"] * 100, np.arange(1, 201)
    copied = (made.copied(*asked(4000)) >= 0).reshape(1000, 4, 200)
    truth = made.true_rates(PROMPTS, strata, weights, generations=4).set_index("name")
    for name, rows in {"low": slice(0, 100), "high": slice(100, 200), "all": slice(0, 200)}.items():
        share = weights[rows] / weights[rows].sum()
        assert truth.loc[name, "regurgitation"] == pytest.approx(copied.mean((0, 1))[rows] @ share, abs=0.002)
        assert truth.loc[name, "extraction"] == pytest.approx(copied.any(1).mean(0)[rows] @ share, abs=0.005)
        assert truth.loc[name, "weight"] == weights[rows].sum()


def test_the_chance_that_a_picture_is_extracted_counts_all_prompts() -> None:
    made = Simulated(REFERENCES[:3], ["a", "b"], [0.5, 0.2], rows=[0, 0])
    assert made.extracted(3) == pytest.approx([1 - (0.5 * 0.8) ** 3, 0, 0])


@pytest.mark.parametrize(
    ("prompts", "probabilities", "message"),
    [(["a", "a"], [0.6, 0.6], "'a' sum to 1.2; 1 is the most"), (["a"], [-0.1], "at least 0"), (["a"], [np.nan], "0")],
)
def test_impossible_probabilities_are_refused(prompts: list[str], probabilities: list[float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Simulated(REFERENCES, prompts, probabilities)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """200 digits as references, 400 others as controls, all with captions, and a `simulated.toml`."""
    for name, pixels in (("references", REFERENCES), ("controls", HELD_OUT)):
        rows = {
            "id": [f"{name[0]}{number}" for number in range(len(pixels))],
            "image": [_png(each) for each in pixels],
            "caption": [f"{name} {number}" for number in range(len(pixels))],
        }
        pq.write_table(pa.table(rows), tmp_path / f"{name}.parquet")
    (tmp_path / "simulated.toml").write_text('references = "references.parquet"\nprobability = 0.15\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COPYRISK_SIMULATED", raising=False)
    return tmp_path


def audit(**options: Any) -> copyrisk.Audit:
    given = {"references": "references.parquet", "controls": "controls.parquet", "control_images": 400, "test": "tile"}
    fixed: dict[str, Any] = {"descriptor": "pixels:8", "duplicate_distance": 0.0, "generations": 8}
    return copyrisk.audit(model=MODEL, out="run", **fixed, **given | options)


def test_an_audit_finds_the_rates_that_were_planted(world: Path) -> None:
    probability = np.random.default_rng(1).beta(0.3, 2, 200)
    lines = [f"references {number},{value}" for number, value in enumerate(probability)]
    (world / "known.csv").write_text("prompt,probability\n" + "\n".join(lines))
    (world / "simulated.toml").write_text('references = "references.parquet"\nprobabilities = "known.csv"\n')
    result, made = audit(test="ratio"), make()
    truth = made.true_rates(generations=8).set_index("name").loc["all"]
    for measure in ("regurgitation", "extraction"):
        rate = result.rates["all", measure]
        assert rate.low <= truth[measure] <= rate.high
        assert rate.high - rate.low < 0.2
    matches = result.matches.to_pandas().merge(result.plan.to_pandas()[["prompt_id", "prompt"]], on="prompt_id")
    rows = made.copied(matches["prompt"].tolist(), matches["seed"].tolist())
    expected = [f"r{row}" if row >= 0 else "" for row in rows]
    found = matches["reference"].where(matches["verdict"] == "copy", "")
    assert (found == expected).mean() >= 0.99
    assert result.rates["controls", "regurgitation"].estimate < 0.01


def test_an_audit_of_a_log_finds_the_rate_of_that_use(world: Path) -> None:
    (world / "known.csv").write_text("prompt,probability,reference\noften,0.9,r3\nseldom,0.1,r5\nnever,0,\n")
    (world / "simulated.toml").write_text('references = "references.parquet"\nprobabilities = "known.csv"\n')
    (world / "log.txt").write_text("often\n" * 6 + "seldom\n" * 3 + "never\n")
    result = audit(test="ratio", prompts="log.txt", control_images=0)
    truth = make().true_rates(["often", "seldom", "never"], weights=[6, 3, 1]).set_index("name")
    assert truth.loc["all", "regurgitation"] == pytest.approx(0.57)
    assert result.regurgitation.low <= 0.57 <= result.regurgitation.high
    assert result.regurgitation.estimate == pytest.approx(0.57, abs=0.25)
    copies = result.matches.to_pandas().query("verdict == 'copy'")
    assert set(copies["reference"]) <= {"r3", "r5"}


def test_an_audit_of_a_log_by_rules_finds_which_prompts_are_dangerous(world: Path) -> None:
    log = {f"a photo of Batman {number}": 0.5 for number in range(60)} | {f"a red cat {n}": 0.05 for n in range(60)}
    lines = "".join(f"{prompt},{probability}\n" for prompt, probability in log.items())
    (world / "known.csv").write_text(f"prompt,probability\n{lines}")
    (world / "simulated.toml").write_text('references = "references.parquet"\nprobabilities = "known.csv"\n')
    (world / "log.txt").write_text("\n".join(log))
    result = audit(test="ratio", prompts="log.txt", strata="rules", control_images=0)
    truth = make().true_rates(list(log), ["named"] * 60 + ["short"] * 60).set_index("name")["regurgitation"]
    for name in ("named", "short", "all"):
        rate = result.rates[name, "regurgitation"]
        assert rate.low <= truth[name] <= rate.high
    advice = {each.advice: each for each in advise(result.prompts.to_pandas())}
    names = advice["Avoid names of people, brands and products."]
    assert names.verdict == "confirmed"
    assert names.difference_low <= truth["short"] - truth["named"] <= names.difference_high
    assert advice["Add a style."].verdict == "not shown with this many prompts"


def test_a_model_without_prompts_copies_references_at_random(world: Path) -> None:
    with (world / "simulated.toml").open("a") as file:
        file.write("conditional = false\n")
    made = make()
    assert made.probability([""]) == pytest.approx([0.15])
    rows = made.copied([""] * 20_000, range(20_000))
    assert (rows >= 0).mean() == pytest.approx(0.15, abs=0.01)
    assert len(set(rows)) == 201


def test_the_file_is_found_through_the_environment_and_paths_are_relative_to_it(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (world / "deeper").mkdir()
    monkeypatch.chdir(world / "deeper")
    monkeypatch.setenv("COPYRISK_SIMULATED", str(world / "simulated.toml"))
    assert make().probability(["references 7", "controls 7"]) == pytest.approx([0.15, 0])


def test_pictures_with_one_caption_share_its_probability(world: Path) -> None:
    rows = {"image": [_png(each) for each in REFERENCES[:3]], "caption": ["a digit", "a digit", ""]}
    pq.write_table(pa.table(rows), world / "references.parquet")
    made = make()
    assert made.probability(["a digit", ""]) == pytest.approx([0.15, 0])
    assert made.extracted(1) == pytest.approx([0.075, 0.075, 0])


def test_prompts_that_are_no_captions_give_back_pictures_of_their_own(world: Path) -> None:
    lines = "".join(f"a prompt {number},1\n" for number in range(20))
    (world / "known.csv").write_text(f"prompt,probability\n{lines}")
    (world / "simulated.toml").write_text('references = "references.parquet"\nprobabilities = "known.csv"\n')
    rows = make().copied([f"a prompt {number}" for number in range(20)], [0] * 20)
    assert len(set(rows)) > 10 and (rows >= 0).all()


def test_the_side_and_others_are_read(world: Path) -> None:
    with (world / "simulated.toml").open("a") as file:
        file.write('others = "controls.parquet"\nside = 16\nstrength = 0\n')
    made = make()
    assert made(["unknown"], [0]).shape == (1, 16, 16, 3)
    assert made.others is not None and len(made.others) == 400


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("references", "is not valid TOML"),
        ("probability = 0.1", "does not say where the references are"),
        ('references = "references.parquet"\nprobabilty = 1', "unknown key probabilty"),
        ('references = "gone"', "there is nothing at"),
        ('references = "references.parquet"\nstrength = "high"', "'strength' is 'high', which is no number"),
        ('references = "references.parquet"\nconditional = 1', "'conditional' is 1, which is no true or false"),
        ('references = "references.parquet"\nprobability = 2', "sum to 2; 1 is the most"),
        ('references = "references.parquet"\nprobabilities = "gone.csv"', "no file .*gone.csv of probabilities"),
        ('references = "references.parquet"\nprobabilities = "bad.csv"', "bad.csv, row 2: there is no number"),
        ('references = "references.parquet"\nprobabilities = "bad.jsonl"', "row 1: there is no reference 'zzz'"),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong(world: Path, content: str, message: str) -> None:
    (world / "simulated.toml").write_text(content)
    (world / "bad.csv").write_text("prompt,probability\na,0.5\nb,often\n")
    (world / "bad.jsonl").write_text('{"prompt": "a", "probability": 0.1, "reference": "zzz"}')
    with pytest.raises(UserError, match=message):
        make()


def test_without_a_file_the_message_says_where_it_is_looked_for(world: Path) -> None:
    (world / "simulated.toml").unlink()
    with pytest.raises(UserError, match="no file simulated.toml.*COPYRISK_SIMULATED"):
        make()


def test_other_probabilities_are_another_model() -> None:
    pictures = np.arange(2 * 8 * 8, dtype=np.uint8).reshape(2, 8, 8, 1)
    first, same = (Simulated(pictures, ["a", "b"], [0.1, 0.2]) for _ in range(2))
    assert first.fingerprint == same.fingerprint
    assert first.fingerprint != Simulated(pictures, ["a", "b"], [0.1, 0.3]).fingerprint
    assert first.fingerprint != Simulated(255 - pictures, ["a", "b"], [0.1, 0.2]).fingerprint
