"""The embedded Reber grammar beside a regular expression, a walk over its nodes, and closed forms."""

import itertools
import math
import re
from collections import defaultdict

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnkit import sequences
from rnnkit.datasets.generated import reber


# From the node after T: the loop T*, V, then out by V, or by P to the other node, whence out by S or back by X.
_ROUND = "T*V(?:PXT*V)*(?:V|PS)"
INNER = f"B(?:TS*X(?:S|X{_ROUND})|P{_ROUND})E"

# The automaton by its nodes, as it is drawn: two ways from each of nodes 1 to 5, out of 6 by E.
NODES = {
    1: {"T": 2, "P": 3},
    2: {"S": 2, "X": 4},
    3: {"T": 3, "V": 5},
    4: {"X": 3, "S": 6},
    5: {"P": 4, "V": 6},
}


def made(length, count=200, seed=0):
    task = reber.embedded(length)
    examples = task.make(count, torch.Generator().manual_seed(seed))
    sequences.check(examples, classes=task.scores)
    return task, examples


def strings(examples):
    """The whole strings: what is read, and the last symbol, which is only predicted."""
    lines = []
    for sequence, targets in zip(examples.inputs, examples.targets, strict=True):
        assert (sequence.sum(1) == 1).all()
        assert torch.equal(sequence.argmax(1)[1:], targets[:-1])
        lines.append("".join("BTPSXVE"[i] for i in [*sequence.argmax(1).tolist(), targets[-1].item()]))
    return lines


def test_the_regular_expression_knows_strings_printed_in_papers():
    for string in ("BTXSE", "BPVVE", "BTSSXXTVVE", "BPVPXVPXVPXVVE", "BTSXXTVVE", "BPTVPSE"):
        assert re.fullmatch(INNER, string)
    for string in ("BTSE", "BPTVPE", "BTSXXTVE", "BPXVE", "TXSE"):
        assert not re.fullmatch(INNER, string)


@settings(max_examples=25)
@given(length=st.integers(12, 60), seed=st.integers(0, 2**40))
def test_strings_are_of_the_grammar_and_close_as_they_open(length, seed):
    for string in strings(made(length, 20, seed)[1]):
        assert re.fullmatch(f"B(?:T(?:{INNER})+T|P(?:{INNER})+P)E", string)
        assert length > 12 or re.fullmatch(f"B.(?:{INNER}).E", string)


@pytest.mark.parametrize("length", [12, 40])
def test_lengths_and_choices_come_as_often_as_they_should(length):
    lines = strings(made(length, 4_000)[1])
    lengths = torch.tensor([len(string) for string in lines], dtype=torch.float64)
    assert abs(lengths.mean() - length) < 4 * lengths.std() / 4_000**0.5
    assert min(lengths) == 9
    text = " ".join(lines)
    for one, other in ((" BT", " BP"), ("VP", "VV"), ("BPT", "BPV")):
        ways = text.count(one) + text.count(other)
        assert ways > 1_000
        assert abs(text.count(one) - ways / 2) < 4 * (ways / 4) ** 0.5


def closed_forms(length):
    """Nats a string in the mean, at best: one choice, 6 in each Reber string, and how many of these there are."""
    inner = (length - 4) / 8
    again = 1 - 1 / inner
    ends = -inner * sum(p * math.log(p) for p in (again, 1 - again) if p)
    return math.log(2) * (1 + 6 * inner) + ends


@pytest.mark.parametrize("length", [12, 13, 20, 100, 1_000])
def test_the_entropy_is_the_closed_form(length):
    task = reber.embedded(length)
    nats = closed_forms(length)
    assert task.best == pytest.approx(nats / (length - 1), rel=1e-9)
    assert task.without_memory == pytest.approx((nats + math.log(2)) / (length - 1), rel=1e-9)
    assert task.best < task.without_memory < task.own_input
    if length == 12:
        assert task.best == pytest.approx(7 * math.log(2) / 11)


def by_propagation(length, steps=4_000):
    """How often each symbol follows each in a string, in the mean: probability mass pushed over the nodes."""
    stop = 8 / (length - 4)
    pairs = defaultdict(float)
    for second in "TP":
        pairs["B", second] += 0.5
        pairs[second, "B"] += 0.5  # the first inner string
        mass = {(1, "B"): 0.5}
        for _ in range(steps):
            after = defaultdict(float)
            for (node, symbol), share in mass.items():
                if node == 6:
                    pairs[symbol, "E"] += share
                    pairs["E", second] += share * stop
                    pairs[second, "E"] += share * stop
                    pairs["E", "B"] += share * (1 - stop)
                    after[1, "B"] += share * (1 - stop)
                for following, other in NODES.get(node, {}).items():
                    pairs[symbol, following] += share / 2
                    after[other, following] += share / 2
            mass = after
        assert sum(mass.values()) < 1e-12
    return pairs


@pytest.mark.parametrize("length", [12, 40])
def test_what_the_symbol_before_tells_is_the_conditional_entropy_of_pairs(length):
    pairs = by_propagation(length)
    assert sum(pairs.values()) == pytest.approx(length - 1)
    firsts = defaultdict(float)
    for (symbol, _), share in pairs.items():
        firsts[symbol] += share
    nats = sum(share * math.log(firsts[symbol] / share) for (symbol, _), share in pairs.items() if share)
    assert reber.embedded(length).own_input == pytest.approx(nats / (length - 1), rel=1e-9)


@pytest.mark.parametrize("length", [12, 40])
def test_the_best_on_some_strings_is_what_their_choices_cost(length):
    task, examples = made(length)
    stop = 8 / (length - 4)
    nats = 0.0
    for string in strings(examples):
        nats += math.log(2)
        node = None
        for symbol, following in zip(string[2:-2], string[3:-1], strict=True):
            if symbol == "E":
                nats -= math.log(1 - stop if following == "B" else stop)
                node = None
            elif symbol == "B":
                node = 1
            if node in NODES:
                nats += math.log(2)
                node = NODES[node][following]
    assert task.best_on(examples) == pytest.approx(nats / sum(len(s) - 1 for s in strings(examples)))
    many = made(length, 4_000)[1]
    assert task.best_on(many) == pytest.approx(task.best, rel=0.03)


@pytest.mark.parametrize("length", [12, 40])
def test_what_others_know_on_some_strings(length):
    """Who forgot the second symbol pays one choice more a string, its second T or P; who sees one symbol, for pairs."""
    task, examples = made(length)
    steps = sum(len(s) - 1 for s in strings(examples))
    more = len(strings(examples)) * math.log(2)
    assert task.without_memory_on(examples) - task.best_on(examples) == pytest.approx(more / steps)
    pairs = by_propagation(length)
    firsts = defaultdict(float)
    for (symbol, _), share in pairs.items():
        firsts[symbol] += share
    nats = sum(math.log(firsts[a] / pairs[a, b]) for s in strings(examples) for a, b in itertools.pairwise(s))
    assert task.own_input_on(examples) == pytest.approx(nats / steps)


def test_right_is_who_scores_the_true_one_of_t_and_p_higher_before_the_end():
    task, examples = made(40, 30)
    given = [torch.zeros(len(targets), 7) for targets in examples.targets]
    for i, (rows, targets) in enumerate(zip(given, examples.targets, strict=True)):
        rows[:, 0] = 9.0  # however likely another inner string is
        closing = targets[-2].item()
        rows[-2, closing if i % 3 else 3 - closing] = 1.0
    assert task.right(given, examples).tolist() == [bool(i % 3) for i in range(30)]


def test_strings_follow_from_the_random_stream():
    assert strings(made(30, 5)[1]) == strings(made(30, 5)[1]) != strings(made(30, 5, seed=1)[1])
