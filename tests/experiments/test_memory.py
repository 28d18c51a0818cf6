"""The memory tasks from end to end: what learns, what cannot, and what is said of it."""

import dataclasses

import pytest
import torch

from experiments import memory
from rnnkit import sequences
from rnnkit.core import cli, files
from rnnkit.core.errors import UserError
from rnnkit.nn import models
from rnnkit.runs.result import Result
from rnnkit.runs.rows import read_rows
from rnnkit.sequences import Examples
from tests.helpers import run_command


TASKS = ["adding", "copying", "temporal-order", "reber"]
CPU = torch.device("cpu")


@pytest.fixture
def few(monkeypatch):
    """Fewer examples to validate and to test with."""
    monkeypatch.setattr(memory, "VALIDATION", 200)
    monkeypatch.setattr(memory, "TEST", 1_000)


@pytest.fixture
def small(tmp_path, few):
    """Settings of a small net that learns a short task in a second or two."""
    return {"hidden_size": 24, "learning_rate": 0.01, "round": 50, "track": "off", "runs_dir": tmp_path}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    runs = tmp_path_factory.mktemp("memory")
    words = ["--length", "10", "--init", "chrono", "--hidden-size", "24", "--learning-rate", "0.01", "--round", "50"]
    done = run_command("experiments.memory", *words, "--epochs", "10", "--track", "off", "--runs-dir", runs)
    assert done.returncode == 0, done.stderr
    (folder,) = runs.iterdir()
    return folder, done.stdout


def test_a_net_that_remembers_is_told_so_beside_what_others_reach(trained):
    folder, printed = trained
    result = Result.read(folder)
    loss = result.metrics["metric/loss/test"]
    assert 0 <= loss < 0.01
    assert f"loss (test): {loss:.4f}" in printed
    assert "without memory (1 for every sum), expected: loss (test) 0.1667" in printed
    assert "best possible: loss (test) 0.0000" in printed
    assert f"the lstm with chrono initialisation remembers 10 steps: loss {loss:.5f}, asked for: below 0.01" in printed
    assert f"gap to the best possible on the test examples: +{loss:.5f}" in printed
    rows = read_rows(folder)
    evaluated = [row["step"] for row in rows if "metric/loss/valid" in row]
    assert evaluated == list(range(50, 501, 50))
    solved = [row["step"] for row in rows if row.get("metric/loss/valid", 1.0) < 0.01]
    assert f"reached on the validation examples after {solved[0]} of 500 steps" in printed
    assert {"grad_norm/encoder.l0.f/hh", "hidden/encoder.l0.f/rms"} <= set(rows[49])


# The test part is a sample: its loss may be below the expected one by chance. 4 standard errors of an error of 1's sum
# are 0.025 of 1,000 sums; beside what the same answer has on the same examples, chance is far less.
CHANCE = 0.002


@pytest.mark.parametrize(
    ("task", "settings"),
    [
        ("adding", {"cell": "lstm", "init": "chrono"}),
        ("adding", {"cell": "gru"}),
        ("adding", {"cell": "rnn", "depth": 2}),
        ("copying", {}),
        ("temporal-order", {}),
        ("reber", {}),
    ],
)
def test_a_net_whose_recurrence_is_cut_gets_what_its_own_input_tells_and_no_better(task, settings, small):
    config = memory.Config(task=task, length=12, cut_recurrence=True, epochs=4, **settings, **small)
    result = memory.run(config)
    made = memory.task_of(config)
    test = memory.held_out(config, made)[1]
    on = made.own_input_on or (lambda examples: made.own_input)
    assert -CHANCE < result.metrics["metric/loss/test"] - on(test) < 0.02  # on the same examples
    assert on(test) == pytest.approx(made.own_input, abs=0.025)
    assert " its recurrence cut, does not remember 12 steps" in "\n".join(memory.answer(config, result))
    beside = {r.what: r.value for r in result.references if r.metric == "loss"}
    assert result.metrics["metric/loss/test"] > beside[memory.NOTHING[task]] - CHANCE


@pytest.mark.parametrize(
    ("task", "length", "epochs"), [("temporal-order", 20, 3), ("reber", 12, 7), ("copying", 20, 4)]
)
def test_no_loss_is_below_the_best_possible(task, length, epochs, small):
    """Beyond chance: the excess is a mean over 1,000 strings of log-ratios, whose noise is far below a CHANCE."""
    config = memory.Config(task=task, length=length, epochs=epochs, init="forget-bias", **small)
    result = memory.run(config)
    gap = result.metrics.get("metric/excess/test", result.metrics["metric/loss/test"])
    assert gap > -CHANCE
    assert result.metrics["metric/loss/test"] < memory.task_of(config).own_input
    assert f"on the test examples: {gap:+.5f}" in "\n".join(memory.answer(config, result))
    if task == "temporal-order":
        assert result.metrics["metric/accuracy/test"] > 0.99
    if task == "reber":
        assert result.metrics["metric/accuracy/test"] > 0.9
        assert gap < 0.03


def knowing(examples, length):
    """The log-probabilities that somebody gives who knows the embedded Reber grammar and all symbols so far."""
    stop = 8 / (length - 4)
    nodes = {1: {1: 2, 2: 3}, 2: {3: 2, 4: 4}, 3: {1: 3, 5: 5}, 4: {4: 3, 3: 6}, 5: {2: 4, 5: 6}}  # symbols of BTPSXVE
    said = []
    for sequence in examples.inputs:
        symbols = sequence.argmax(1).tolist()
        rows, node = torch.zeros(len(symbols), 7), None
        for step, symbol in enumerate(symbols):
            if step == 0:
                rows[step, [1, 2]] = 0.5
                continue
            if step == 1:
                rows[step, 0] = 1.0
                continue
            node = 1 if symbol == 0 else nodes[node][symbol] if node in nodes else None
            if node == 6:
                rows[step, 6] = 1.0
            elif node:
                rows[step, list(nodes[node])] = 0.5
            elif symbol == 6:
                rows[step, 0], rows[step, symbols[1]] = 1 - stop, stop
            else:
                rows[step, 6] = 1.0
        said.append(rows.clamp_min(1e-30).log())
    return said


@pytest.mark.parametrize("length", [12, 30])
def test_who_knows_the_grammar_has_no_excess_and_who_knows_what_comes_is_found_out(length):
    config = memory.Config(task="reber", length=length)
    task = memory.task_of(config)
    examples = task.make(300, torch.Generator().manual_seed(0))
    found = memory.measured(task, knowing(examples, length), examples, "test")
    assert found["metric/excess/test"] == pytest.approx(0, abs=1e-6)
    assert found["metric/accuracy/test"] == 1
    assert memory.verdict(config, task, found)[0]
    told = [10.0 * torch.nn.functional.one_hot(targets, 7) for targets in examples.targets]
    assert memory.measured(task, told, examples, "test")["metric/excess/test"] < -0.4  # the leak shows


@pytest.mark.parametrize("task", TASKS)
def test_losses_count_steps_and_sequences_whatever_batches_they_come_in(task):
    config = memory.Config(task=task, length=14, hidden_size=6)
    kind = memory.task_of(config)
    examples = kind.make(260, torch.Generator().manual_seed(0))  # more than a batch of 250
    make = models.tagger if kind.every_step else models.classifier
    model = make(config, kind.features, kind.scores, 30).train()
    found = memory.measured(kind, memory.answers(model, examples), examples, "test")
    assert model.training
    nats, count, right = 0.0, 0, []
    with torch.no_grad():
        for i in range(260):
            one = examples.subset([i])
            given = model(sequences.collate(one).inputs)
            rows = (given.data if kind.every_step else given).double()
            targets = one.targets[0].view(-1)
            if task == "adding":
                nats += (rows - targets).square().item()
            else:
                nats -= rows.log_softmax(1)[range(len(rows)), targets].sum().item()
                right.append(kind.right([rows if kind.every_step else rows[0]], one))
            count += len(rows)
    assert found["metric/loss/test"] == pytest.approx(nats / count, rel=1e-5)
    assert found.get("metric/accuracy/test") == (torch.cat(right).double().mean().item() if right else None)


def test_the_examples_to_test_with_depend_on_the_data_seed_alone(tmp_path, few):
    def data(**settings):
        config = memory.Config(length=12, epochs=1, round=1, hidden_size=4, track="off", runs_dir=tmp_path, **settings)
        result = memory.run(config)
        return files.read_json(result.folder / "manifest.json")["data"]["adding"], result.weights_sha256

    (first, weights), (again, other_weights), (other, third) = data(seed=0), data(seed=1), data(seed=0, data_seed=1)
    assert first == again != other
    assert weights != other_weights
    assert weights == third  # neither training nor what it starts from has anything of the data seed


@pytest.mark.parametrize("task", TASKS)
def test_no_example_is_trained_and_tested_with(task, few, monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(
        sequences, "collate", lambda examples, old=sequences.collate: (seen.append(examples), old(examples))[1]
    )
    config = memory.Config(task=task, length=40, epochs=2, round=2, hidden_size=4, track="off", runs_dir=tmp_path)
    memory.run(config)
    valid, test = memory.held_out(config, memory.task_of(config))
    parts = [{tuple(x.flatten().tolist()) for x in part.inputs} for part in (valid, test)]
    trained = [x for examples in seen for x in examples.inputs if len(examples) == config.batch_size]
    fresh = {tuple(x.flatten().tolist()) for x in trained} - parts[0]  # the monitored batch is of the validation part
    assert len(fresh) > 100
    if task != "reber":  # whose strings are short: the same one may come twice
        assert not fresh & parts[1]
        assert not parts[0] & parts[1]


def test_the_same_command_gives_the_same_bits(small):
    config = memory.Config(task="reber", epochs=1, **small | {"round": 5})
    one, other = memory.run(config), memory.run(config)
    assert one.weights_sha256 == other.weights_sha256
    assert one.metrics["metric/loss/test"] == other.metrics["metric/loss/test"]
    assert memory.run(dataclasses.replace(config, seed=1)).weights_sha256 != one.weights_sha256


@pytest.mark.parametrize(
    "words",
    [
        ["--task", "copying", "--cell", "gru", "--init", "chrono", "--schedule", "cosine"],
        ["--task", "temporal-order", "--cell", "rnn", "--init", "identity", "--depth", "2", "--dropout", "0.2"],
        ["--task", "reber", "--length", "30", "--layers", "torch", "--init", "orthogonal", "--optimizer", "rmsprop"],
        ["--task", "adding", "--length", "13", "--cell", "gru", "--keep", "last", "--clip", "0", "--data-seed", "3"],
    ],
)
def test_every_setting_works(tmp_path, monkeypatch, capsys, few, words):
    quick = ["--epochs", "2", "--round", "3", "--hidden-size", "8", "--track", "off", "--runs-dir", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["memory", *quick, *words])
    memory.main()
    printed = capsys.readouterr().out
    assert ": finished after 6 steps" in printed
    assert " does not remember " in printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--task", "subtracting"], "subtracting"),
        (["--length", "3"], "--length must be at least 4 for --task adding, not 3"),
        (["--task", "reber", "--length", "11"], "--length must be at least 12 for --task reber, not 11"),
        (["--task", "copying", "--length", "-1"], "--length must be at least 1 for --task copying, not -1"),
        (["--bidirectional"], "a net that reads backwards need not remember"),
        (["--round", "0"], "--round must be at least 1"),
        (["--data-seed", "-1"], "--data-seed must be 0 or more"),
        (["--cell", "rnn", "--init", "chrono"], "it needs a --cell that has one (gru, "),
    ],
)
def test_mistakes_end_with_one_line_and_exit_2(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.setattr("sys.argv", ["memory", *words, "--track", "off", "--runs-dir", str(tmp_path / "runs")])
    with pytest.raises(SystemExit) as stop:
        cli.main(memory.main, settle=False)
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_weights_that_the_last_step_before_an_evaluation_spoilt_are_a_run_that_diverged(tmp_path, few):
    """Looked at as well: states that are not finite have no eigenvalues."""
    quick = {"length": 4, "epochs": 1, "round": 1, "hidden_size": 4, "learning_rate": 1e38}
    result = memory.run(memory.Config(**quick, observe="full", track="off", runs_dir=tmp_path))
    assert result.status == "diverged"
    assert "metric/loss/valid is nan at the evaluation after step 1" in result.reason


def test_a_target_that_no_score_stands_for_is_refused_before_a_run_begins(tmp_path, monkeypatch):
    bad = Examples([torch.zeros(5, 8)], torch.tensor([4]))
    monkeypatch.setattr(memory, "held_out", lambda config, task: (bad, bad))
    with pytest.raises(UserError, match=r"example 0: target 4 is outside 0\.\.3"):
        memory.run(memory.Config(task="temporal-order", track="off", runs_dir=tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()
