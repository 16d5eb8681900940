"""Images that were held back: their own rate, and what the rates of copies would be if none or all were copies.

Nobody has seen whether they are copies, so they count in no rate of copies, neither as copies nor as none. Each
question is answered by the same estimators on verdicts that are put in: of all images, held back or not.
"""

import pandas as pd

HELD = "withheld"
"""The measure of how many images were held back."""
ASSUMED = {"none": "no copy", "all": "copy"}
"""The measures `regurgitation_if_none`, `regurgitation_if_all` (and of extraction): what the withheld are taken for."""


def assume(
    matches: pd.DataFrame, withheld: pd.DataFrame, plan: pd.DataFrame, pictures: pd.DataFrame, verdict: str
) -> pd.DataFrame:
    """Return the matches with a row for each withheld image that has this verdict.

    withheld: `prompt_id` and `seed`. A copy is one of the picture whose caption the prompt is, where there is one.
    """
    captions = pictures[["cluster", "captions"]].explode("captions").drop_duplicates("captions")
    own = captions.set_index("captions")["cluster"]
    prompts = withheld["prompt_id"].map(plan.set_index("prompt_id")["prompt"])
    rows = withheld[["prompt_id", "seed"]].assign(
        verdict=verdict, control_verdict=verdict, reference=prompts.map(own).astype(object)
    )
    return pd.concat([matches, rows.reindex(columns=matches.columns)], ignore_index=True)


def as_outcomes(matches: pd.DataFrame) -> pd.DataFrame:
    """Return the matches as if what is shown were never a copy: what is put in for the withheld then stands out."""
    return matches.assign(verdict="no copy", control_verdict="no copy")


def held_back(withheld: pd.DataFrame, prompts: pd.DataFrame) -> "pd.Series[int]":
    """Return how many images of each prompt were held back, in the order of the prompts."""
    return prompts["prompt_id"].map(withheld.groupby("prompt_id").size()).fillna(0).astype("int64")
