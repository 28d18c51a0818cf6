"""The list of runs as a page asks for it: which ones, in which order, and how many of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rnnkit.core import wording
from sweeps.reading import Card


FIRST = 200  # rows that are shown unless all are asked for: thousands take a browser a second

# What a column is sorted by. Text goes up at first, numbers go down.
TEXTS: dict[str, Callable[[Card], str]] = {
    "run": lambda card: card.name,
    "state": lambda card: card.state,
    "study": lambda card: card.study or "",
    "metric": lambda card: wording.without_split(card.metric),
    "cell": lambda card: str(card.config.get("cell", "")),
    "flags": lambda card: " ".join(card.flag_names),
}
NUMBERS: dict[str, Callable[[Card], object]] = {
    "trial": lambda card: card.trial,
    "seed": lambda card: card.seed,
    "validation": lambda card: card.value,
    "test": lambda card: card.test,
    "hidden size": lambda card: card.config.get("hidden_size"),
    "depth": lambda card: card.config.get("depth"),
    "steps": lambda card: card.step or None,
    "took": lambda card: card.seconds,
    "started": lambda card: card.started.timestamp() if card.started else None,
}
# The columns of the table, from left to right.
COLUMNS = ("run", "state", "study", "trial", "seed", "metric", "validation", "test", "cell", "hidden size", "depth")
COLUMNS += ("steps", "took", "started", "flags")
CHOICES: dict[str, Callable[[Card], str]] = {
    "state": lambda card: card.state,
    "experiment": lambda card: card.experiment,
    "study": lambda card: card.study or "",
}


@dataclass(frozen=True)
class Listing:
    """What is shown of `total` runs: the first of the `count` that fit. `asked` is what the page asked for."""

    shown: list[Card]
    count: int
    total: int
    asked: Mapping[str, str]

    @property
    def order(self) -> str:
        """Whether values go up or down."""
        return "ascending" if self.asked.get("order") == "ascending" else "descending"

    @property
    def in_words(self) -> str:
        """How many there are."""
        more = f", the first {len(self.shown)} are shown" if len(self.shown) < self.count else ""
        return f"{self.count} of {self.total}{more}"


def listing(cards: list[Card], asked: Mapping[str, str]) -> Listing:
    """The runs that fit the `words` and choices of a page's form, sorted by the column `sort`."""
    chosen = {name: asked[name] for name in CHOICES if asked.get(name)}
    words = asked.get("words", "").lower().split()
    found = [card for card in cards if all(CHOICES[name](card) == value for name, value in chosen.items())]
    if words:
        found = [card for card in found if all(word in text for text in [_text(card)] for word in words)]
    found = _sorted(found, asked.get("sort", ""), asked.get("order") == "ascending")
    return Listing(found if asked.get("all") else found[:FIRST], len(found), len(cards), asked)


def _text(card: Card) -> str:
    """What the words are looked for in."""
    parts = [text(card) for text in TEXTS.values()]
    parts += [f"{name} {value}" for name, value in card.config.items() if name in ("hidden_size", "depth", "seed")]
    return " ".join([*parts, card.experiment, card.trouble or ""]).lower()


def _sorted(cards: list[Card], column: str, ascending: bool) -> list[Card]:
    """By a column; what has no value in it comes last either way."""
    if column in TEXTS:
        keys = {card.name: TEXTS[column](card).lower() for card in cards}
        lacking = [card for card in cards if not keys[card.name]]
    elif column in NUMBERS:
        numbers = {card.name: NUMBERS[column](card) for card in cards}
        keys = {name: value for name, value in numbers.items() if isinstance(value, (int, float)) and value == value}
        lacking = [card for card in cards if card.name not in keys]
    else:
        return cards
    names = {card.name for card in lacking}
    there = [card for card in cards if card.name not in names]
    return sorted(there, key=lambda card: keys[card.name], reverse=not ascending) + lacking
