"""What agrees is evidence, unless other pictures agree as well."""

import numpy as np
import pytest
from PIL import Image
from tests.verdicts.landscapes import landscape

from copyrisk.verdicts.alignment import Laid, Level, windows_at
from copyrisk.verdicts.evidence import common_of, different, weigh
from copyrisk.verdicts.prepared import Prepared


def laid_as_it_is(picture: Prepared, reference: Image.Image) -> Laid:
    """A reference of the picture's size, laid under it without moving it."""
    ready, place = Prepared(reference), np.array([[1.0, 0, 0], [0, 1, 0]])
    levels = range(picture.whole, len(picture.levels))
    return Laid(ready, place, {level: Level(*windows_at(picture, level, ready, place)) for level in levels})


def signed(seed: int) -> Image.Image:
    """A picture with the same logo at the same place as others: from 50 to 122 across and down, of 128."""
    image = landscape(seed)
    image.paste(landscape(10, (72, 72)), (50, 50))
    return image


PICTURE = Prepared(signed(1))


def test_a_picture_is_all_evidence_for_itself_and_none_for_another() -> None:
    itself, other = (weigh(PICTURE, laid_as_it_is(PICTURE, image)) for image in (signed(1), landscape(2)))
    assert itself.share > 0.95 and itself.area.mean() > 0.9
    assert itself.statistic == pytest.approx(itself.evidence[itself.area].sum())
    assert itself.statistic > 100 * max(other.statistic, 0.1)
    assert other.evidence.sum() < 0


def test_the_evidence_for_a_part_is_where_it_is() -> None:
    part = weigh(PICTURE, laid_as_it_is(PICTURE, signed(2)))
    down, across = np.nonzero(part.area)
    size = 128 / (part.area.shape[0] + 1)
    assert [down.min() * size, across.min() * size] == pytest.approx([50, 50], abs=16)
    assert [(down.max() + 2) * size, (across.max() + 2) * size] == pytest.approx([122, 122], abs=16)
    assert 0.15 < part.share < 0.5
    assert 0 < part.statistic < weigh(PICTURE, laid_as_it_is(PICTURE, signed(1))).statistic / 3


def test_it_takes_two_witnesses_to_make_something_common() -> None:
    laid, first, second = (laid_as_it_is(PICTURE, signed(seed)) for seed in (2, 3, 4))
    assert common_of(PICTURE, laid, []) == common_of(PICTURE, laid, [first]) == {}
    common = common_of(PICTURE, laid, [first, second])
    assert set(common) == set(laid.levels)
    finest = common[PICTURE.whole]
    middle, corner = finest.shape[0] * 86 // 128, finest.shape[0] // 8
    assert finest[middle, middle] > 0.9
    assert finest[:corner, :corner].max() < 0.7


def test_what_is_common_proves_nothing() -> None:
    laid, *others = (laid_as_it_is(PICTURE, signed(seed)) for seed in (2, 3, 4))
    alone = weigh(PICTURE, laid).statistic
    assert weigh(PICTURE, laid, common_of(PICTURE, laid, others[:1])).statistic == alone
    assert weigh(PICTURE, laid, common_of(PICTURE, laid, others)).statistic < 0.1 * alone


def test_the_same_picture_again_is_no_witness() -> None:
    laid, again, other = (laid_as_it_is(PICTURE, image) for image in (signed(2), signed(2), signed(3)))
    assert not different(PICTURE, laid, again)
    assert different(PICTURE, laid, other)
    assert common_of(PICTURE, laid, [again, other]) == common_of(PICTURE, laid, [again, again]) == {}
