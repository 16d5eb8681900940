import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from copyrisk.attacks.sample import allocate, draw_prompts
from copyrisk.errors import UserError


def log_of(strata: dict[str, list[int]]) -> pa.Table:
    """Make a log: how many lines each different prompt of each stratum is."""
    rows = [(f"{name} {number}", name, lines) for name, counts in strata.items() for number, lines in enumerate(counts)]
    prompt, stratum, lines = zip(*rows, strict=True)
    return pa.table({"prompt": prompt, "stratum": stratum, "lines": lines})


logs = st.dictionaries(
    st.sampled_from("abcde"), st.lists(st.integers(1, 30), min_size=1, max_size=30), min_size=1, max_size=5
).map(log_of)


@given(logs, st.integers(5, 60), st.integers(0, 3))
def test_a_sample_stands_for_all_lines_of_every_stratum(log: pa.Table, count: int, seed: int) -> None:
    drawn = draw_prompts(log, count, seed)
    assert drawn.column_names == ["prompt", "stratum", "weight"]
    assert len(drawn) == len(set(drawn["prompt"].to_pylist())) <= count
    frame, whole = drawn.to_pandas(), log.to_pandas()
    assert frame.groupby("stratum")["weight"].sum().to_dict() == pytest.approx(
        whole.groupby("stratum")["lines"].sum().to_dict()
    )
    order = {prompt: place for place, prompt in enumerate(whole["prompt"])}
    assert frame["prompt"].map(order).is_monotonic_increasing


@given(logs, st.integers(5, 60))
def test_a_larger_sample_keeps_the_prompts_of_a_smaller_one(log: pa.Table, count: int) -> None:
    small, large = (set(draw_prompts(log, size, 7)["prompt"].to_pylist()) for size in (count, count + 10))
    assert small <= large


@given(logs, st.integers(5, 60))
def test_the_allocation_spends_no_more_than_there_is_and_leaves_little(log: pa.Table, count: int) -> None:
    grouped = log.to_pandas().groupby("stratum")["lines"]
    lines, prompts = grouped.sum().to_numpy(), grouped.size().to_numpy()
    parts = allocate(lines, prompts, count)
    assert (parts >= 1).all() and (parts <= prompts).all()
    assert parts.sum() <= count
    assert parts.sum() >= min(count, prompts.sum()) - len(parts)


def test_a_log_that_fits_is_taken_whole() -> None:
    drawn = draw_prompts(log_of({"a": [3, 1], "b": [2]}), 3, 0)
    assert drawn.to_pydict() == {"prompt": ["a 0", "a 1", "b 0"], "stratum": ["a", "a", "b"], "weight": [3, 1, 2]}


def test_half_of_the_prompts_go_evenly_to_the_strata() -> None:
    assert allocate(np.array([9000, 1000]), np.array([9000, 1000]), 102).tolist() == [71, 31]
    assert allocate(np.array([9000, 1000]), np.array([9000, 10]), 102).tolist() == [92, 10]


def test_the_rate_of_many_samples_is_that_of_the_log() -> None:
    """Lines are drawn, not prompts: a prompt that is typed often counts as often as it is typed."""
    rng = np.random.default_rng(0)
    log = log_of({"a": rng.geometric(0.2, 400).tolist(), "b": rng.geometric(0.5, 100).tolist()})
    probability = dict(zip(log["prompt"].to_pylist(), rng.beta(0.3, 1, 500), strict=True))
    lines = log["lines"].to_numpy()
    # Prompts that are typed often are copied more: a sample of prompts instead of lines would be far off.
    value = np.array([probability[prompt] for prompt in log["prompt"].to_pylist()]) * (lines > 4)
    probability = dict(zip(log["prompt"].to_pylist(), value, strict=True))
    truth = np.average(value, weights=lines)
    estimates = []
    for seed in range(300):
        drawn = draw_prompts(log, 60, seed).to_pydict()
        estimates.append(np.average([probability[each] for each in drawn["prompt"]], weights=drawn["weight"]))
    assert np.mean(estimates) == pytest.approx(truth, abs=3 * np.std(estimates) / np.sqrt(300))
    assert abs(value.mean() - truth) > 5 * np.std(estimates) / np.sqrt(300)


def test_more_strata_than_prompts_are_refused() -> None:
    with pytest.raises(UserError, match="has 3 strata and --max-prompts is 2"):
        draw_prompts(log_of({"a": [1], "b": [1], "c": [1]}), 2, 0)
