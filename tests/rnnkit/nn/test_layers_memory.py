"""Training with ever new shapes takes no more memory from step to step."""

import gc
import subprocess
import sys
import weakref

import torch

from rnnkit.nn.kernels.stack import Stack, run
from rnnkit.sequences import PackedLayout


# Prints how many MiB a process has gained between its 40th and its 240th step, each with other lengths.
GROWTH = """
import random
import rnnkit
import torch
from torch.nn.utils.rnn import pack_sequence


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**20


torch.set_num_threads(1)
random.seed(0)
net = rnnkit.LSTM(4, 128)
for step in range(240):
    sequences = [torch.ones(random.randint(12, 90), 4) for _ in range(16)]
    net(pack_sequence(sequences, enforce_sorted=False))[0].data.sum().backward()
    if step == 40:
        before = resident()
print(resident() - before)
"""


def test_shapes_that_are_new_at_each_step_do_not_pile_up():
    """Kernels that are compiled for each shape, as oneDNN's, piled up 785 MB in 40 seconds of `experiments.tagging`."""
    done = subprocess.run([sys.executable, "-c", GROWTH], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 10


def test_a_layer_below_another_is_freed_with_its_graph():
    """The output of a layer must not be kept by its own node: from there nothing would ever free it."""
    lstm = torch.nn.LSTM(3, 5, num_layers=2)
    stack = Stack(mode="LSTM", hidden_size=5, num_layers=2, directions=1, dropout=0.0)
    weights = [[getattr(lstm, f"{name}_l{layer}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
               for layer in range(2)]  # fmt: skip
    states = []
    layout = PackedLayout([3] * 13 + [2])
    output, _ = run(
        stack,
        torch.randn(41, 3),
        layout,
        (None, None),
        weights,
        [lambda lower, _: states.append(weakref.ref(lower[0]))],
    )
    output.sum().backward()
    del output
    gc.collect()
    assert [state() for state in states] == [None]
