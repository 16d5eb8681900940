"""Which rule and which limits a descriptor gets."""

from types import SimpleNamespace
from typing import Any

import pytest

from copyrisk.descriptors.photo import Photo
from copyrisk.descriptors.pixels import Pixels
from copyrisk.duplicates.by_distance import ByDistance
from copyrisk.duplicates.by_verification import ByVerification
from copyrisk.duplicates.closer import Closer
from copyrisk.duplicates.rules import rule_for
from copyrisk.errors import UserError
from copyrisk.options import DuplicatesOptions

PHOTO, PIXELS = Photo(), Pixels("16")


def other(specifier: str, **more: float) -> Any:
    """A descriptor of another package, which has no more than it must."""
    return SimpleNamespace(specifier=specifier, dimensions=8, **more)


def test_each_descriptor_has_limits_of_its_own() -> None:
    assert rule_for(PIXELS, DuplicatesOptions()) == ByDistance(0.05, 0.9)
    assert rule_for(other("mine", duplicate_distance=0.3), DuplicatesOptions()).distance == 0.3
    assert rule_for(PHOTO, DuplicatesOptions()) == ByVerification(PHOTO, PHOTO.candidate_distance, 0.5, closer=Closer())


def test_options_take_their_place() -> None:
    assert rule_for(PIXELS, DuplicatesOptions(duplicate_distance=0, likeness=0.5)) == ByDistance(0, 0.5)
    assert rule_for(PHOTO, DuplicatesOptions(duplicate_distance=0.05, score=0.7)) == ByVerification(
        PHOTO, 0.05, 0.7, closer=Closer()
    )


@pytest.mark.parametrize(
    ("descriptor", "given", "message"),
    [
        (other("transformers:facebook/dinov2-small"), {}, "give --distance"),
        (PHOTO, {"likeness": 0.5}, "--likeness is for pixels"),
        (PIXELS, {"score": 0.6}, "--score is for descriptors as photo"),
    ],
)
def test_what_does_not_fit_a_descriptor_is_said(descriptor: Any, given: dict[str, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        rule_for(descriptor, DuplicatesOptions(**given))  # type: ignore[arg-type]
