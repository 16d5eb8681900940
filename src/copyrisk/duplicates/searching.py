"""The search for near pairs: exact, or approximate with a recall that is measured."""

from dataclasses import dataclass, field
from typing import Any

from copyrisk.index.approximate import Approximate, near_pairs
from copyrisk.index.measure import Integers, Metric, Rows
from copyrisk.index.search import Floats, pairs_between, pairs_within


@dataclass(frozen=True)
class Searching:
    """How near pairs are looked for: `recall` is what an approximate search aims at, None is exact.

    measured: the approximate searches that were made.
    """

    recall: float | None = None
    measured: list[Approximate] = field(default_factory=list)

    def within(self, rows: Rows, limit: float, metric: Metric) -> tuple[Integers, Integers, Floats]:
        """Find the pairs i < j of rows at most `limit` apart."""
        return pairs_within(rows, limit, metric) if self.recall is None else self._near(rows, None, limit, metric)

    def between(self, first: Rows, second: Rows, limit: float, metric: Metric) -> tuple[Integers, Integers, Floats]:
        """Find the pairs of a row of `first` and one of `second` at most `limit` apart."""
        if self.recall is None:
            return pairs_between(first, second, limit, metric)
        return self._near(first, second, limit, metric)

    def _near(
        self, first: Rows, second: Rows | None, limit: float, metric: Metric
    ) -> tuple[Integers, Integers, Floats]:
        found = near_pairs(first, second, limit, metric, self.recall or 1.0)
        self.measured.append(found)
        return found.i, found.j, found.distance

    def facts(self) -> dict[str, Any] | None:
        """Return the recall that was asked for and the lowest that was measured; None for an exact search."""
        worst = min((each for each in self.measured if each.sampled), key=lambda each: each.interval[0], default=None)
        if worst is None:
            return None
        low, high = worst.interval
        return {"asked": self.recall, "found": worst.recall, "low": low, "high": high, "sampled": worst.sampled}
