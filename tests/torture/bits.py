"""The same training in several fresh processes, and on several numbers of threads: the same bits, or not.

    python -m tests.torture.bits

24 small networks (three cells, packed and padded, one and two layers, one and both directions, dropout between layers)
are trained for 20 steps in three processes with different hash seeds, which gives 72 trainings. What is compared is a
SHA-256 over weights, the optimizer's state and the loss of each step. Then the same and larger ones, on 1, 2 and 4
threads, and as a control without the settings that make the number of threads not matter. Where torch has another
matrix library than MKL there are no such settings: it names the networks whose bits depend on the number of threads,
and holds where a run says so too, and where each of them gives the same bits again on the same number.
"""

import hashlib
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path


ROOT = Path(__file__).resolve().parents[2]
SMALL = {"hidden": 16, "batch": 6, "steps": 20}
LARGE = {"hidden": 256, "batch": 64, "steps": 64}
THREADS = (1, 2, 4)


def trained(cell: str, packed: bool, depth: int, bidirectional: bool, hidden: int, batch: int, steps: int) -> str:
    """Train one network for 20 steps and return the SHA-256 of all that came of it."""
    import torch
    from torch import nn
    from torch.nn.utils.rnn import pack_padded_sequence

    import rnnkit

    torch.manual_seed(0)
    options = {"num_layers": depth, "bidirectional": bidirectional, "dropout": 0.2 * (depth > 1), "batch_first": True}
    layer = getattr(rnnkit, cell)(8, hidden, **options)
    head = nn.Linear(hidden * (1 + bidirectional), 5)
    parameters = [*layer.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-3, fused=True)
    digest = hashlib.sha256()
    for _ in range(20):
        x, targets = torch.randn(batch, steps, 8), torch.randint(5, (batch,))
        lengths = torch.randint(1, steps + 1, (batch,))
        given = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False) if packed else x
        _, state = layer(given)
        h_n = state[0] if isinstance(state, tuple) else state
        top = torch.cat(list(h_n[-1 - bidirectional :]), dim=1)
        loss = nn.functional.cross_entropy(head(top), targets)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        digest.update(repr(loss.item()).encode())
    for parameter in parameters:
        digest.update(parameter.detach().numpy().tobytes())
        for value in optimizer.state[parameter].values():
            digest.update(value.numpy().tobytes())
    return digest.hexdigest()


def every(size: dict, threads: int, settled: bool = True) -> dict[str, str]:
    """The checksums of all networks of one size in this process, set up as a run sets it up, or not."""
    import torch

    from rnnkit.core import determinism

    if settled:
        determinism.settle(threads, gpu=False)
    else:
        torch.set_num_threads(threads)
    kinds = itertools.product(("RNN", "GRU", "LSTM"), (True, False), (1, 2), (False, True))
    if size is LARGE:
        kinds = itertools.product(("RNN", "GRU", "LSTM"), (True, False), (1,), (False,))
    return {
        f"{cell} {'packed' if packed else 'padded'} {depth} {2 if both else 1}": trained(
            cell, packed, depth, both, **size
        )
        for cell, packed, depth, both in kinds
    }


def elsewhere(size: str, threads: int = 1, hash_seed: int = 0, settled: bool = True) -> dict[str, str]:
    """The checksums from a fresh process."""
    code = "import json, sys\nfrom rnnkit.core import determinism\n"
    code += "determinism.settle_numerics()\n" if settled else ""
    code += f"from tests.torture import bits\nprint(json.dumps(bits.every(bits.{size}, {threads}, {settled})))"
    environment = {k: v for k, v in os.environ.items() if k != "MKL_CBWR"}
    environment |= {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": str(hash_seed), "OMP_WAIT_POLICY": "passive"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def differ(found: list[dict[str, str]]) -> list[str]:
    """The networks whose checksums are not the same in all of `found`."""
    return [name for name in found[0] if len({of[name] for of in found}) > 1]


def paired(one: dict[str, str], other: dict[str, str]) -> list[tuple[str, str]]:
    """The checksums of the same networks, beside each other."""
    return [(one[name], other[name]) for name in one]


def says_so() -> bool:
    """Whether a run on several threads, in a fresh process, says that its bits depend on their number."""
    code = "from rnnkit.core import determinism as d; d.settle_numerics()\n"
    code += "print(all(d.settle(n, gpu=False) for n in (2, 4)))"
    environment = {k: v for k, v in os.environ.items() if k != "MKL_CBWR"} | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip() == "True"


def main() -> None:
    """Train, compare, say how it went; exit with 1 where bits differ that must not."""
    from rnnkit.core import determinism
    from rnnkit.runs.manifest import processor

    first, *others = (elsewhere("SMALL", hash_seed=seed) for seed in range(3))
    equal = len(first) + sum(other[name] == value for other in others for name, value in first.items())
    print(f"{equal} of {3 * len(first)} trainings in fresh processes are equal to the last bit", flush=True)
    failed = equal < 3 * len(first)

    dependent = []
    for size, kind in (("SMALL", "small"), ("LARGE", "larger")):
        found = [elsewhere(size, threads) for threads in THREADS]
        differing = differ(found)
        dependent += differing
        same = len(found[0]) - len(differing)
        which = f"; not so {', '.join(differing)}" if differing else ""
        print(f"{same} of {len(found[0])} {kind} ones are equal on 1, 2 and 4 threads{which}", flush=True)
        if differing:
            again = [elsewhere(size, threads) for threads in THREADS]
            repeated = sum(one == other for of in zip(found, again, strict=True) for one, other in paired(*of))
            print(f"on the same number of threads {repeated} of {len(THREADS) * len(found[0])} are equal", flush=True)
            failed |= repeated < len(THREADS) * len(found[0])

    control = []
    for size, kind in (("SMALL", "small"), ("LARGE", "larger")):
        loose = [elsewhere(size, threads, settled=False) for threads in THREADS]
        control += differ(loose)
        print(f"control, without the settings: {len(differ(loose))} of {len(loose[0])} {kind} ones differ", flush=True)
    failed |= determinism.in_force() is not None and not control  # with MKL; else nothing above could have failed

    if dependent:
        warns = says_so()
        said = "says so" if warns else "is SILENT"
        print(f"bits depend on the number of threads on {processor()}; a run {said}")
        failed |= not warns or determinism.in_force() is not None
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
