"""What came out on the test part: scores, baselines beside, every answer in a file, and what it means in words."""

import csv
import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from experiments.own import examples, nets, report
from rnnkit.evaluation import baselines, classification, compare, compare_errors, compare_f1
from rnnkit.nn import portable
from rnnkit.runs import Comparison, Reference
from rnnkit.training import Final, Task


if TYPE_CHECKING:
    from experiments.own import Config
    from experiments.own.examples import Prepared


def final(config: "Config", task: "Task[Prepared]") -> Final:
    """The test scores of the weights that are kept, beside the baselines; and what is written into the run's folder."""
    data, found = task.data, task.data.preprocessing
    metrics, answers = nets.measured(config, data, task.model, data.test, "test")
    truth = truths(data)
    if found.classes:
        metrics |= report.further_scores(truth, answers)
    else:
        metrics["metric/mase/test"] = metrics["metric/mae/test"] / scale_of(data)
    beside, left_out = beside_it(examples.ByKey(config, examples.BESIDE))
    references = [Reference(one.name, config.watch, score_of(config.watch, truth, one.answers)) for one in beside]
    best = max(beside, key=lambda one: one.valid, default=None)
    comparison = None if best is None else compared(config.watch, best, truth, answers)

    def write(folder: Path) -> None:
        write_predictions(folder / "predictions.csv", data, truth, answers)
        lines = [*left_out, *verdict(comparison), *report.in_words(data, truth, answers, folder)]
        (folder / "answer.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        report.draw(folder / "media", data, truth, answers)

    return Final(task.evaluate() | metrics, comparison, references, write=write, preprocessing=found)


def truths(data: "Prepared") -> np.ndarray:
    """What was to be answered: numbers of classes, LEFT_OUT for one that training lacks; or values, (rows, horizon)."""
    if data.preprocessing.classes:
        return data.test.joined_targets[:, 0].numpy()
    return nets.truth_of(data, "test")[1]


def score_of(watch: str, truth: np.ndarray, answers: np.ndarray) -> float:
    """The score that the net is judged by, of answers of anyone."""
    if watch == "mae":
        return float(np.abs(truth.reshape(len(truth), -1) - answers.reshape(len(truth), -1)).mean())
    return classification(truth, answers, "test")[f"metric/{watch}/test"]


def scale_of(data: "Prepared") -> float:
    """The mean absolute error of the naive answer in training: that of a season before, or the median of numbers.

    What MASE divides by (Hyndman & Koehler, Another look at measures of forecast accuracy, 2006).
    """
    train = data.places.train
    if data.windows is not None:
        error = np.abs(data.windows.targets[train] - data.windows.before[train]).mean()
    else:
        numbers = nets.truth_of(data, "train")[1]
        error = np.abs(numbers - np.median(numbers)).mean()
    return float(error) or 1.0


@functools.lru_cache(maxsize=1)  # the trials of a sweep share them
def beside_it(keyed: "examples.ByKey") -> tuple[list[baselines.Answered], list[str]]:
    """What the cheap baselines answer of the test part, and who could not."""
    config, data = keyed.config, examples.prepared(keyed.config)
    if data.windows is not None:
        return forecasts(data), []
    own, places = data.own, data.places
    # With folds one of them is what baselines are chosen by.
    learn, judge = places.train, places.valid
    if config.folds > 1:
        learn, judge = places.train[places.fold != 0], places.train[places.fold == 0]
    kinds: dict[str, Callable[[], list[baselines.Baseline]]] = {
        "tags": baselines.of_tags if own.reads == "tokens" else baselines.of_steps,
        "label": lambda: (baselines.of_series if own.reads == "series" else baselines.of_texts)(False),
        "number": lambda: (baselines.of_series if own.reads == "series" else baselines.of_texts)(True),
    }
    pairs = [([own.inputs[i] for i in part], _targets(data, part)) for part in (learn, judge)]
    sign = -1.0 if config.watch == "mae" else 1.0
    asked = [own.inputs[i] for i in places.test]
    return baselines.answered(
        kinds[own.answers](),
        pairs[0],
        pairs[1],
        asked,
        lambda truth, given: sign * score_of(config.watch, truth, given),
    )


def _targets(data: "Prepared", part: np.ndarray) -> np.ndarray:
    """What a baseline learns from: numbers of classes, of all steps where they are tags; or numbers."""
    own = data.own
    if own.answers == "number":
        return np.array([own.targets[i] for i in part], float)
    numbers = {name: number for number, name in enumerate(data.preprocessing.classes)}
    words = [own.targets[i] for i in part]
    flat = [tag for tags in words for tag in tags] if own.answers == "tags" else words
    return np.array([numbers.get(word, portable.LEFT_OUT) for word in flat])


def forecasts(data: "Prepared") -> list[baselines.Answered]:
    """The last value, that of a season before, and a ridge regression on the window."""
    cut, places = data.windows, data.places
    assert cut is not None
    wide = np.stack(
        [np.where(np.isnan(one[:, 0]), last, one[:, 0]) for one, last in zip(cut.data.inputs, cut.last, strict=True)]
    )
    both = np.concatenate([places.train, places.valid])
    every: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
        "last value": lambda _, asked: np.repeat(cut.last[asked, None], cut.targets.shape[1], 1)
    }
    if cut.season > 1:
        every[f"value {cut.season} steps before"] = lambda _, asked: cut.before[asked]
    every["ridge regression on the window"] = lambda learn, asked: baselines.linear_forecast(
        wide[learn].astype(float), cut.targets[learn], wide[asked].astype(float)
    )
    return [
        baselines.Answered(
            name,
            answer(both, places.test),
            -score_of("mae", cut.targets[places.valid], answer(places.train, places.valid)),
        )
        for name, answer in every.items()
    ]


def compared(watch: str, best: baselines.Answered, truth: np.ndarray, answers: np.ndarray) -> Comparison:
    """The net beside the baseline that did best on the validation part, by what the net is judged by."""
    if watch == "macro_f1":
        return compare_f1(best.name, truth, answers.argmax(1), best.answers)
    if watch == "accuracy":
        return compare(best.name, answers.argmax(1) == truth, best.answers == truth)
    ours, theirs = (np.abs(one.reshape(truth.shape) - truth).mean(1) for one in (answers, best.answers))
    return compare_errors(best.name, ours, theirs, "mean absolute error")


def verdict(comparison: Comparison | None) -> list[str]:
    """Whether the net is worth its cost, in a sentence."""
    if comparison is None:
        return []
    name = comparison.baseline
    if comparison.high < 0:
        return [f"A cheaper model is the better choice here: {name}."]
    if comparison.low > 0:
        return [f"The net is better than the best of the cheap models, {name}."]
    return [
        f"{name[:1].upper()}{name[1:]} does as well, as far as {comparison.examples} test rows tell, and is cheaper."
    ]


def write_predictions(path: Path, data: "Prepared", truth: np.ndarray, answers: np.ndarray) -> None:
    """A row for each test row, in the order of the file: where it stands, its truth, the answer, the probabilities."""
    found, own, places = data.preprocessing, data.own, data.places
    order = np.argsort(places.test, kind="stable")
    counts = [len(data.test.inputs[i]) if found.answers == "tags" else 1 for i in range(len(places.test))]
    starts = np.cumsum([0, *counts])
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        ahead = [f" {step}" for step in range(1, found.horizon + 1)] if found.horizon > 1 else [""]
        last = [f"p({name})" for name in found.classes]
        names = (
            ["truth", "prediction"] if found.classes else [f"{w}{n}" for w in ("truth", "prediction") for n in ahead]
        )
        writer.writerow(["row", "id", *(["step"] if found.answers == "tags" else []), *names, *last])
        for i in order:
            place = int(places.test[i])
            for step, row in enumerate(range(starts[i], starts[i + 1])):
                where = [own.lines[place], own.ids[place], *([step] if found.answers == "tags" else [])]
                if found.classes:
                    target = own.targets[place]
                    real = target[step] if isinstance(target, list) else target
                    said = [real, found.classes[int(answers[row].argmax())], *(f"{p:.6g}" for p in answers[row])]
                else:
                    said = [f"{value:.8g}" for value in (*truth[row], *answers[row])]
                writer.writerow([*where, *said])
