"""A picture always has a nearest reference, and a copy turned by a quarter is among the candidates."""

import numpy as np
from PIL import Image
from tests.verdicts.landscapes import landscape

from copyrisk.descriptors.photo import Photo
from copyrisk.verdicts.references import References


def references(pictures: list[Image.Image]) -> References:
    rows = Photo().describe_many(pictures)
    return References(rows, np.ones(len(pictures)), lambda numbers: {number: pictures[number] for number in numbers})


def test_a_picture_like_nothing_else_has_a_nearest_reference_that_is_no_copy():
    known = references([landscape(seed) for seed in range(5)])
    plain = Image.new("RGB", (64, 64), (120, 130, 140))
    judged, gone = known.judge(plain, Photo().describe(plain))
    assert len(judged) >= 1 and not gone
    assert all(evidence.verdict == "no copy" for _, evidence in judged)


def test_a_picture_turned_by_a_quarter_is_a_copy_of_its_reference():
    known = references([landscape(seed) for seed in range(5)])
    turned = landscape(3).transpose(Image.Transpose.ROTATE_90)
    judged, _ = known.judge(turned, Photo().describe(turned))
    assert [number for number, evidence in judged if evidence.verdict == "copy"] == [3]
