"""What says whether two images are the same picture: a rule for each kind of descriptor."""

from typing import Protocol

from copyrisk.descriptors import Descriptor, trait
from copyrisk.descriptors.photo import Photo
from copyrisk.duplicates.by_distance import ByDistance
from copyrisk.duplicates.by_verification import ByVerification
from copyrisk.duplicates.closer import Closer
from copyrisk.duplicates.images import Images
from copyrisk.duplicates.pairs import SAME, Pairs
from copyrisk.duplicates.searching import Searching
from copyrisk.errors import UserError
from copyrisk.index.search import Integers
from copyrisk.options import DuplicatesOptions

LIKENESS = 0.9
"""The least likeness of pictures whose distance is that of pixels."""


class Rule(Protocol):
    """What counts as the same picture; `distance` is the largest that is looked at."""

    @property
    def distance(self) -> float:
        """The largest distance that is looked at."""

    @property
    def searching(self) -> Searching:
        """How near pairs are looked for."""

    def within(self, images: Images) -> Pairs:
        """Find the pairs i < j of the first images of groups that are near, duplicates or not."""

    def between(self, a: Images, b: Images) -> Pairs:
        """Find the pairs of a first image of a group of `a` and of `b` that are near, duplicates or not."""

    def nearest(self, a: Images, b: Images, near: Pairs, k: int) -> Pairs:
        """Find the `k` nearest of `b` for each image of `a`, the best first; `near` is what was found before."""

    def cohesion(self, images: Images, clusters: list[Integers]) -> list[tuple[float | None, float]]:
        """Return the largest distance (None: not known) and the lowest score of any two members of each cluster.

        clusters: the different pictures of each, the least sure first.
        """


def rule_for(descriptor: Descriptor, options: DuplicatesOptions) -> Rule:
    """Return the rule for a descriptor; raise UserError where an option does not fit it or a distance is missing."""
    distance, candidates = options.duplicate_distance, trait(descriptor, "candidate_distance")
    name = descriptor.specifier.partition(":")[0]
    if options.likeness is not None and name != "pixels":
        raise UserError(f"--likeness is for pixels: {descriptor.specifier} has no likeness. Leave it out.")
    if candidates is not None:
        return ByVerification(
            descriptor,
            candidates if distance is None else distance,
            options.score or SAME,
            options.workers,
            Searching(options.approximate),
            Closer(options.workers) if isinstance(descriptor, Photo) else None,
        )
    if options.score is not None:
        raise UserError(f"--score is for descriptors as photo: by {descriptor.specifier}, --distance decides.")
    if distance is None:
        distance = trait(descriptor, "duplicate_distance")
    if distance is None:
        raise UserError(
            f"nothing is known of how far apart duplicates are by {descriptor.specifier}: give --distance. Try one "
            "with --nearest 1 and look at what it finds."
        )
    likeness = LIKENESS if options.likeness is None else options.likeness
    return ByDistance(distance, likeness, Searching(options.approximate))
