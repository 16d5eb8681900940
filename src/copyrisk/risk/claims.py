"""Claims: a stated figure beside the same figure recomputed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from copyrisk.risk.document import Document, Key, called
from copyrisk.risk.expressions import evaluate
from copyrisk.risk.quantities import SECONDS, Quantity, read_quantity
from copyrisk.risk.words import number, percent, times

RESULTS = ("probability", "images", "pace")
"""Names for the result and the campaign; where they are uncertain they stand for their medians."""


@dataclass(frozen=True)
class Claim:
    """What a scenario says: its text, the figure that is stated, and the expression that ought to give it."""

    text: str
    expression: str
    stated: Quantity
    within: float = 0.0


@dataclass(frozen=True)
class CheckedClaim:
    """A claim, what its expression gives (in the same unit as `claim.stated.value`), and whether it holds.

    It holds where the recomputed figure rounds to the stated one, or differs from it by at most the share `within`.
    """

    claim: Claim
    recomputed: float
    holds: bool

    @property
    def stated_words(self) -> str:
        """The stated figure in words."""
        return _words(self.claim.stated.value, self.claim.stated.unit)

    @property
    def recomputed_words(self) -> str:
        """The recomputed figure in words, in the unit of the stated one."""
        return _words(self.recomputed, self.claim.stated.unit)

    @property
    def ratio_words(self) -> str:
        """How far off the stated figure is; empty where it holds."""
        stated = self.claim.stated.value
        if self.holds:
            return ""
        if stated == 0 or self.recomputed <= 0:
            return "it is another number"
        if self.recomputed > stated:
            return f"{times(self.recomputed / stated)} the stated figure"
        return f"the stated figure is {times(stated / self.recomputed)} that"


def constants() -> dict[str, float]:
    """Return the names that mean something in every claim: units of time in seconds, and the results."""
    return {**SECONDS, **dict.fromkeys(RESULTS, 1.0)}


def read_claim(document: Document, key: Key, names: Iterable[str]) -> Claim:
    """Read one claim; raise UserError with its line where its parts are wrong."""
    data = document.table(key, ("text", "expression", "stated", "within"), ("text", "expression", "stated"))
    expression = document.text_of((*key, "expression"))
    try:
        # With 1 for every name: only the form can be wrong here, except for a division by a difference.
        evaluate(expression, dict.fromkeys(names, 1.0))
    except ValueError as error:
        if "divides by zero" not in str(error):
            document.fail((*key, "expression"), f"{called(key)}: {error}.")
    stated = data["stated"]
    dimension = "time" if isinstance(stated, str) and any(unit in stated for unit in SECONDS) else "share"
    try:
        quantity = read_quantity(stated, dimension)
        within = read_quantity(data.get("within", 0), "share").value
    except ValueError as error:
        document.fail((*key, "stated"), f"{called(key)}: {error}.")
    return Claim(document.text_of((*key, "text")), expression, quantity, within)


def check(claim: Claim, names: Mapping[str, float]) -> CheckedClaim:
    """Recompute a claim; raise ValueError where its expression cannot be evaluated."""
    found = evaluate(claim.expression, names)
    stated = claim.stated.value
    # A hair more than half a unit in the last digit: binary fractions do not hold 0.005 exactly.
    room = max(claim.stated.step / 2, abs(stated) * max(claim.within, 1e-9)) * (1 + 1e-9)
    return CheckedClaim(claim, found, abs(found - stated) <= room)


def _words(x: float, unit: str) -> str:
    if unit == "%":
        return percent_plain(x)
    if unit:
        amount = number(x / SECONDS[unit])
        return f"{amount} {unit}{'' if amount == '1' else 's'}"
    return number(x)


def percent_plain(share: float) -> str:
    """Return a share as a percentage however small it is: a stated `0.000000006 %` is shown as it was stated."""
    return percent(share) if share <= 0 or share >= 1e-7 else f"{Decimal(f'{share * 100:.3g}'):f}\u00a0%"
