"""How likely is an image generator to give back an image it was trained on?

`copyrisk.audit(...)` runs all stages. `copyrisk.stages` has each as a function of its own; they take the options of the
command line as keyword arguments. `copyrisk.estimate(...)` computes a scenario. `copyrisk.Checker(...)` stays loaded
and says of image after image what it is a copy of; `copyrisk.find_clique(...)` whether a prompt is memorized.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from copyrisk.errors import UserError

if TYPE_CHECKING:
    from copyrisk.matching.checker import Checker
    from copyrisk.matching.cliques import find_clique
    from copyrisk.risk import Estimate, estimate
    from copyrisk.stages import Audit, audit

__version__ = "0.1.0"
__all__ = ["Audit", "Checker", "Estimate", "UserError", "audit", "estimate", "find_clique"]

_FOUND_IN = {
    "Audit": "copyrisk.stages",
    "audit": "copyrisk.stages",
    "Checker": "copyrisk.matching.checker",
    "find_clique": "copyrisk.matching.cliques",
    "Estimate": "copyrisk.risk",
    "estimate": "copyrisk.risk",
}


def __getattr__(name: str) -> Any:
    # The stages import Arrow and SciPy, which `copyrisk --help` can do without.
    if name in _FOUND_IN:
        return getattr(import_module(_FOUND_IN[name]), name)
    raise AttributeError(f"module 'copyrisk' has no attribute '{name}'")
