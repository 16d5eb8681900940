from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from PIL import Image

from copyrisk.collections import open_collection
from copyrisk.collections.decode import decode
from copyrisk.errors import UserError
from copyrisk.files import read_table
from copyrisk.options import FadeOptions, TestbedOptions
from copyrisk.testbed import train, train_testbed
from copyrisk.testbed.fade import run_fade
from copyrisk.testbed.pictures import load_pictures, plant
from copyrisk.testbed.pipeline import word_slots

SMALL = {
    "images": "digits",
    "side": 8,
    "ladder": "1,2,4",
    "per_step": 2,
    "limit": 20,
    "held_out": 5,
    "width": 32,
    "batch_size": 16,
}


def test_the_ladder_is_planted_as_asked() -> None:
    planting = plant(load_pictures("digits", 8), TestbedOptions())
    counts = dict(zip(*np.unique(planting.multiplicity, return_counts=True), strict=True))
    assert counts == {0: 400, 1: 1797 - 400 - 70, **{2**step: 10 for step in range(1, 8)}}
    assert len(planting.training_rows()) == 1327 + 10 * 254


def test_another_seed_plants_other_pictures() -> None:
    pictures = load_pictures("digits", 8)
    first, second = (plant(pictures, TestbedOptions(seed=seed)).multiplicity for seed in (0, 1))
    assert (first != second).any()
    assert (first == plant(pictures, TestbedOptions(seed=0)).multiplicity).all()


def test_too_few_pictures_are_an_error() -> None:
    with pytest.raises(UserError, match="Give a shorter --ladder"):
        plant(load_pictures("digits", 8), TestbedOptions(limit=50, held_out=10))


def test_the_training_set_holds_the_duplicates_and_not_the_controls(tmp_path: Path) -> None:
    made = train_testbed(TestbedOptions(out=tmp_path / "bed", steps=2, **SMALL))  # type: ignore[arg-type]
    planted = read_table(made.planted).to_pandas().set_index("name")["multiplicity"]
    items = list(open_collection(str(made.references), "--references").items())
    names = [item.id.partition("/")[0] for item in items]
    assert all(names.count(name) == planted[name] for name in set(names))
    assert sorted({planted[name] for name in names}) == [1, 2, 4]
    assert made.controls is not None
    controls = list(open_collection(str(made.controls), "--controls").items())
    assert len(controls) == 5
    assert all(planted[Path(item.id).stem] == 0 and item.caption for item in controls)
    assert decode(items[0].read()).size == (8, 8)


def test_any_program_loads_the_saved_pipeline(tmp_path: Path) -> None:
    made = train_testbed(TestbedOptions(out=tmp_path / "bed", steps=2, **SMALL))  # type: ignore[arg-type]
    pipeline = DiffusionPipeline.from_pretrained(made.model, trust_remote_code=True)
    pipeline.set_progress_bar_config(disable=True)
    first, again = (
        pipeline("handwritten digit three", generator=torch.Generator().manual_seed(1)).images[0] for _ in range(2)
    )
    assert first.size == (8, 8)
    assert first.tobytes() == again.tobytes()
    guided = pipeline("handwritten digit three", guidance_scale=3.0, generator=torch.Generator().manual_seed(1)).images[
        0
    ]
    assert guided.size == (8, 8)


def test_a_model_of_three_pictures_gives_back_the_one_whose_caption_is_the_prompt(tmp_path: Path) -> None:
    options = TestbedOptions(
        out=tmp_path / "bed", side=16, limit=3, held_out=1, ladder="1", width=64, batch_size=32, steps=300
    )
    made = train_testbed(options)
    pipeline = DiffusionPipeline.from_pretrained(made.model, trust_remote_code=True)
    pipeline.set_progress_bar_config(disable=True)
    items = list(open_collection(str(made.references), "--references").items())
    planted = np.stack([np.asarray(decode(item.read())) for item in items]) / 255
    for row, item in enumerate(items):
        noise = [torch.Generator().manual_seed(seed) for seed in range(4)]
        images = np.stack(pipeline([item.caption] * 4, generator=noise).images) / 255
        distances = np.sqrt(((images[:, None] - planted) ** 2).mean((2, 3, 4)))
        assert (distances.argmin(1) == row).all()
        assert distances[:, row].max() < 0.15


def test_a_picture_of_the_testbed_does_not_depend_on_its_batch_to_the_last_bit(tmp_path: Path) -> None:
    from copyrisk.generators import open_generator
    from copyrisk.options import Options

    made = train_testbed(TestbedOptions(out=tmp_path / "bed", steps=20, **SMALL))  # type: ignore[arg-type]
    generator = open_generator(Options(model=f"diffusers:{made.model}", trust_remote_code=True, batch_size=64))
    prompts, seeds = [f"digit {number}" for number in range(50)], list(range(50))
    together = generator.generate(prompts, seeds)
    apart = [image for at in range(0, 50, 7) for image in generator.generate(prompts[at : at + 7], seeds[at : at + 7])]
    assert all(np.array_equal(np.asarray(a), np.asarray(b)) for a, b in zip(together, apart, strict=True))


def test_training_that_was_interrupted_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "CHECKPOINT_SECONDS", 0.0)
    whole = train_testbed(TestbedOptions(out=tmp_path / "whole", steps=12, **SMALL))  # type: ignore[arg-type]
    save, count = train._save, 0

    def interrupted(*arguments: object) -> None:
        nonlocal count
        save(*arguments)  # type: ignore[arg-type]
        count += 1
        if count == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(train, "_save", interrupted)
    options = TestbedOptions(out=tmp_path / "parts", steps=12, **SMALL)  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        train_testbed(options)
    parts = train_testbed(options)
    assert count == 12, "five steps before, seven after: none twice"
    weights = [next((bed.model / "network").glob("*.safetensors")).read_bytes() for bed in (whole, parts)]
    assert weights[0] == weights[1]


def test_a_finished_testbed_is_kept_and_another_is_refused(tmp_path: Path) -> None:
    options = TestbedOptions(out=tmp_path / "bed", steps=2, **SMALL)  # type: ignore[arg-type]
    before = (train_testbed(options).model / "model_index.json").stat().st_mtime_ns
    assert (train_testbed(options).model / "model_index.json").stat().st_mtime_ns == before
    with pytest.raises(UserError, match="other options"):
        train_testbed(TestbedOptions(out=tmp_path / "bed", steps=3, **SMALL))  # type: ignore[arg-type]


def test_own_images_are_scaled_and_captioned(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    for colour in ("red", "green", "blue"):
        Image.new("RGB", (40, 20), colour).save(tmp_path / "own" / f"{colour}.png")
    (tmp_path / "own" / "broken.png").write_text("junk")
    pictures = load_pictures(str(tmp_path / "own"), 16)
    assert pictures.pixels.shape == (3, 16, 16, 3)
    assert pictures.captions == ["blue, picture 00000", "green, picture 00001", "red, picture 00002"]


def test_words_have_the_same_slots_everywhere() -> None:
    slots = word_slots(["Handwritten digit three, scan 0412", ""], 8192)
    assert slots.shape == (2, 16)
    assert slots[0, :6].tolist() == [6875, 6673, 3894, 6525, 317, 0]
    assert (slots[1] == 0).all()


def test_fading_makes_the_images_it_says_and_few_of_controls(tmp_path: Path) -> None:
    ((size, images, *_),) = run_fade(FadeOptions(out=tmp_path, sizes="2", held_out=30, steps=2))
    assert (size, images) == (2, 1000)
    plan = read_table(tmp_path / "2" / "run" / "plan.parquet").to_pandas()
    made = plan["seeds"].map(len).groupby(plan["role"]).sum()
    assert made.to_dict() == {"reference": 1000, "control": 120}
