"""What must hold of a cell of one's own, that of the recipe in CONTRIBUTING.md, run where the recipe was followed.

It is stopped and goes on, is replayed bit for bit, screened, and observed beside a loop with autograd.
"""

import contextlib
import os
import signal
import sys
from pathlib import Path

import torch
from torch.nn.utils.rnn import pack_sequence, unpack_sequence

import rnnkit
from experiments import digits, memory, reproduce, resume
from rnnkit.core import run_name
from rnnkit.runs import Result, tracking


def command(module, *words) -> int:
    """Run a command's `main` with these words: its exit code."""
    sys.argv = ["command", *map(str, words)]
    try:
        module.main()
    except SystemExit as stop:
        return stop.code or 0
    return 0


def stopped_resumed_and_replayed(config: digits.Config) -> None:
    """A Ctrl-C in the seventh step; what came out is what a replay from the start gives."""
    log = tracking.Run.log

    def asks(run, step, row):
        log(run, step, row)
        if step == 7:
            os.kill(os.getpid(), signal.SIGINT)

    tracking.Run.log = asks
    with contextlib.suppress(KeyboardInterrupt):
        digits.run(config)
    tracking.Run.log = log
    folder = config.runs_dir / run_name(config)
    assert Result.read(folder).status == "interrupted"
    assert command(resume, folder) == 0
    assert Result.read(folder).status == "finished"
    assert command(reproduce, folder) == 0


def by_hand(x: torch.Tensor, w: dict[str, torch.Tensor]) -> tuple[list, list]:
    """States and gates of a sequence of shape (steps, inputs), written out a second time."""
    h, states, gates = x.new_zeros(w["weight_hh"].shape[1]), [], []
    for x_t in x:
        of_x, of_h = w["weight_ih"] @ x_t + w["bias_ih"], w["weight_hh"] @ h + w["bias_hh"]
        z, n = (of_x + of_h).chunk(2)
        z, n = 1 / (1 + torch.exp(-z)), torch.tanh(n)
        h = n + z * (h - n)
        states.append(h)
        gates.append({"z": z, "n": n})
    return states, gates


def observed() -> None:
    """Gates and total gradients of states are those of the loop, within 1e-10 in float64."""
    torch.manual_seed(0)
    module = rnnkit.Recurrent("ugrnn", 3, 5, dtype=torch.float64)
    sequences = [torch.randn(n, 3, dtype=torch.float64) for n in (4, 7, 2)]
    with rnnkit.observe(module) as trace:
        output, _ = module(pack_sequence(sequences, enforce_sorted=False))
        output.data.pow(3).sum().backward()
    seen = trace["model"]["l0.f"]
    for number, x in enumerate(sequences):
        states, gates = by_hand(x, module.parameters_of(module.places[0]))
        total = torch.autograd.grad(sum(h.pow(3).sum() for h in states), states)
        pairs = [(seen.hidden_gradient, torch.stack(total))]
        pairs += [(seen.gates[name], torch.stack([gate[name] for gate in gates])) for name in "zn"]
        for found, expected in pairs:
            torch.testing.assert_close(unpack_sequence(found)[number], expected, rtol=1e-10, atol=1e-10)


def screened() -> None:
    """Gates that are half open lose what lies 60 steps back, with chrono initialisation they need not."""
    for init, names in (("default", {"vanishing"}), ("chrono", set())):
        config = memory.Config(cell="ugrnn", init=init, length=60, hidden_size=8, track="off")
        assert {flag.name for flag in memory.run.screened(config).flags} & {"vanishing"} == names


if __name__ == "__main__":
    screened()
    observed()
    stopped_resumed_and_replayed(
        digits.Config(
            cell="ugrnn", view="rows", hidden_size=4, epochs=1, save_every=5, track="off", runs_dir=Path("own")
        )
    )
