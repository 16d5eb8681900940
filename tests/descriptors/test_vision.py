import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import torch
import transformers
from huggingface_hub import errors
from PIL import Image
from safetensors.torch import load_file, save_file

from copyrisk.descriptors import open_descriptor
from copyrisk.errors import UserError

Pictures = Callable[..., list[Image.Image]]
Model = Callable[..., Path]

VISION = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 28, "patch_size": 14}
TEXT = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 37, "vocab_size": 99}
CUT = {"size": {"shortest_edge": 32}, "crop_size": {"height": 28, "width": 28}}
SQUARE = {"size": {"height": 28, "width": 28}}


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """Save a tiny model with random weights and its image processor, by the name of its kind."""

    def save(kind: str, processor: bool = True) -> Path:
        torch.manual_seed(0)
        vit = VISION | {"intermediate_size": 37}
        match kind:
            case "dinov2":
                network: Any = transformers.Dinov2Model(transformers.Dinov2Config(**VISION))
                prepare: Any = transformers.BitImageProcessorPil(**CUT)
            case "clip":
                network = transformers.CLIPModel(
                    transformers.CLIPConfig(text_config=TEXT, vision_config=vit, projection_dim=24)
                )
                prepare = transformers.CLIPImageProcessorPil(**CUT)
            case "siglip":
                network = transformers.SiglipModel(transformers.SiglipConfig(text_config=TEXT, vision_config=vit))
                prepare = transformers.SiglipImageProcessorPil(**SQUARE)
            case "vit" | "vit without pooler":
                network = transformers.ViTModel(transformers.ViTConfig(**vit), add_pooling_layer=kind == "vit")
                prepare = transformers.ViTImageProcessorPil(**SQUARE)
            case "resnet":
                network = transformers.ResNetModel(
                    transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1])
                )
                prepare = transformers.ViTImageProcessorPil(**SQUARE)
            case "masked":
                network = transformers.ViTMAEModel(transformers.ViTMAEConfig(**vit))
                prepare = transformers.ViTImageProcessorPil(**SQUARE)
            case "text":
                network = transformers.BertModel(transformers.BertConfig(**TEXT))
                prepare = transformers.ViTImageProcessorPil(**SQUARE)
        folder = tmp_path / kind
        network.save_pretrained(folder)
        if processor:
            prepare.save_pretrained(folder)
        return folder

    return save


def by_hand(folder: Path, picture: Image.Image) -> tuple[Any, Any]:
    """Return the model and the prepared picture, as the library's own pages say."""
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    return transformers.AutoModel.from_pretrained(folder).eval(), processor(picture, return_tensors="pt").pixel_values


def unit(values: Any) -> Any:
    values = values.detach().numpy().reshape(-1)
    return values / np.linalg.norm(values)


def test_dinov2_gives_its_class_token(model: Model, pictures: Pictures) -> None:
    folder, [picture] = model("dinov2"), pictures((50, 40))
    network, values = by_hand(folder, picture)
    expected = unit(network(pixel_values=values).last_hidden_state[:, 0])
    descriptor = open_descriptor(f"transformers:{folder}")
    assert (descriptor.dimensions, descriptor.dtype, descriptor.metric) == (32, "float32", "cosine")
    assert np.allclose(descriptor.describe(picture), expected, atol=1e-6)


@pytest.mark.parametrize(("kind", "dimensions"), [("clip", 24), ("siglip", 32)])
def test_clip_and_siglip_give_their_image_features(
    model: Model, pictures: Pictures, kind: str, dimensions: int
) -> None:
    folder, [picture] = model(kind), pictures((50, 40))
    network, values = by_hand(folder, picture)
    descriptor = open_descriptor(f"transformers:{folder}")
    assert descriptor.dimensions == dimensions
    expected = unit(network.get_image_features(pixel_values=values).pooler_output)
    assert np.allclose(descriptor.describe(picture), expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["vit", "resnet"])
def test_others_give_their_pooling_layer(model: Model, pictures: Pictures, kind: str) -> None:
    folder, [picture] = model(kind), pictures((50, 40))
    network, values = by_hand(folder, picture)
    row = open_descriptor(f"transformers:{folder}").describe(picture)
    assert np.allclose(row, unit(network(pixel_values=values).pooler_output), atol=1e-6)


def test_a_pooling_layer_without_weights_is_not_used(model: Model, pictures: Pictures) -> None:
    # The library makes such a layer up, with other weights each time.
    folder, [picture] = model("vit without pooler"), pictures((50, 40))
    network, values = by_hand(folder, picture)
    row = open_descriptor(f"transformers:{folder}").describe(picture)
    assert np.allclose(row, unit(network(pixel_values=values).last_hidden_state[:, 0]), atol=1e-6)


def test_an_option_says_what_to_read_off(model: Model, pictures: Pictures) -> None:
    folder, [picture] = model("vit"), pictures((50, 40))
    network, values = by_hand(folder, picture)
    output = network(pixel_values=values)
    expected = {"pooler": output.pooler_output, "cls": output.last_hidden_state[:, 0]}
    expected["mean"] = output.last_hidden_state.mean(dim=1)
    for pool, row in expected.items():
        assert np.allclose(
            open_descriptor(f"transformers:{folder}?pool={pool}").describe(picture), unit(row), atol=1e-6
        )
    with pytest.raises(UserError, match="pool=max is not known. Give pooler, cls, mean"):
        open_descriptor(f"transformers:{folder}?pool=max")


@pytest.mark.parametrize("kind", ["dinov2", "clip", "siglip"])
def test_a_row_does_not_depend_on_other_pictures(model: Model, pictures: Pictures, kind: str) -> None:
    descriptor, images = open_descriptor(f"transformers:{model(kind)}"), pictures((50, 40), (9, 9), (50, 41), (64, 20))
    rows = descriptor.describe_many(images)
    again = open_descriptor(descriptor.specifier)
    assert np.array_equal(rows[1:3], again.describe_many(images[1:3]))


def test_a_changed_file_of_the_model_changes_the_specifier(model: Model) -> None:
    folder = model("dinov2")
    before = open_descriptor(f"transformers:{folder}").specifier
    (folder / "README.md").write_text("About this model")
    assert open_descriptor(f"transformers:{folder}").specifier == before
    processor = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps(processor | {"image_mean": [0, 0, 0]}))
    assert open_descriptor(f"transformers:{folder}").specifier != before
    with pytest.raises(UserError, match="not the weights that are asked for"):
        open_descriptor(before)


def test_what_is_no_vision_model_is_refused(model: Model, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no image processor \(preprocessor_config.json\).*save_pretrained"):
        open_descriptor(f"transformers:{model('dinov2', processor=False)}")
    with pytest.raises(UserError, match="BertModel sees no images"):
        open_descriptor(f"transformers:{model('text')}").dimensions  # noqa: B018
    with pytest.raises(UserError, match="has no config.json or no weights"):
        open_descriptor(f"transformers:{tmp_path}")
    with pytest.raises(UserError, match="there is no folder .*/nothing, and it is no hub id"):
        open_descriptor(f"transformers:{tmp_path}/nothing")


def test_a_model_with_chance_in_it_is_refused(model: Model) -> None:
    with pytest.raises(UserError, match="other rows when it sees the same pictures again"):
        open_descriptor(f"transformers:{model('masked')}").dimensions  # noqa: B018


def test_weights_that_are_incomplete_or_damaged_are_refused(model: Model) -> None:
    weights = model("dinov2") / "model.safetensors"
    whole = load_file(weights)
    save_file({name: value for name, value in whole.items() if "layer.1." not in name}, weights, {"format": "pt"})
    with pytest.raises(UserError, match=r"incomplete: \d+ are missing.*, the first .*layer\.1\."):
        open_descriptor(f"transformers:{weights.parent}").dimensions  # noqa: B018
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(UserError, match="cannot be loaded"):
        open_descriptor(f"transformers:{weights.parent}").dimensions  # noqa: B018


def test_a_hub_id_is_downloaded_and_stays_its_name(
    model: Model, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, asked = model("dinov2"), []

    def download(name: str, revision: str | None, allow_patterns: list[str]) -> str:
        asked.append((name, revision))
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    descriptor = open_descriptor("transformers:organisation/name?revision=v1")
    assert asked == [("organisation/name", "v1")]
    assert descriptor.specifier.startswith("transformers:organisation/name?revision=v1&sha256=")
    [picture] = pictures((50, 40))
    assert np.array_equal(descriptor.describe(picture), open_descriptor(f"transformers:{folder}").describe(picture))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (errors.GatedRepoError, "Accept their terms on the page of organisation/name.*hf auth login"),
        (errors.RepositoryNotFoundError, "no such model on the hub, or it is private"),
        (errors.RevisionNotFoundError, "has no revision v9"),
        (errors.LocalEntryNotFoundError, "the hub cannot be reached.*Copy the model's folder here"),
    ],
)
def test_what_the_hub_does_not_give_is_an_error(
    error: type[Exception], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(name: str, revision: str | None, allow_patterns: list[str]) -> str:
        raise error.__new__(error)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    with pytest.raises(UserError, match=message):
        open_descriptor("transformers:organisation/name?revision=v9")
