"""What pages, the terminal and reports say of a study: its answer, how sure it is, and what the data support."""

from collections import Counter

from rnnkit.core import wording
from rnnkit.runs import Result
from sweeps.analysis import Confirmation
from sweeps.reading import describe
from sweeps.reading.run_index import Card, RunIndex
from sweeps.reading.studies import Study, Trial


HEADINGS = {"supported": "What the data support", "not_supported": "What they do not support"}
HEADINGS |= {"borders": "On the border of what was looked at", "timing": "With the same seed"}


def answer(study: Study, result: Result | None = None) -> list[str]:
    """What a study came to, a sentence a line: the best, how sure that is, its test score, and what others reach.

    What the sweep wrote in the end is said where it is there and of this state of the study: the best again on fresh
    seeds. Where it is not, what others reach comes from `result`, that of the best trial's run.
    """
    best, summary_best = study.best, study.summary.best
    if best is None:
        return ["No trial has finished yet."]
    again = _agreed(study)
    if again:
        sure = f", 95 % interval {again.interval}" if again.interval else ""
        lines = [
            f"Best: trial {again.trial}'s settings, {study.metric} {again.mean:.4f} as the mean over {again.count} "
            f"fresh seeds{sure}; found with {again.found:.4f} ({wording.settings(again.settings)})."
        ]
    else:
        lines = [f"Best: trial {best.number}, {study.metric} {best.value:.4f} ({wording.settings(best.settings)})."]
        summary_best = summary_best if summary_best and summary_best.trial == best.number else None
    if summary_best and summary_best.test:
        tested: dict[str, float | None] = {**summary_best.test}
    else:
        tested = {best.run.metric.removesuffix("/valid") + "/test": best.run.test} if best.run else {}
    numbers = {wording.metric(name): value for name, value in tested.items() if value is not None}
    lines += [f"{wording.capital(what)} {value:.4f}." for what, value in numbers.items()]
    return lines + [f"{wording.capital(line)}." for line in describe.beside(summary_best or result)]


def chosen(study: Study) -> Trial | None:
    """The trial whose settings the answer names: the best again on fresh seeds, or while there is none the best."""
    again = _agreed(study)
    named = [trial for trial in study.trials if again and trial.number == again.trial]
    return named[0] if named else study.best


def _agreed(study: Study) -> Confirmation | None:
    """The best on fresh seeds, if the study's summary chose it too."""
    rows, best = study.summary.confirmations, study.summary.best
    return rows[0] if rows and best and best.trial == rows[0].trial else None


def confirmations(study: Study) -> list[Confirmation]:
    """What was run again on fresh seeds, best first, as summary.json tells it; [] where nothing was."""
    return study.summary.confirmations


def confirmation_runs(index: RunIndex, study: str) -> list[Card]:
    """The runs that repeat a study's best settings on fresh seeds, by trial and seed."""
    cards = [card for card in index.runs() if card.study == study and card.confirms is not None]
    return sorted(cards, key=lambda card: (card.confirms or 0, card.seed or 0))


def findings(study: Study) -> dict[str, list[str]]:
    """What the sweep said in the end, in sentences under headings: what the data support, and what they do not."""
    found = {key: getattr(study.summary, key) for key in HEADINGS}
    lists = {key: [said] if isinstance(said, str) else said for key, said in found.items()}
    by_heading = {HEADINGS[key]: list(filter(None, lines)) for key, lines in lists.items()}
    return {heading: lines for heading, lines in by_heading.items() if lines}


def how_many(study: Study) -> str:
    """How many trials of each state a study has, in words."""
    counts = Counter(trial.state for trial in study.trials)
    return ", ".join(f"{count} {state}" for state, count in counts.items())
