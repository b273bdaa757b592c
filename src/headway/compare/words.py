"""Verdicts as sentences."""

from typing import TYPE_CHECKING

from headway.formats import value

if TYPE_CHECKING:
    from headway.compare.verdict import Finding, Outcome

ASSUMPTIONS = {
    "hierarchical": [
        "seeds and test examples are drawn at random, from all seeds and from all examples of this kind",
        "the mean over seeds varies about as a normal variable does",
    ],
    "Welch": [
        "seeds are drawn at random, and the mean over them varies about as a normal variable does",
        "the test set is taken as it is: nothing is said of other examples",
    ],
    "paired": [
        "this speaks of these two trained runs on other examples, not of their recipes: other seeds may turn it around",
        "test examples are drawn at random from all examples of this kind, each independently",
    ],
}
NAMES = {"holm": "Holm", "bh": "Benjamini-Hochberg"}
MANY = 1_000  # seeds beyond which the number is of no use
TESTS = {
    "hierarchical": "hierarchical bootstrap and t over {} and {} seeds and {:,} examples",
    "Welch": "Welch's t over {} and {} seeds",
    "paired": "paired bootstrap and permutation over {2:,} examples",
}


def sentence(
    first: str,
    second: str,
    metric: str,
    outcome: "Outcome",
    found: "Finding",
    adjusted: float,
    same: float,
    *,
    level: float,
    margin: float | None,
    correction: str,
    pairs: int,
) -> str:
    """What was found, how large, how sure, by which test, and what more data would show."""
    many = f", {NAMES[correction]} over {pairs} pairs" if pairs > 1 else ""
    tested = TESTS[found.method].format(*found.seeds, found.examples or 0)
    ends = f"{value(found.interval.low)} to {value(found.interval.high)}"
    evidence = f"({100 * found.interval.level:g}% interval of the difference {ends}; {_p(adjusted)}{many}; {tested})"
    size = value(abs(found.difference))
    if outcome == "tied" and found.identical:
        return f"{first} and {second} are tied in {metric}: they are alike on every one of {found.examples:,} examples."
    if outcome == "tied":
        told = f" They differ, by {size}, but by less than that." if adjusted <= level else ""
        within = found.same.interval if found.same else found.interval
        return (
            f"{first} and {second} are tied in {metric}, the same within {value(margin)} "
            f"({100 * within.level:g}% interval of the difference {value(within.low)} to {value(within.high)}; "
            f"{_p(same)} for a larger one{many}; {tested}).{told}"
        )
    if outcome in ("better", "worse"):
        return f"{first} is {outcome} than {second} in {metric} by {size} {evidence}."
    lead = f"There is too little data to tell {first} and {second} apart in {metric}: a difference of "
    return f"{lead}{value(found.difference)} {evidence}. {_more(found, margin)}"


def other_tests(found: "Finding") -> str:
    """What the tests say that do not decide, each for this pair alone."""
    told = {name: "< 0.001" if number < 0.001 else f"= {number:.3f}" for name, number in found.also.items()}
    return ", ".join(f"{name} {number}" for name, number in told.items())


def _more(found: "Finding", margin: float | None) -> str:
    """What the data at hand could show, and what a difference of the wanted size takes."""
    seen = f"A difference of {value(found.least)} or more would be seen four times in five"
    wanted = f"one of {value(margin or abs(found.difference))}"
    if not (margin or found.difference):
        return f"{seen}."
    if found.needed is None:
        why = "" if found.method == "paired" else "; no number of seeds shows "
        return f"{seen}{why + wanted + ' on so few examples' if why else ''}."
    unit = "examples" if found.method == "paired" else "seeds of each"
    number = f"more than {MANY:,}" if found.method != "paired" and found.needed > MANY else f"about {found.needed:,}"
    return f"{seen}; {wanted} takes {number} {unit}."


def _p(p_value: float) -> str:
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"
