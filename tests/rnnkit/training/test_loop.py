"""The loop: what it records, carries and keeps, against loops written out here."""

import copy
import dataclasses
import math

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from experiments.digits import Config
from rnnkit import sequences
from rnnkit.nn import models
from rnnkit.nn.modules import evaluating
from rnnkit.runs import tracking
from rnnkit.runs.result import Result
from rnnkit.runs.rows import read_rows
from rnnkit.sequences import Examples, bptt_chunks
from rnnkit.training import Objective, Pruned, Task, loop


EXAMPLES = Examples(
    [torch.randn(n, 3, generator=torch.Generator().manual_seed(n)) for n in range(2, 26)], torch.arange(24) % 3
)


@pytest.fixture
def config(tmp_path):
    return Config(
        cell="lstm", hidden_size=4, depth=2, dropout=0.3, epochs=3, batch_size=8, track="off", runs_dir=tmp_path
    )


def loss_of(model, batch, state):
    return cross_entropy(model(batch.inputs), batch.targets), None


def fitted(config, values=None, report=None, loss=loss_of, model=None, metrics=None, keep=None, **options):
    """Train a small classifier; `values` are what its evaluations say, one after the other."""
    values = iter(values) if values is not None else None
    model = model or models.classifier(config, 3, 3, longest=25)
    seen = []

    def evaluate():
        with evaluating(model):
            value = cross_entropy(model(sequences.collate(EXAMPLES).inputs), EXAMPLES.targets).item()
        seen.append([p.detach().clone() for p in model.parameters()])
        return {"loss/valid": value if values is None else next(values)}

    given = {
        "data": EXAMPLES,
        "checksums": {},
        "objective": Objective("loss/valid"),
        "model": model,
        "batches": lambda epoch: sequences.shuffled_batches(EXAMPLES, config.batch_size, config.seed, epoch),
        "steps_per_epoch": 3,
        "loss": loss,
        "evaluate": evaluate,
    }
    with tracking.start(config, data={}) as run:
        found = loop.fit(Task(**given | options), config, run, report)
        run.finish(model, metrics, keep)
    return model, found, read_rows(run.folder), seen


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def torchs_schedule(optimizer, config, steps):
    """What torch has under the name of a schedule."""
    kinds = torch.optim.lr_scheduler
    if config.schedule == "one-cycle":
        momentum = isinstance(optimizer, torch.optim.Adam)
        return kinds.OneCycleLR(optimizer, config.learning_rate, total_steps=steps, cycle_momentum=momentum)
    return kinds.CosineAnnealingLR(optimizer, steps) if config.schedule == "cosine" else kinds.ConstantLR(optimizer, 1)


OPTIMIZERS = {"adam": torch.optim.Adam, "rmsprop": torch.optim.RMSprop, "sgd": torch.optim.SGD}


@pytest.mark.parametrize(
    ("optimizer", "schedule", "clip"),
    [
        ("adam", "one-cycle", 0.0),
        ("adam", "one-cycle", 0.05),
        ("adam", "constant", 0.05),
        ("rmsprop", "cosine", 0.0),
        ("rmsprop", "one-cycle", 0.0),
        ("sgd", "constant", 0.05),
        ("sgd", "one-cycle", 0.0),
    ],
)
def test_it_trains_as_a_plain_loop_does(config, optimizer, schedule, clip):
    config = dataclasses.replace(config, optimizer=optimizer, schedule=schedule, clip=clip, keep="last")
    model, _, rows, _ = fitted(config)
    twin = models.classifier(config, 3, 3, longest=25)
    optimizer = OPTIMIZERS[optimizer](twin.parameters(), lr=config.learning_rate)
    rates = torchs_schedule(optimizer, config, 9)
    torch.manual_seed(loop.seeding.stream(config.seed, "dropout"))
    losses, norms, used = [], [], []
    for epoch in range(3):
        for batch in sequences.shuffled_batches(EXAMPLES, 8, config.seed, epoch):
            optimizer.zero_grad()
            loss = cross_entropy(twin(batch.inputs), batch.targets)
            loss.backward()
            norms.append(nn.utils.clip_grad_norm_(twin.parameters(), clip or math.inf).item())
            losses.append(loss.item())
            used.append(rates.get_last_lr()[0])
            optimizer.step()
            rates.step()
    assert [row["loss/train"] for row in rows] == pytest.approx(losses, rel=1e-5)
    assert [row["grad_norm/total"] for row in rows] == pytest.approx(norms, rel=1e-4)
    assert [row["schedule/learning_rate"] for row in rows] == pytest.approx(used, rel=1e-12)
    for one, other in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    if clip:
        assert rows[-1]["clip/fraction"] == sum(norm > clip for norm in norms) / 9


@pytest.mark.parametrize("every", [1, 2, 4, 100])
def test_how_often_it_evaluates_changes_nothing_else(config, every):
    config = dataclasses.replace(config, keep="last")
    plain, _, rows, _ = fitted(config)
    model, found, other_rows, _ = fitted(dataclasses.replace(config, evaluate_every=every))
    assert same(plain.parameters(), model.parameters())
    assert [row["loss/train"] for row in rows] == [row["loss/train"] for row in other_rows]
    evaluated = [row["step"] for row in other_rows if "loss/valid" in row]
    assert evaluated == sorted({*range(every, 10, every), 9})
    assert [row["step"] for row in rows if "loss/valid" in row] == [3, 6, 9]
    assert found.progress.epoch == 3


def test_the_best_or_the_last_weights_are_kept(config):
    values = [0.5, 0.2, 0.2]
    model, found, _, seen = fitted(config, values)
    assert (found.best.value, found.best.evaluation) == (0.2, 2)  # the first of equal ones
    assert same(model.parameters(), seen[1])
    model, _, _, seen = fitted(dataclasses.replace(config, keep="last"), values)
    assert same(model.parameters(), seen[2])


@pytest.mark.parametrize(("ties", "kept"), [("loss", 2), ("first", 1)])
def test_of_equal_evaluations_the_lowest_loss_is_kept(config, ties, kept):
    said = [(0.7, 0.9), (0.8, 0.6), (0.8, 0.4), (0.8, 0.5), (0.6, 0.1)]
    rows = iter([{"metric/accuracy/valid": value, "loss/valid": loss} for value, loss in said])
    weights = []

    def evaluate():
        weights.append(copy.deepcopy(model.state_dict()))
        return next(rows)

    model = models.classifier(config, 3, 3, longest=25)
    changed = dataclasses.replace(config, ties=ties, evaluate_every=2)
    options = {"evaluate": evaluate, "objective": Objective("metric/accuracy/valid")}
    _, found, _, _ = fitted(changed, model=model, **options)
    assert (found.best.value, found.best.evaluation) == (0.8, kept + 1)
    assert same(model.state_dict().values(), weights[kept].values())


def test_patience_counts_evaluations(config):
    patient = dataclasses.replace(config, patience=2, evaluate_every=1)
    _, found, rows, _ = fitted(patient, [0.5, 0.4, 0.6, 0.4, 0.1])
    assert (len(rows), found.best.evaluation, found.progress.epoch) == (4, 2, 1)  # that is in the second


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_an_evaluation_that_is_not_finite_ends_the_run(config, value):
    with pytest.raises(UnboundLocalError):
        fitted(config, [0.5, value, 0.4])
    (folder,) = config.runs_dir.iterdir()
    result = Result.read(folder)
    assert result.status == "diverged"
    assert result.reason == f"loss/valid is {value} at the evaluation after step 6"
    assert not (folder / "checkpoint.pt").exists()


def test_report_hears_each_evaluation_and_may_prune(config):
    heard = []

    def report(number, value):
        heard.append((number, value))
        if number == 2:
            raise Pruned

    with pytest.raises(UnboundLocalError):  # the block ended quietly, as pruned, before anything was returned
        fitted(config, [0.5, 0.4, 0.3], report)
    assert heard == [(1, 0.5), (2, 0.4)]


@pytest.mark.parametrize("spoil", ["loss", "gradient"])
def test_it_stops_at_the_first_step_that_is_not_finite_and_names_the_batch(config, spoil):
    count = 0

    def loss(model, batch, state):
        nonlocal count
        count += 1
        value, _ = loss_of(model, batch, state)
        if count == 5:
            value = value * math.nan if spoil == "loss" else value + (model.head.weight[0, 0] * 0).sqrt()
        return value, None

    with pytest.raises(UnboundLocalError):
        fitted(config, loss=loss)
    (folder,) = config.runs_dir.iterdir()
    result = Result.read(folder)
    assert result.status == "diverged"
    assert "step 5: batch 2 of epoch 2" in result.reason
    assert read_rows(folder)[-1]["step"] == 5


def test_a_state_is_carried_cut_from_its_past_and_dropped_between_epochs(config):
    ids = torch.randint(7, (41,), generator=torch.Generator().manual_seed(0))
    config = dataclasses.replace(config, hidden_size=6, bidirectional=False, dropout=0.0, keep="last", epochs=2)
    model, twin = (models.language_model(config, 7, 4, longest=5) for _ in range(2))
    given = []

    def loss(model, chunk, state):
        given.append(state)
        scores, after = model(chunk.inputs, state)
        return cross_entropy(scores.flatten(0, 1), chunk.targets.flatten()), after

    task = Task(
        data=ids,
        checksums={},
        objective=Objective("loss/valid"),
        model=model,
        batches=lambda epoch: bptt_chunks.contiguous(ids, 4, 5),
        steps_per_epoch=2,
        loss=loss,
        evaluate=lambda: {"loss/valid": 0.0},
    )
    with tracking.start(config, data={}) as run:
        loop.fit(task, config, run)
        run.finish(model)
    assert [state is None for state in given] == [True, False, True, False]
    assert all(not part.requires_grad for state in given if state for part in state)

    optimizer = torch.optim.Adam(twin.parameters(), lr=config.learning_rate, fused=True)
    rates = torchs_schedule(optimizer, config, 4)
    inputs, targets = ids[:40].view(4, 10), ids[1:].view(4, 10)
    for _ in range(2):
        state = None
        for part in (slice(0, 5), slice(5, 10)):
            scores, state = twin(inputs[:, part], state)
            optimizer.zero_grad()
            cross_entropy(scores.flatten(0, 1), targets[:, part].flatten()).backward()
            nn.utils.clip_grad_norm_(twin.parameters(), config.clip)
            optimizer.step()
            rates.step()
            state = tuple(part.detach() for part in state)
    for one, other in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_a_gpu_that_is_not_there_is_said(config):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(loop.UserError, match="--device cuda: this machine has no GPU"):
        loop.prepare(dataclasses.replace(config, device="cuda"))


def test_numbers_too_small_for_full_precision_count_as_zero_in_a_run(config):
    loop.prepare(config)
    assert torch.tensor(2e-38) * 0.1 == 0


def test_a_rate_of_the_experiments_own_goes_by_epochs(config):
    _, _, rows, _ = fitted(config, rate=lambda epochs: 0.5**epochs)
    expected = [config.learning_rate * 0.5 ** (step / 3) for step in range(9)]
    assert [row["schedule/learning_rate"] for row in rows] == pytest.approx(expected)
