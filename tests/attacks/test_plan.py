import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copyrisk.attacks import SCHEMA, plan, prompt_id, read_plan, seed_of
from copyrisk.chosen import Chosen
from copyrisk.duplicates import duplicates
from copyrisk.errors import UserError
from copyrisk.index import index
from copyrisk.options import Options
from copyrisk.run import Run

Rows = list[tuple[int, str]]
Planned = Callable[..., list[dict[str, Any]]]

MODELS = """
def conditional(prompts, seeds):
    raise AssertionError("a plan makes no images")

def unconditional():
    def make(prompts, seeds):
        raise AssertionError("a plan makes no images")
    make.conditional = False
    return make
"""


@pytest.fixture
def planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, collection: Callable[[str, Rows], Path]
) -> Iterator[Planned]:
    """Plan a run on references and controls, given as (seed of the picture, caption)."""
    (tmp_path / "models_of_the_plan_tests.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)

    def call(references: Rows, controls: Rows = (), model: str = "conditional", **options: Any) -> list[dict[str, Any]]:  # type: ignore[assignment]
        given: dict[str, Any] = {
            "out": tmp_path / "run",
            "model": model if ":" in model else f"python:models_of_the_plan_tests:{model}",
            "references": str(collection("references", references)),
            "controls": str(collection("controls", controls)) if controls else None,
            "generations": 2,
            **options,
        }
        with Run.open(tmp_path / "run") as run:
            for stage in (index, duplicates):
                stage(run, Chosen(Options(**given)))
            table = plan(run, Chosen(Options(**given)))
            assert table.schema == SCHEMA
            assert read_plan(run) == table
        rows: list[dict[str, Any]] = table.to_pylist()
        return rows

    yield call
    sys.modules.pop("models_of_the_plan_tests", None)


def prompts(rows: list[dict[str, Any]], role: str | None = None) -> list[str]:
    return [row["prompt"] for row in rows if role in (None, row["role"])]


LADDER = [(0, "once"), (1, "thrice"), (1, "thrice"), (1, "thrice"), (2, "twice"), (2, "twice")]


def test_captions_come_the_most_duplicated_first_with_their_strata(planned: Planned) -> None:
    rows = planned(LADDER)
    assert [(row["prompt"], row["multiplicity"], row["stratum"]) for row in rows] == [
        ("thrice", 3, "3–4"),
        ("twice", 2, "2"),
        ("once", 1, "1"),
    ]
    assert {row["role"] for row in rows} == {"reference"}
    assert {row["weight"] for row in rows} == {1.0}


def test_max_prompts_keeps_the_most_duplicated(planned: Planned) -> None:
    assert prompts(planned(LADDER, max_prompts=2)) == ["thrice", "twice"]


def test_among_equals_the_choice_is_random_and_depends_on_the_seed_alone(planned: Planned) -> None:
    references = [(number, f"picture {number:02}") for number in range(20)]
    first = prompts(planned(references, max_prompts=5))
    assert prompts(planned(references[::-1], max_prompts=5)) == first
    assert first != [caption for _, caption in references[:5]]
    assert prompts(planned(references, max_prompts=5, seed=1)) != first


def test_a_picture_is_asked_for_by_its_most_frequent_caption(planned: Planned) -> None:
    rows = planned([(0, "rare"), (0, "frequent"), (0, "frequent"), (0, "")])
    assert [(row["prompt"], row["multiplicity"]) for row in rows] == [("frequent", 4)]


def test_a_caption_of_two_pictures_stands_for_both_with_the_higher_multiplicity(planned: Planned) -> None:
    (row,) = planned([(0, "a cat"), (1, "a cat"), (1, "a cat")])
    assert (row["weight"], row["multiplicity"]) == (2.0, 2)


def test_references_without_captions_are_not_asked_for(planned: Planned) -> None:
    assert prompts(planned([(0, "a cat"), (1, "")])) == ["a cat"]


def test_without_any_caption_a_model_that_needs_prompts_cannot_be_audited(planned: Planned) -> None:
    with pytest.raises(UserError, match=r"no captions and the model needs prompts\. Give --prompts FILE"):
        planned([(0, ""), (1, "")], [(2, "a control")])


def test_the_captions_of_controls_are_asked_for_too(planned: Planned) -> None:
    rows = planned([(0, "a cat")], [(1, "a dog"), (2, "a dog"), (3, "a bird"), (4, "")], control_images=4)
    controls = {row["prompt"]: row for row in rows if row["role"] == "control"}
    assert {prompt: row["weight"] for prompt, row in controls.items()} == {"a dog": 2.0, "a bird": 1.0}
    assert {(row["stratum"], row["multiplicity"]) for row in controls.values()} == {("control", None)}
    assert [row["role"] for row in rows] == ["reference", "control", "control"]


CONTROLS = [(number, f"control {number}") for number in range(1, 9)]


@pytest.mark.parametrize(
    ("images", "each"), [(0, []), (1, [1]), (3, [1, 1, 1]), (8, [1] * 8), (11, [1] * 5 + [2] * 3), (80, [10] * 8)]
)
def test_images_of_controls_are_spread_over_as_many_of_them_as_there_are(
    planned: Planned, images: int, each: list[int]
) -> None:
    rows = [row for row in planned([(0, "a cat")], CONTROLS, control_images=images) if row["role"] == "control"]
    assert sorted(len(row["seeds"]) for row in rows) == each
    assert all(len(set(row["seeds"])) == len(row["seeds"]) for row in rows)
    assert {row["weight"] for row in rows} <= {1.0}


def test_the_choice_of_controls_is_random_and_more_images_keep_those_that_were_there(planned: Planned) -> None:
    few = {row["prompt"]: row["seeds"] for row in planned([(0, "a cat")], CONTROLS, control_images=3)[1:]}
    assert sorted(few) != ["control 1", "control 2", "control 3"]
    more = {row["prompt"]: row["seeds"] for row in planned([(0, "a cat")], CONTROLS, control_images=13)[1:]}
    assert {prompt: more[prompt][:1] for prompt in few} == few
    other = planned([(0, "a cat")], CONTROLS, control_images=3, seed=1)
    assert set(prompts(other, "control")) != set(few)


@pytest.mark.parametrize("generations", [1, 5, 500])
def test_controls_never_cost_more_than_the_audit_s_own_images(planned: Planned, generations: int) -> None:
    rows = planned([(0, "a cat"), (10, "a dog")], CONTROLS, generations=generations)
    images = dict.fromkeys((False, True), 0)
    for row in rows:
        images[row["role"] == "control"] += len(row["seeds"])
    assert images == {False: 2 * generations, True: min(2 * generations, 4 * len(CONTROLS))}


def test_controls_of_one_caption_are_asked_for_in_turn_and_weigh_as_many_as_were(planned: Planned) -> None:
    controls = [(number, "a dog") for number in range(1, 7)] + [(7, "a bird"), (8, "a fish")]
    rows = {row["prompt"]: row for row in planned([(0, "a cat")], controls, control_images=4)[1:]}
    assert sum(len(row["seeds"]) for row in rows.values()) == 4
    assert all(row["weight"] == len(set(row["seeds"])) for row in rows.values())
    assert rows["a dog"]["weight"] >= 2
    everything = {row["prompt"]: row for row in planned([(0, "a cat")], controls, control_images=16)[1:]}
    assert {prompt: (row["weight"], len(row["seeds"])) for prompt, row in everything.items()} == {
        "a dog": (6, 12),
        "a bird": (1, 2),
        "a fish": (1, 2),
    }


def test_the_same_control_many_times_is_one(planned: Planned) -> None:
    controls = [(1, "often"), (1, "often"), (1, "another name"), (2, "once")]
    rows = planned([(0, "a cat")], controls, control_images=2)
    assert {row["prompt"]: (row["weight"], len(row["seeds"])) for row in rows[1:]} == {"often": (1, 1), "once": (1, 1)}


def test_a_control_that_looks_like_a_reference_is_not_asked_for(planned: Planned) -> None:
    assert prompts(planned([(0, "a cat")], [(0, "seen"), (1, "unseen")]), "control") == ["unseen"]


def test_a_false_positive_rate_asks_for_as_many_images_of_controls_as_show_it(planned: Planned) -> None:
    def images(**options: Any) -> int:
        rows = planned([(0, "a cat"), (10, "a dog")], CONTROLS, generations=300, **options)
        return sum(len(row["seeds"]) for row in rows if row["role"] == "control")

    assert images() == 32
    assert images(false_positive_rate=0.005) == 200
    assert images(false_positive_rate=0.005, control_images=7) == 7


def test_a_control_s_caption_that_is_any_reference_s_is_no_control_prompt(planned: Planned) -> None:
    references = [(0, "frequent"), (0, "frequent"), (0, "rare")]
    rows = planned(references, [(1, "frequent"), (2, "rare"), (3, "other")])
    assert prompts(rows, "control") == ["other"]


def test_a_reference_s_caption_that_max_prompts_cuts_does_not_become_a_control_s(planned: Planned) -> None:
    assert prompts(planned(LADDER, [(9, "once")], max_prompts=1)) == ["thrice"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("prompts.txt", "a cat\nnew\nnew\n"),
        ("prompts.csv", "prompt\na cat\nnew\nnew\n"),
        ("prompts.jsonl", '{"prompt": "a cat"}\n{"prompt": "new"}\n{"prompt": "new"}\n'),
    ],
)
def test_a_prompts_file_takes_the_place_of_the_references_captions(
    planned: Planned, tmp_path: Path, name: str, content: str
) -> None:
    (tmp_path / name).write_text(content)
    rows = planned([(0, "a cat"), (0, "a cat"), (1, "a dog")], [(2, "new"), (3, "a bird")], prompts=tmp_path / name)
    assert [(row["prompt"], row["role"], row["stratum"], row["weight"], row["multiplicity"]) for row in rows] == [
        ("a cat", "user", "prompts", 1.0, 2),
        ("new", "user", "prompts", 2.0, None),
        ("a bird", "control", "control", 1.0, None),
    ]


def test_the_strata_of_a_prompts_file_are_kept(planned: Planned, tmp_path: Path) -> None:
    (tmp_path / "prompts.csv").write_text("stratum,prompt\nmail,a cat\nweb,a dog\n")
    rows = planned([(0, "")], prompts=tmp_path / "prompts.csv")
    assert [(row["prompt"], row["stratum"]) for row in rows] == [("a cat", "mail"), ("a dog", "web")]


def test_of_a_long_log_a_random_sample_is_taken_that_stands_for_all_its_lines(planned: Planned, tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("".join(f"prompt {number}\n" * (1 + number % 3) for number in range(90)))
    options = {"prompts": tmp_path / "log.txt", "max_prompts": 30}
    rows = planned([(0, "")], **options)
    assert 20 <= len(rows) <= 30
    assert sum(row["weight"] for row in rows) == pytest.approx(180)
    assert prompts(planned([(0, "")], **options)) == prompts(rows)
    assert prompts(planned([(0, "")], seed=1, **options)) != prompts(rows)
    plan_record = json.loads((tmp_path / "run" / "manifest.json").read_text())["stages"]["plan"]
    assert plan_record["prompts_file"]["lines"] == 180
    assert plan_record["prompts_file"]["prompts"] == 90


def test_strata_can_come_from_rules(planned: Planned, tmp_path: Path) -> None:
    (tmp_path / "prompts.csv").write_text("stratum,prompt\nmail,a photo of Batman\nweb,a cat\n")
    rows = planned([(0, "")], prompts=tmp_path / "prompts.csv", strata="rules")
    assert [(row["prompt"], row["stratum"]) for row in rows] == [("a photo of Batman", "named"), ("a cat", "short")]


def test_a_changed_prompts_file_is_noticed(planned: Planned, tmp_path: Path) -> None:
    for text in ("a cat", "a dog"):
        (tmp_path / "prompts.txt").write_text(text)
        assert prompts(planned([(0, "")], prompts=tmp_path / "prompts.txt")) == [text]


def test_a_model_without_prompts_has_one_row_of_many_seeds(planned: Planned) -> None:
    (row,) = planned([(0, "a cat")], [(1, "a dog")], model="unconditional", generations=None)
    assert (row["prompt"], row["role"], row["stratum"], row["weight"]) == ("", "unconditional", "all", 1.0)
    assert len(set(row["seeds"])) == 1000


def test_images_made_elsewhere_are_sorted_into_references_controls_and_others(
    planned: Planned, tmp_path: Path, picture: Callable[[int], bytes]
) -> None:
    for number, prompt in enumerate(["a cat", "a cat", "a dog", "else"]):
        (tmp_path / "made").mkdir(exist_ok=True)
        (tmp_path / f"made/{number}.png").write_bytes(picture(number))
        (tmp_path / f"made/{number}.txt").write_text(prompt)
    rows = planned([(0, "a cat"), (0, "a cat")], [(1, "a dog")], model="folder:made", generations=None)
    assert [(row["prompt"], row["role"], row["stratum"], row["seeds"]) for row in rows] == [
        ("a cat", "reference", "2", [0, 1]),
        ("a dog", "control", "control", [0]),
        ("else", "user", "prompts", [0]),
    ]


@pytest.mark.parametrize(("generations", "count"), [(None, 16), (1, 1), (5, 5)])
def test_each_prompt_has_as_many_seeds_as_generations(planned: Planned, generations: int | None, count: int) -> None:
    rows = planned([(0, "a cat"), (1, "a dog")], generations=generations)
    assert [len(set(row["seeds"])) for row in rows] == [count] * 2


def test_more_generations_keep_the_seeds_that_were_there(planned: Planned) -> None:
    few, many = (planned([(0, "a cat")], generations=count)[0]["seeds"] for count in (3, 7))
    assert many[:3] == few


def test_a_plan_is_the_same_in_every_run(planned: Planned, tmp_path: Path) -> None:
    first = planned(LADDER, [(9, "control")])
    (tmp_path / "run").rename(tmp_path / "old")
    assert planned(LADDER, [(9, "control")]) == first


@given(st.integers(0, 10**12), st.text(st.characters(codec="utf-8")), st.integers(0, 10**6))
def test_seeds_are_exact_in_json_and_javascript(seed: int, prompt: str, number: int) -> None:
    assert 0 <= seed_of(seed, prompt, number) < 2**53


def test_seeds_differ_by_run_prompt_and_number() -> None:
    seeds = {
        seed_of(seed, prompt, number) for seed in (0, 1) for prompt in ("", "a", "1/a", "a/1") for number in range(50)
    }
    assert len(seeds) == 2 * 4 * 50


def test_seeds_and_prompt_ids_never_change() -> None:
    """Runs of earlier versions go on with the images that they have."""
    assert seed_of(0, "a cat", 0) == 4_401_924_429_522_610
    assert seed_of(0, "a cat", 1) == 4_325_232_983_275_678
    assert prompt_id("a cat") == "67f5dfb40b23dda2"
    assert prompt_id("") == "e4a6a0577479b2b4"
