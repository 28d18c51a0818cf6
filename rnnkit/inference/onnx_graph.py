"""A net as an ONNX graph: padded inputs and their lengths in, scores out. Written by hand, as nothing traces packing.

The recurrent operators take the lengths themselves (`sequence_lens`), so padding never reaches a state; pooling leaves
it out by a mask. https://onnx.ai/onnx/operators/
"""

from typing import Any

import numpy as np
import torch
from torch import nn

from rnnkit.core import UserError, extras
from rnnkit.nn import LanguageModel, Members, Recurrent, SequenceClassifier, Tagger, embeddings, heads, layer_weights


OPSET, IR = 17, 8
OPERATORS = {nn.RNN: "RNN", nn.GRU: "GRU", nn.LSTM: "LSTM"}
# The gates of torch in the order of ONNX: i f g o -> i o f c, r z n -> z r h.
GATES = {nn.RNN: [0], nn.GRU: [1, 0, 2], nn.LSTM: [0, 3, 1, 2]}


class Graph:
    """The nodes and weights of a graph while it grows; names of values are strings."""

    def __init__(self) -> None:
        with extras.needed("export", "the export to ONNX"):
            import onnx
        self.onnx: Any = onnx
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def __call__(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node, and return the name of what it gives, or the names."""
        names = [f"{operator.lower()}_{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(self.onnx.helper.make_node(operator, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, values: Any, dtype: type | None = None) -> str:
        """Weights or numbers, by the name that they get."""
        array = values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.array(values, dtype)
        name = f"constant_{len(self.weights)}"
        self.weights.append(self.onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name


def of(net: nn.Module, features: int) -> Any:
    """The model: `inputs` of shape (batch, steps, features), or (batch, steps) of numbers of words, and `lengths`.

    Of nets that read letters there are `letters`, of shape (batch, steps, letters), and `letter_lengths` besides.
    `scores` are (batch, outputs), or (batch, steps, outputs). Raises `UserError` for a net that cannot be written.
    """
    graph = Graph()
    helper, types = graph.onnx.helper, graph.onnx.TensorProto
    alike: list[Any] = [*net.members] if isinstance(net, Members) else [net]
    numbers = getattr(alike[0], "embedding", None) is not None
    given = [("inputs", types.INT64 if numbers else types.FLOAT, ["batch", "steps"] + ([] if numbers else [features]))]
    given.append(("lengths", types.INT32, ["batch"]))
    if isinstance(getattr(alike[0], "embedding", None), embeddings.Spelled):
        given.append(("letters", types.INT64, ["batch", "steps", "letters"]))
        given.append(("letter_lengths", types.INT32, ["batch", "steps"]))
    found = [_scores(graph, one) for one in alike]
    scores = found[0] if len(found) == 1 else graph("Concat", *found, axis=-1)
    graph.nodes.append(helper.make_node("Identity", [scores], ["scores"]))
    by_step = isinstance(alike[0], (Tagger, LanguageModel))
    shape = ["batch", "steps", "outputs"] if by_step else ["batch", "outputs"]
    inputs = [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in given]
    outputs = [helper.make_tensor_value_info("scores", types.FLOAT, shape)]
    made = helper.make_graph(graph.nodes, "rnnkit", inputs, outputs, graph.weights)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    graph.onnx.checker.check_model(model)
    return model


def _scores(graph: Graph, net: Any) -> str:
    """The scores of one net: of shape (batch, outputs), or (batch, steps, outputs)."""
    if not isinstance(net, (SequenceClassifier, Tagger, LanguageModel)):
        raise UserError(f"a net of {type(net).__name__} cannot be written as ONNX")
    steps = "inputs" if net.embedding is None else _embedded(graph, net.embedding)
    by_time = graph("Transpose", steps, perm=[1, 0, 2])
    output, last = _recurrent(graph, net.encoder, by_time, "lengths")
    if isinstance(net, SequenceClassifier):
        scores = _head(graph, net.head, _pooled(graph, net.pool, output, last))
        return scores if net.grams is None else graph("Add", scores, _grams(graph, net.grams))
    return _head(graph, net.head, graph("Transpose", output, perm=[1, 0, 2]))


def _grams(graph: Graph, grams: heads.Grams) -> str:
    """What runs of symbols count for, of shape (batch, classes), as `heads.Grams` has it."""
    whole = lambda *values: graph.constant(values, np.int64)
    weights = graph.constant(grams.weights.weight * grams.scale.unsqueeze(1))
    lag, hashed, found = "inputs", whole(0), list[str]()
    for factor in grams.factors:
        term = graph("Mul", graph("Add", lag, whole(2)), whole(factor))
        hashed = graph("Mod", graph("Add", hashed, term), whole(grams.PRIME))
        found.append(graph("Gather", weights, graph("Mod", hashed, whole(grams.BUCKETS))))
        lag = graph("Pad", lag, whole(0, 1, 0, 0), graph.constant(-1, np.int64))  # a step later
        lag = graph("Slice", lag, whole(0), whole(-1), whole(1))
    rows = graph("Transpose", graph("Sum", *found), perm=[1, 0, 2])
    rows = graph("Where", _mask(graph, rows), rows, graph.constant(0, np.float32))
    roots = graph("Sqrt", graph("Cast", "lengths", to=graph.onnx.TensorProto.FLOAT))
    return graph("Div", graph("ReduceSum", rows, whole(0), keepdims=0), graph("Unsqueeze", roots, whole(1)))


def _embedded(graph: Graph, embedding: nn.Module) -> str:
    """Vectors of shape (batch, steps, size)."""
    if not isinstance(embedding, embeddings.Spelled):
        return graph("Gather", graph.constant(embedding.weight), "inputs")
    words = graph("Gather", graph.constant(embedding.words.weight), "inputs")
    shape = graph("Shape", "letters")
    each = graph("Slice", shape, *(graph.constant([i], np.int64) for i in (2, 3)))
    flat = graph("Reshape", "letters", graph("Concat", graph.constant([-1], np.int64), each, axis=0))
    lengths = graph("Reshape", "letter_lengths", graph.constant([-1], np.int64))
    lengths = graph("Max", lengths, graph.constant([1], np.int32))  # those of padding
    vectors = graph("Gather", graph.constant(embedding.letters.weight), flat)
    _, last = _recurrent(graph, embedding.reader, graph("Transpose", vectors, perm=[1, 0, 2]), lengths)
    batch = graph("Slice", shape, *(graph.constant([i], np.int64) for i in (0, 2)))
    read = graph("Reshape", last, graph("Concat", batch, graph.constant([-1], np.int64), axis=0))
    return graph("Concat", words, read, axis=2)


def _recurrent(graph: Graph, module: nn.Module, steps: str, lengths: str) -> tuple[str, str]:
    """The top layer's states, (steps, batch, directions x hidden), and its last ones, (batch, directions x hidden)."""
    kind = next((kind for kind in OPERATORS if isinstance(module, kind)), None)
    if kind is None or not isinstance(module, nn.RNNBase):
        what = f"of the cell {module.cell.name}" if isinstance(module, Recurrent) else type(module).__name__
        raise UserError(f"layers {what} cannot be written as ONNX: it has RNN, GRU and LSTM, without zoneout")
    directions = 2 if module.bidirectional else 1
    weights, last = layer_weights(module), ""
    options: dict[str, Any] = {"hidden_size": module.hidden_size}
    options["direction"] = "bidirectional" if module.bidirectional else "forward"
    if kind is nn.RNN:
        options["activations"] = [
            {"tanh": "Tanh", "relu": "Relu"}[getattr(module, "nonlinearity", "tanh")]
        ] * directions
    if kind is nn.GRU:
        options["linear_before_reset"] = 1  # as torch has it
    for layer in range(module.num_layers):
        of_layer = weights[layer * directions : (layer + 1) * directions]
        w, r = (_stacked(graph, kind, [one[i] for one in of_layer]) for i in (0, 1))
        zeros = [torch.zeros_like(one[0][:, 0]) for one in of_layer]
        biases = [[one[i] if len(one) > 2 else zero for one, zero in zip(of_layer, zeros, strict=True)] for i in (2, 3)]
        both = [torch.cat([_ordered(kind, part) for part in pair]) for pair in zip(*biases, strict=True)]
        inputs = [steps, w, r, graph.constant(torch.stack(both)), lengths]
        count = 3 if kind is nn.LSTM else 2
        states, h_n, *_ = graph(OPERATORS[kind], *inputs, outputs=count, **options)
        joined = graph("Transpose", states, perm=[0, 2, 1, 3])  # (steps, batch, directions, hidden)
        steps = graph("Reshape", joined, graph.constant([0, 0, -1], np.int64))
        last = graph("Reshape", graph("Transpose", h_n, perm=[1, 0, 2]), graph.constant([0, -1], np.int64))
    return steps, last


def _ordered(kind: type[nn.Module], rows: torch.Tensor) -> torch.Tensor:
    """The rows of a weight or bias with its gates in the order of ONNX."""
    parts = rows.chunk(len(GATES[kind]))
    return torch.cat([parts[i] for i in GATES[kind]])


def _stacked(graph: Graph, kind: type[nn.Module], of_directions: list[torch.Tensor]) -> str:
    return graph.constant(torch.stack([_ordered(kind, rows) for rows in of_directions]))


def _pooled(graph: Graph, pool: nn.Module, output: str, last: str) -> str:
    """Vectors of shape (batch, size), from states of shape (steps, batch, size)."""
    if isinstance(pool, heads.LastState):
        return last
    if isinstance(pool, heads.JoinedPool):
        return graph("Concat", *(_pooled(graph, part, output, last) for part in pool.parts), axis=1)
    mask = _mask(graph, output)
    first = graph.constant([0], np.int64)
    if isinstance(pool, heads.MaxPool):
        lowest = graph.constant(-np.inf, np.float32)
        return graph("ReduceMax", graph("Where", mask, output, lowest), axes=[0], keepdims=0)
    if isinstance(pool, heads.MeanPool):
        sums = graph("ReduceSum", output, first, keepdims=0)  # states of padding are 0
        count = graph("Cast", "lengths", to=graph.onnx.TensorProto.FLOAT)
        return graph("Div", sums, graph("Unsqueeze", count, graph.constant([1], np.int64)))
    if isinstance(pool, heads.AttentionPool):
        projected = graph("Tanh", _linear(graph, pool.project, output))
        scores = graph("Where", mask, _linear(graph, pool.query, projected), graph.constant(-np.inf, np.float32))
        return graph("ReduceSum", graph("Mul", graph("Softmax", scores, axis=0), output), first, keepdims=0)
    raise UserError(f"a pooling by {type(pool).__name__} cannot be written as ONNX")


def _mask(graph: Graph, output: str) -> str:
    """True at valid steps, of shape (steps, batch, 1)."""
    shape = graph("Shape", output)
    steps = graph("Gather", shape, graph.constant(0, np.int64))
    places = graph("Range", graph.constant(0, np.int64), steps, graph.constant(1, np.int64))
    column = graph("Unsqueeze", places, graph.constant([1, 2], np.int64))
    lengths = graph(
        "Unsqueeze", graph("Cast", "lengths", to=graph.onnx.TensorProto.INT64), graph.constant([0, 2], np.int64)
    )
    return graph("Less", column, lengths)


def _head(graph: Graph, head: nn.Module, rows: str) -> str:
    for part in head if isinstance(head, nn.Sequential) else [head]:
        if isinstance(part, nn.Linear):
            rows = _linear(graph, part, rows)
        elif isinstance(part, nn.ReLU):
            rows = graph("Relu", rows)
        elif not isinstance(part, nn.Dropout):
            raise UserError(f"a head with {type(part).__name__} cannot be written as ONNX")
    return rows


def _linear(graph: Graph, layer: nn.Linear, rows: str) -> str:
    product = graph("MatMul", rows, graph.constant(layer.weight.T))
    bias = getattr(layer, "bias", None)
    return product if bias is None else graph("Add", product, graph.constant(bias))
