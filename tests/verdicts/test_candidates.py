from collections.abc import Callable

import numpy as np
import pytest
import scipy.ndimage

from copyrisk.verdicts import candidates
from copyrisk.verdicts.candidates import Candidates

Grey = np.ndarray


def photograph(seed: int) -> Grey:
    """Grey values that are smooth as a photograph's are: amplitude falls as one over frequency."""
    generator = np.random.default_rng(seed)
    values = sum(
        scipy.ndimage.gaussian_filter(generator.standard_normal((32, 32)), radius) * radius for radius in (0.5, 1, 2, 4)
    )
    return np.clip(128 + 60 * values / values.std(), 0, 255).astype(np.uint8)


REFERENCES = np.array([photograph(seed) for seed in range(300)])


def upper_half(generation: Grey, reference: Grey) -> Grey:
    return np.concatenate([reference[4:22], generation[18:]])


CHANGES: list[Callable[[Grey, Grey], Grey]] = [
    lambda _, reference: reference,
    lambda _, reference: reference[:, ::-1],
    lambda _, reference: np.clip(0.7 * reference.astype(float) + 30, 0, 255).astype(np.uint8),
    lambda _, reference: np.roll(reference, 5, axis=1),
    lambda _, reference: np.clip(scipy.ndimage.zoom(reference.astype(float), 1.25)[:32, :32], 0, 255).astype(np.uint8),
    upper_half,
    lambda generation, reference: upper_half(generation, reference)[:, ::-1],
]


@pytest.mark.parametrize("change", CHANGES)
def test_what_holds_a_part_of_a_reference_has_it_among_its_candidates(change: Callable[[Grey, Grey], Grey]) -> None:
    found = Candidates(REFERENCES).of(
        np.array([change(photograph(1000 + number), REFERENCES[number]) for number in range(20)])
    )
    hits = [number in found[number] for number in range(20)]
    assert np.mean(hits) >= 0.95


def test_the_same_picture_is_the_first_candidate() -> None:
    assert Candidates(REFERENCES).of(REFERENCES[:10])[:, 0].tolist() == list(range(10))


def test_equal_references_are_in_order() -> None:
    twice = np.concatenate([REFERENCES[:5], REFERENCES[:5]])
    assert Candidates(twice).of(REFERENCES[2:3])[0, :2].tolist() == [2, 7]


def test_with_few_references_all_are_candidates() -> None:
    assert sorted(Candidates(REFERENCES[:3]).of(REFERENCES[50:51])[0].tolist()) == [0, 1, 2]
    assert Candidates(REFERENCES[:0]).of(REFERENCES[:2]).shape == (2, 0)


def test_a_flat_picture_does_not_crash() -> None:
    assert Candidates(REFERENCES[:3]).of(np.full((1, 32, 32), 128, np.uint8)).shape == (1, 3)


def test_the_same_candidates_one_by_one_and_together() -> None:
    searched = Candidates(REFERENCES)
    together = searched.of(REFERENCES[:6, ::-1])
    alone = np.concatenate([searched.of(REFERENCES[number : number + 1, ::-1]) for number in range(6)])
    assert together.tolist() == alone.tolist()


def test_many_references_are_looked_through_in_two_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "DENSE_ROWS", 100)
    monkeypatch.setattr(candidates, "FIRST", 60)
    searched = Candidates(REFERENCES)
    assert searched.rows.shape[0] == 35
    found = searched.of(np.array([upper_half(photograph(2000 + n), REFERENCES[n]) for n in range(20)]))
    assert np.mean([number in found[number] for number in range(20)]) >= 0.9
