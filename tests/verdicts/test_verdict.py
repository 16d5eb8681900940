"""Planted copies are found with the place and the area they have; what is not a copy is none."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.verdicts.landscapes import landscape

from copyrisk.verdicts.prepared import Prepared
from copyrisk.verdicts.verdict import Alignment, Evidence, compare, compare_many


def saved_again(image: Image.Image, quality: int) -> Image.Image:
    held = io.BytesIO()
    image.save(held, "jpeg", quality=quality)
    return Image.open(held).convert("RGB")


def pasted(part: Image.Image, background: Image.Image, left: int, top: int) -> Image.Image:
    image = background.copy()
    image.paste(part, (left, top))
    return image


def overlap(evidence: Evidence, left: float, top: float, right: float, bottom: float) -> float:
    """Intersection over union of the mask and a box of the generation, 0 to 1."""
    rows, columns = evidence.mask.shape
    down, across = (np.arange(rows) + 0.5) / rows, (np.arange(columns) + 0.5) / columns
    box = ((down > top) & (down < bottom))[:, None] & ((across > left) & (across < right))[None]
    return float((box & evidence.mask).sum() / (box | evidence.mask).sum())


def test_a_picture_saved_again_is_a_copy_of_itself():
    evidence = compare(saved_again(landscape(1), 40), landscape(1))
    assert evidence.verdict == "copy"
    assert evidence.share > 0.95 and evidence.informative_share > 0.95
    assert evidence.alignment is not None
    assert not evidence.alignment.mirrored
    assert evidence.alignment.angle == pytest.approx(0, abs=0.5)
    assert np.array(evidence.alignment.matrix) == pytest.approx(np.array([[1, 0, 0], [0, 1, 0]]), abs=0.02)
    assert evidence.alignment.box == pytest.approx((0, 0, 1, 1), abs=0.03)
    assert evidence.distances["inside"] < 0.05
    assert evidence.distances["correlation"] > 0.8


def test_other_pictures_are_no_copies():
    references = [landscape(seed) for seed in range(100, 125)]
    for seed in range(2):
        for evidence in compare_many(landscape(seed), references):
            assert evidence.verdict == "no copy"


@pytest.mark.parametrize("size", [(32, 32), (640, 427), (300, 500)])
def test_sizes_and_proportions_do_not_matter(size):
    reference = landscape(2, (256, 192))
    evidence = compare(reference.resize(size, Image.Resampling.BOX), reference)
    assert evidence.verdict == "copy"
    assert evidence.alignment is not None
    assert evidence.alignment.matrix[0][0] == pytest.approx(1, abs=0.05)
    assert evidence.alignment.matrix[1][1] == pytest.approx(1, abs=0.05)


def test_a_mirrored_crop_is_a_copy_and_the_crop_is_known():
    reference = landscape(3, (200, 200))
    cropped = reference.crop((20, 40, 180, 200)).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    evidence = compare(cropped, reference)
    assert evidence.verdict == "copy"
    assert evidence.alignment is not None
    assert evidence.alignment.mirrored
    assert evidence.alignment.scale == pytest.approx(1 / 0.8, abs=0.03)
    # The mirror image's left edge is the crop's right one.
    assert np.array(evidence.alignment.matrix) == pytest.approx(np.array([[-0.8, 0, 0.9], [0, 0.8, 0.2]]), abs=0.02)
    assert evidence.alignment.box == pytest.approx((0.1, 0.2, 0.9, 1.0), abs=0.04)


@pytest.mark.parametrize("enlarged", [0.6, 0.8, 1.0, 1.25, 1.5])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_part_in_another_picture_is_a_partial_copy_with_its_mask(enlarged, mirrored):
    side = int(72 / enlarged)
    part = landscape(4, (160, 160)).crop((35, 30, 35 + side, 30 + side))
    part = part.resize((72, 72), Image.Resampling.BICUBIC)
    part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else part
    evidence = compare(pasted(part, landscape(5, (160, 160)), 16, 64), landscape(4, (160, 160)))
    assert evidence.verdict == "partial copy"
    assert overlap(evidence, 16 / 160, 64 / 160, 88 / 160, 136 / 160) > 0.6
    assert evidence.share == pytest.approx((72 / 160) ** 2, abs=0.08)
    assert evidence.alignment is not None
    assert evidence.alignment.mirrored == mirrored
    assert evidence.alignment.scale == pytest.approx(enlarged, rel=0.06)
    left, top, right, bottom = evidence.alignment.box
    expected = np.array([35, 30, 35 + side, 30 + side]) / 160
    assert [left, top, right, bottom] == pytest.approx(list(expected), abs=0.07)


def test_recolouring_is_undone_and_reported():
    values = np.asarray(landscape(6), np.float64)
    recoloured = np.clip(values * [0.7, 0.8, 0.6] + [50, 20, 30], 0, 255).astype(np.uint8)
    evidence = compare(Image.fromarray(recoloured), landscape(6))
    assert evidence.verdict == "copy"
    assert evidence.alignment is not None
    assert evidence.alignment.gain == pytest.approx((0.7, 0.8, 0.6), abs=0.05)
    assert evidence.alignment.offset == pytest.approx((50 / 255, 20 / 255, 30 / 255), abs=0.03)
    assert evidence.distances["inside"] < 0.03


def test_noise_over_a_copy_lowers_the_statistic_but_does_not_hide_it():
    random, values = np.random.default_rng(0), np.asarray(landscape(7), np.float64)
    statistics = []
    for noise in (0, 20, 60):
        noisy = np.clip(values + noise * random.standard_normal(values.shape), 0, 255).astype(np.uint8)
        evidence = compare(Image.fromarray(noisy), landscape(7))
        assert evidence.verdict == "copy"
        statistics.append(evidence.statistic)
    assert statistics == sorted(statistics, reverse=True)


def test_pictures_in_the_same_frame_are_no_copies():
    framed = [pasted(landscape(seed, (96, 96)), Image.new("RGB", (128, 128), (0, 0, 0)), 16, 16) for seed in (8, 9)]
    assert compare(framed[0], framed[1]).verdict == "no copy"


def test_a_logo_on_many_references_proves_nothing():
    logo = landscape(10, (72, 72))
    signed = [pasted(logo, landscape(seed), 50, 50) for seed in range(20, 26)]
    generation = pasted(logo, landscape(11), 50, 50)
    assert compare(generation, signed[0]).verdict == "partial copy"
    assert {evidence.verdict for evidence in compare_many(generation, signed)} == {"no copy"}


def test_what_only_one_reference_has_counts_beside_what_is_common():
    logo = landscape(10, (72, 72))
    signed = [pasted(logo, landscape(seed), 50, 50) for seed in range(20, 26)]
    found = compare_many(saved_again(signed[3], 60), signed)
    assert [evidence.verdict for evidence in found] == ["no copy"] * 3 + ["copy"] + ["no copy"] * 2


def test_the_same_picture_twice_among_the_references_is_found_twice():
    references = [landscape(20), saved_again(landscape(20), 70), landscape(20).resize((90, 90)), landscape(21)]
    found = compare_many(saved_again(landscape(20), 50), references)
    assert [evidence.verdict for evidence in found] == ["copy", "copy", "copy", "no copy"]


@pytest.mark.parametrize("angle", [-170, -90, -41, 15, 90, 120, 180])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_picture_turned_by_any_angle_is_a_copy_and_the_angle_is_known(angle, mirrored):
    reference = landscape(30, (256, 200))
    turned = reference.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else reference
    evidence = compare(turned.rotate(-angle, Image.Resampling.BICUBIC, expand=True), reference)
    assert evidence.verdict == "copy"
    assert isinstance(evidence.alignment, Alignment)
    assert evidence.alignment.mirrored == mirrored
    off = (evidence.alignment.angle - angle + 180) % 360 - 180
    assert off == pytest.approx(0, abs=1.5)


def test_there_is_no_evidence_in_flat_pictures():
    flat = Image.new("RGB", (64, 64), (120, 130, 140))
    for other in (flat, landscape(12)):
        evidence = compare(flat, other)
        assert (evidence.verdict, evidence.statistic) == ("no copy", 0.0)
        assert evidence.alignment is None and not evidence.mask.any()


def test_a_gradient_is_no_evidence():
    across = np.linspace(20, 230, 96)
    gradients = [Image.fromarray(np.broadcast_to(a[:, :, None], (96, 96, 3)).astype(np.uint8)) for a in (
        np.broadcast_to(across, (96, 96)), np.broadcast_to(across[:, None], (96, 96)) * 0.5 + across[None] * 0.5
    )]  # fmt: skip
    for one in gradients:
        assert all(evidence.verdict == "no copy" for evidence in compare_many(one, gradients))


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (7, 9), (1000, 30)])
def test_any_size_has_a_verdict(size):
    for first, second in (
        (landscape(13, size), landscape(14)),
        (landscape(14), landscape(13, size)),
        (landscape(13, size), landscape(13, size)),
    ):
        assert compare(first, second).verdict in {"copy", "partial copy", "no copy"}


def test_many_at_once_are_as_one_by_one():
    generation = pasted(landscape(15).crop((0, 0, 70, 70)), landscape(16), 30, 30)
    references = [landscape(seed) for seed in (14, 15, 16, 17)]
    together = compare_many(Prepared(generation), [Prepared(reference) for reference in references])
    for evidence, reference in zip(together, references, strict=True):
        alone = compare(generation, reference)
        assert (alone.verdict, alone.statistic, alone.alignment) == (
            evidence.verdict,
            evidence.statistic,
            evidence.alignment,
        )
        assert (alone.mask == evidence.mask).all()


def test_the_threshold_decides():
    generation, reference = saved_again(landscape(18), 50), landscape(18)
    statistic = compare(generation, reference).statistic
    assert compare(generation, reference, statistic).verdict == "copy"
    assert compare(generation, reference, statistic * 1.001).verdict == "no copy"


@settings(max_examples=15, deadline=None)
@given(left=st.integers(0, 60), top=st.integers(0, 60), side=st.integers(24, 67))
def test_shares_and_boxes_are_within_the_pictures(left, top, side):
    part = landscape(19).crop((10, 10, 10 + side, 10 + side))
    evidence = compare(pasted(part, landscape(20), left, top), landscape(19))
    assert evidence.statistic >= 0
    assert evidence.share == evidence.mask.mean()
    assert 0 <= evidence.informative_share <= 1
    if evidence.alignment is not None:
        x0, y0, x1, y1 = evidence.alignment.box
        assert 0 <= x0 <= x1 <= 1 and 0 <= y0 <= y1 <= 1
    if side > 60:
        assert evidence.verdict == "partial copy"


def test_without_any_threshold_what_lies_nowhere_is_still_no_copy():
    flat = Image.new("RGB", (64, 64), (120, 130, 140))
    assert compare(flat, landscape(12), 0.0).verdict == "no copy"
    assert compare(saved_again(landscape(12), 60), landscape(12), 0.0).verdict == "copy"
