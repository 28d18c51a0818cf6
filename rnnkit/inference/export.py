"""Models for other programs: weights as safetensors, nets as ONNX, whose answers are compared with ours at once."""

import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_sequence, unpack_sequence

from rnnkit.core import UserError, extras, files, seeding, writing
from rnnkit.inference import onnx_graph, weights
from rnnkit.inference.model import Model, description
from rnnkit.nn import LanguageModel, Members, embeddings, evaluating
from rnnkit.sequences import pack


SEQUENCES, LONGEST = 50, 40  # that an export is checked on, of 1 to so many steps
TOLERANCE = 1e-4  # of scores, which the two compute in float32 in other orders; of those above 1, of their size


def safetensors(model: Model, path: Path) -> None:
    """Write the weights, and what using them takes, into a file that `rnnkit.load` reads too."""
    weights.write(path, model.net.state_dict(), description(model))


def onnx(model: Model, path: Path, seed: int = 0) -> float:
    """Write the net as ONNX, and return by how much its scores differ from ours on sequences of random lengths.

    Its inputs are padded, with their `lengths`; what stands in the padding makes no difference. They are what the net
    reads: the metadata have the preprocessing. Raises `UserError` where scores differ, and nothing is written then.
    """
    known = model.preprocessing
    net = model.net
    features = known.features if known.reads == "series" else len(known.means)
    written = onnx_graph.of(net, features)
    for name, value in (("rnnkit", json.dumps(description(model))), ("classes", json.dumps(known.classes))):
        entry = written.metadata_props.add()
        entry.key, entry.value = name, value
    content: bytes = written.SerializeToString()
    worst = _difference(net, features, content, seed)
    if not worst <= TOLERANCE:
        raise UserError(f"written as ONNX, the net gives other answers (scores differ by {worst:.2g}): no file is made")
    with writing(path, "--onnx"):
        files.write_named(path, content)
    return worst


def _difference(net: nn.Module, features: int, content: bytes, seed: int) -> float:
    """The largest difference of scores, of those above 1 in relation to their size."""
    with extras.needed("export", "the export to ONNX"):
        import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors alone
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    rows, spelled = _made_up(net, features, seed)
    lengths = torch.tensor([len(row) for row in rows], device="cpu")
    theirs = cast(np.ndarray, session.run(["scores"], _fed(rows, spelled, lengths))[0])
    with evaluating(net):
        if isinstance(net, LanguageModel):
            ours = [net(row.unsqueeze(0))[0][0] for row in rows]
        else:
            given = net(pack(rows))
            ours = unpack_sequence(given) if isinstance(given, PackedSequence) else list(given)
    worst = 0.0
    for mine, other, length in zip(ours, theirs, lengths.tolist(), strict=True):
        other = other[:length] if mine.dim() == 2 else other
        gap = np.abs(mine.numpy() - other) / np.maximum(np.abs(mine.numpy()), 1.0)
        worst = max(worst, float(np.where(np.isnan(gap), np.inf, gap).max()))
    return worst


def _made_up(net: nn.Module, features: int, seed: int) -> tuple[list[Tensor], list[Tensor]]:
    """Sequences of 1 to `LONGEST` steps at random, of what the net reads; and spellings, where it reads them."""
    generator = seeding.generator(seed, "export")

    def whole(count: int, *shape: int) -> Tensor:
        return torch.randint(count, shape, generator=generator, device="cpu")

    alike: list[Any] = [*net.members] if isinstance(net, Members) else [net]
    embedding = getattr(alike[0], "embedding", None)
    lengths = [1, *(int(whole(LONGEST, 1)) + 1 for _ in range(SEQUENCES - 2)), LONGEST]
    if isinstance(embedding, embeddings.Spelled):
        spelled = [whole(embedding.letters.num_embeddings, 1 + int(whole(12, 1))) for _ in range(100)]
        for one in alike:
            one.embedding.spellings = spelled
        ids = (whole(embedding.words.num_embeddings, n) for n in lengths)
        return [torch.stack([row, whole(len(spelled), len(row))], 1) for row in ids], spelled
    if embedding is not None:
        return [whole(embedding.num_embeddings, n) for n in lengths], []
    normal = {"generator": generator, "dtype": torch.float32, "device": "cpu"}
    return [torch.randn(n, features, **normal) for n in lengths], []


def _fed(rows: list[Tensor], spelled: list[Tensor], lengths: Tensor) -> dict[str, np.ndarray]:
    """What the graph is fed: padded with what would show if it were read."""
    numbers = rows[0].dtype == torch.long
    ids = [row[:, 0] for row in rows] if spelled else rows
    fed = {"inputs": pad_sequence(ids, batch_first=True, padding_value=0 if numbers else 1e3).numpy()}
    fed["lengths"] = lengths.numpy().astype(np.int32)
    if spelled:
        longest = max(map(len, spelled))
        letters = torch.zeros(*fed["inputs"].shape, longest, dtype=torch.long, device="cpu")
        counts = torch.zeros(fed["inputs"].shape, dtype=torch.int32, device="cpu")
        for i, row in enumerate(rows):
            for step, place in enumerate(row[:, 1].tolist()):
                letters[i, step, : len(spelled[place])] = spelled[place]
                counts[i, step] = len(spelled[place])
        fed |= {"letters": letters.numpy(), "letter_lengths": counts.numpy()}
    return fed
