import subprocess
import sys

import pytest

import copyrisk


@pytest.mark.parametrize("name", copyrisk.__all__)
def test_what_is_promised_is_there(name: str) -> None:
    assert getattr(copyrisk, name).__doc__


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        copyrisk.nothing  # noqa: B018


def test_importing_it_imports_nothing_heavy() -> None:
    heavy = {"numpy", "pandas", "pyarrow", "scipy", "torch"}
    code = f"import copyrisk, copyrisk.cli, sys; print(*{heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""
