"""The answer in words that somebody who is not an engineer can read."""

from typing import Any

from copyrisk.report.words import interval, level, percent


def sentence(facts: dict[str, Any], roles: list[str]) -> str:
    """Return the answer of an audit in one or two sentences."""
    rate, counts = facts["answer"]["regurgitation"], facts["counts"]
    asked = _asked(facts, roles)
    who = _who(roles)
    if rate["trials"] == 0:
        return (
            "No image could be compared, so this audit says nothing about how often the model gives back a reference."
            f"{_withheld(facts)}"
        )
    if facts["answer"]["verdict"] == "none":
        return (
            f"{who}, this model gave back none of the {counts['pictures']:,} different reference pictures in {asked}: "
            f"the true share of copies is {_interval(rate)}.{_withheld(facts)}"
        )
    answer = (
        f"{who}, {percent(rate['estimate'])} of the images that this model makes are copies of a reference picture "
        f"({_interval(rate)}; {asked})."
    )
    return f"{answer} {_compared(facts)}{_withheld(facts)}"


def notes(facts: dict[str, Any], scale: float) -> list[str]:
    """Return what a reader must know before using the numbers: warnings, each a sentence or two."""
    found, counts, controls = [], facts["counts"], facts["answer"]["controls"]
    if controls is None:
        found.append(
            "There was no control group: no pictures that the model certainly did not see were compared in the same "
            "way. How often the test fires by accident is therefore unknown. Give --controls."
        )
    elif facts["answer"]["verdict"] == "noise" and not controls["successes"]:
        # While each has one image at most, there may be controls that have none.
        more = "Raise --control-images, or give more" if controls["trials"] == controls["units"] else "Give more"
        found.append(
            f"The control group is too small: {controls['units']:,} {controls['unit']} without a hit still allow a "
            f"rate of {percent(controls['high'], 'up')}. {more} controls."
        )
    if controls is not None and scale > 1.5:
        found.append(
            f"There are {counts['controls']:,} controls and {counts['pictures']:,} different references. With "
            f"{scale:.1f} times as many pictures to hit, accidental hits on references are up to that much more "
            "frequent than on controls; the verdict takes this into account."
        )
    calibration = facts["test"]["calibration"]
    if calibration and calibration["smallest"] > calibration["requested"]:
        given = facts["options"].get("false_positive_rate") is not None
        wish, bound = ("was asked for", "") if given else ("is the aim", ", or the fixed one where that is stricter")
        found.append(
            f"A false-positive rate of {percent(calibration['requested'])} {wish}. The "
            f"{calibration['statistics']:,} statistics of {calibration['source']} can only show one of "
            f"{percent(calibration['smallest'], 'up')}; the threshold is that of this rate{bound}. More of them would "
            "do."
        )
    if counts["control_pictures_dropped"]:
        found.append(
            f"{counts['control_pictures_dropped']:,} controls look like a reference, so the model may have seen them; "
            "they were left out."
        )
    units = facts["answer"]["regurgitation"]["units"]
    if facts["answer"]["regurgitation"]["unit"] == "prompts" and units < 10:
        found.append(f"Only {units} {_plural('prompt', units)} were tried, so the interval is wide.")
    if counts["unreadable"]:
        found.append(f"{_count(counts['unreadable'], 'image')} could not be read: see the list below.")
    if facts["answer"]["withheld"]:
        found.append(_if_withheld(facts["answer"]["withheld"]))
    if counts["failed_generations"] > 0:
        reasons = "; ".join(f"{row['reason']} ({row['count']:,})" for row in facts["failures"])
        found.append(
            f"{_count(counts['failed_generations'], 'generation')} gave no readable image, and none counts"
            f"{': ' + reasons if reasons else ''}."
        )
    found += facts["remarks"]
    if counts["other_generations"]:
        found.append(
            f"{_count(counts['other_generations'], 'generation')} had a prompt that is no reference's caption. They "
            "are shown, but count in no overall rate, which is that of captions."
        )
    found += _unfinished(facts)
    asked = sum(row["pictures"] for row in facts["strata"])
    # Where prompts were drawn one by one, those that were not drawn are allowed for.
    fixed = not _drawn(facts) or facts["options"].get("max_prompts") is not None
    if fixed and facts["strata"] and facts["strata"][0]["multiplicity_low"] is not None and asked < counts["pictures"]:
        found.append(
            f"{asked:,} of the {counts['pictures']:,} different reference pictures were asked for by their caption. "
            "Rates are weighted by how many pictures have each multiplicity; multiplicities that were not tried do not "
            "count."
        )
    return found


def _withheld(facts: dict[str, Any]) -> str:
    """Say after the answer that there are images which it does not speak of."""
    count = facts["counts"]["withheld"]
    return f" Not counted are {_count(count, 'image')} that were withheld (see the notes)." if count else ""


def _if_withheld(withheld: dict[str, Any]) -> str:
    rate, none, all_ = (withheld[name] for name in ("rate", "regurgitation_if_none", "regurgitation_if_all"))
    return (
        f"{percent(rate['estimate'])} of the images ({level(rate)} interval {interval(rate)}; {rate['successes']:,} of "
        f"{rate['trials']:,}) were withheld by {' and '.join(withheld['by'])}. Nobody has seen whether they are "
        f"copies, so they count in no rate of copies. If none of them were a copy, {_share(none)} of all images would "
        f"be copies; if all of them were, {_share(all_)}."
    )


def _share(rate: dict[str, Any]) -> str:
    if rate["successes"] == 0:
        return _interval(rate)
    return f"{percent(rate['estimate'])} ({interval(rate)})"


def _asked(facts: dict[str, Any], roles: list[str]) -> str:
    images = _count(facts["counts"]["generations"], "image")
    if "unconditional" in roles:
        return images
    prompts, drawn = facts["counts"]["prompts"], _drawn(facts)
    return f"{images} from {prompts:,} {'different ' if drawn else ''}{_plural('prompt', prompts)}"


def _unfinished(facts: dict[str, Any]) -> list[str]:
    """Say that the interval is wider than was wished, or the budget not spent."""
    design, rate = facts["design"], facts["answer"]["regurgitation"]
    wide = None not in (design["precision"], design["budget"]) and rate["high"] - rate["low"] > 2 * design["precision"]
    if not design["complete"]:
        return ["Drawing was cut short. The interval holds, but could be narrower: run the same audit again to go on."]
    if wide:
        return [
            f"The precision asked for (± {percent(design['precision'])}) was not reached within the budget of "
            f"{design['budget']:,} images. The interval holds; a larger --budget goes on from here."
        ]
    return []


def _interval(rate: dict[str, Any]) -> str:
    if rate["successes"] == 0:
        return f"at most {percent(rate['high'], 'up')}, at {level(rate)} confidence"
    return f"{level(rate)} interval {interval(rate)}"


def _who(roles: list[str]) -> str:
    if "unconditional" in roles:
        return "Run without a prompt"
    if "reference" in roles:
        return "Given the caption of a reference picture chosen at random"
    return "Given a prompt chosen at random from the prompts file"


def _compared(facts: dict[str, Any]) -> str:
    controls = facts["answer"]["controls"]
    if controls is None:
        return "Without a control group it is not known how many of these the test reports by accident."
    share = percent(controls["estimate"]) if controls["successes"] else "none"
    by_accident = f"on pictures that it has never seen, the same test fires in {share} of the images"
    if facts["answer"]["verdict"] == "copies":
        return f"This is copying and not chance: {by_accident} ({_interval(controls)})."
    return f"This cannot be told from chance: {by_accident} ({_interval(controls)})."


def _count(number: int, word: str) -> str:
    return f"{number:,} {_plural(word, number)}"


def _drawn(facts: dict[str, Any]) -> bool:
    """Whether prompts were drawn one by one, and did not each get the same number of images."""
    return facts["design"]["budget"] is not None or facts["design"]["precision"] is not None


def _plural(word: str, count: int) -> str:
    return word if count == 1 else word + "s"
