"""What pages, the terminal and reports say of a study: its answer, how sure it is, and what the data support."""

from collections import Counter

from rnnkit.core import wording
from sweeps.analysis import words
from sweeps.reading.run_index import Card, RunIndex
from sweeps.reading.studies import Study


def answer(study: Study) -> list[str]:
    """What a study came to, a sentence a line: the best, how sure that is, its test score, and what others reach."""
    summary = study.summary
    if summary.best is None:
        said = words.nothing_in_words(summary)
    else:
        said = [words.best_in_words(summary, summary.best), *words.test_in_words(summary, summary.best)]
    return [f"{wording.capital(line)}." for line in said]


def confirmation_runs(index: RunIndex, study: str) -> list[Card]:
    """The runs that repeat a study's best settings on fresh seeds, by trial and seed."""
    cards = [card for card in index.runs() if card.study == study and card.confirms is not None]
    return sorted(cards, key=lambda card: (card.confirms or 0, card.seed or 0))


def findings(study: Study) -> dict[str, list[str]]:
    """What the sweep said in the end, in sentences under headings: what the data support, and what they do not."""
    found = {key: getattr(study.summary, key) for key in words.HEADINGS}
    lists = {key: [said] if isinstance(said, str) else said for key, said in found.items()}
    by_heading = {words.HEADINGS[key]: list(filter(None, lines)) for key, lines in lists.items()}
    if study.importances:
        by_heading["What the value varied with"] = [f"{wording.capital(words.importances_in_words(study.summary))}."]
    return {heading: lines for heading, lines in by_heading.items() if lines}


def how_many(study: Study) -> str:
    """How many trials of each state a study has, in words."""
    counts = Counter(trial.state for trial in study.trials)
    return ", ".join(f"{count} {state}" for state, count in counts.items())
