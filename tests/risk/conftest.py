"""A scenario of one factor, to be filled in by each test."""

from collections.abc import Callable

import pytest

from copyrisk.risk import Scenario, parse_scenario

HEAD = 'title = "A test"\n'


@pytest.fixture
def scenario() -> Callable[..., Scenario]:
    """Make a scenario of factors written as TOML lines, `rate = 'value = 0.5'`, and of further text."""

    def make(further: str = "", **factors: str) -> Scenario:
        tables = (f'[factors.{name}]\n{lines}\nsource = "test"\n' for name, lines in factors.items())
        return parse_scenario(HEAD + "\n".join(tables) + further)

    return make
