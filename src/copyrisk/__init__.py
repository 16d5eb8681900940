"""How likely is an image generator to give back an image it was trained on?

`copyrisk.audit(...)` runs all stages. `copyrisk.stages` has each as a function of its own; they take the options of the
command line as keyword arguments. `copyrisk.estimate(...)` computes a scenario.
"""

from typing import TYPE_CHECKING, Any

from copyrisk.errors import UserError

if TYPE_CHECKING:
    from copyrisk.risk import Estimate, estimate
    from copyrisk.stages import Audit, audit

__version__ = "0.1.0"
__all__ = ["Audit", "Estimate", "UserError", "audit", "estimate"]


def __getattr__(name: str) -> Any:
    # The stages import Arrow and SciPy, which `copyrisk --help` can do without.
    if name in ("Audit", "audit"):
        from copyrisk import stages

        return getattr(stages, name)
    if name in ("Estimate", "estimate"):
        from copyrisk import risk

        return getattr(risk, name)
    raise AttributeError(f"module 'copyrisk' has no attribute '{name}'")
