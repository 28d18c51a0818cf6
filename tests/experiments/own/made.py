"""Own data that tests are run on."""

import csv

import numpy as np


def order_matters(path, count=240, seed=0):
    """Which of two pulses comes first: nothing but the order of steps tells."""
    chance = np.random.default_rng(seed)
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "x", "y", "label"])
        for number in range(count):
            steps = chance.normal(0, 0.3, (int(chance.integers(16, 28)), 2))
            first = int(chance.integers(len(steps) - 2))
            second = first + int(chance.integers(1, 3))  # close by: no summary of halves and quarters tells
            steps[first, number % 2], steps[second, 1 - number % 2] = 2, 2
            table.writerows([number, *step, ["x first", "y first"][number % 2]] for step in steps.round(3))
    return path


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def words(count=60):
    pairs = [(f"{'lovely' if i % 3 else 'dull'} film {i % 7} {i}", "good" if i % 3 else "bad") for i in range(count)]
    return "text,label\n" + "".join(f"{text},{label}\n" for text, label in pairs)
