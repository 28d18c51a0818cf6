"""From symbols to vectors in three ways, one sequence or many, and scores for the next symbol."""

import math

import torch
from torch import nn

from experiments.building_blocks.page import STEPS, agree, both, differ, draw, randn, same, seeded, show


def embedding() -> dict:
    """Embedding: rows of a table.

    A net cannot add up symbols, so each of them gets a vector of its own: a row of a weight matrix, here of shape
    (6 symbols, 5 features). Looking up a batch of indices of shape (steps, batch) gives vectors of shape
    (steps, batch, features):

        vectors[t, b] = weight[indices[t, b]]

    What was not looked up gets no gradient; what was, gets it as often as it was.

    Returns the weight, the indices, the vectors, and the gradient of the weight when all numbers are added up.
    """
    with seeded(8):
        table = nn.Embedding(6, 5)
    indices = torch.tensor([[0, 4], [2, 2], [5, 0]])
    vectors = table(indices)
    draw("""
        indices            vectors
        0 4                row 0   row 4
        2 2       --->     row 2   row 2
        5 0                row 5   row 0
        (3, 2)             (3, 2, 5)
        """)
    show("weight", table.weight)
    same("shape of the vectors", tuple(vectors.shape), (3, 2, 5))
    rows = [[table.weight[i] for i in step] for step in indices.tolist()]
    agree("the vectors and the rows one by one", vectors, torch.stack([torch.stack(row) for row in rows]), tolerance=0)
    vectors.sum().backward()
    looked_up = torch.bincount(indices.flatten(), minlength=6)
    agree("the gradient of each row and how often it was looked up", table.weight.grad, looked_up[:, None].expand(6, 5))
    return {"weight": table.weight, "indices": indices, "vectors": vectors, "gradient": table.weight.grad}


def one_hot() -> dict:
    """Embedding: one-hot vectors through a linear layer.

    Write symbol 2 of 4 as [0 0 1 0], and multiply: all products are zero but those with one column of the weight.

        one_hot(i) W^T = row i of W^T

    So a Linear layer without bias is an embedding, whose table is the layer's weight transposed. It gives the same
    numbers and learns the same way; a lookup spares the multiplying by zero.

    Returns the vectors by each way, and the gradients of both weights as tables of shape (symbols, features).
    """
    with seeded(9):
        linear = nn.Linear(4, 5, bias=False)
    table = nn.Embedding.from_pretrained(linear.weight.detach().T.clone(), freeze=False)
    indices = torch.tensor([2, 0, 3, 2])
    hot = nn.functional.one_hot(indices, 4).float()
    show("one-hot", hot, digits=0)
    by_linear, by_lookup = linear(hot), table(indices)
    show("shape of the weights", f"Linear {tuple(linear.weight.shape)}, Embedding {tuple(table.weight.shape)}")
    show("vectors", by_lookup)
    agree("Linear on one-hot vectors and Embedding", by_linear, by_lookup)
    for vectors in (by_linear, by_lookup):
        vectors.square().sum().backward()
    assert linear.weight.grad is not None
    gradients = linear.weight.grad.T, table.weight.grad
    agree("the gradients of both weights", *gradients)
    return {"Linear": by_linear, "Embedding": by_lookup, "gradients": gradients}


def integer_indexing() -> dict:
    """Embedding: a weight indexed with integers.

    weight[indices] picks rows too, and is the whole embedding. It trains, since autograd follows the indexing;
    weight.data[indices] gives the same numbers out of autograd's sight, so that nothing would ever be learned.

    Returns the vectors by each way, and the loss before and after one step of gradient descent.
    """
    with seeded(10):
        table = nn.Embedding(6, 5)
    weight = nn.Parameter(table.weight.detach().clone())
    indices = torch.tensor([[0, 4], [2, 2], [5, 0]])
    found = {"Embedding": table(indices), "weight": weight[indices], "weight.data": weight.data[indices]}
    agree("weight[indices] and Embedding", found["weight"], found["Embedding"], tolerance=0)
    agree("weight.data[indices] and Embedding", found["weight.data"], found["Embedding"], tolerance=0)
    same("weight[indices] can train", found["weight"].requires_grad, True)
    same("weight.data[indices] can train", found["weight.data"].requires_grad, False)

    found["loss before"] = found["weight"].square().mean()
    found["loss before"].backward()
    found["Embedding"].square().mean().backward()
    agree("the gradients of both weights", weight.grad, table.weight.grad)
    assert weight.grad is not None
    with torch.no_grad():
        weight -= weight.grad
    found["loss after"] = weight[indices].square().mean()
    show("loss, a step later", f"{found['loss before'].item():.4f}, {found['loss after'].item():.4f}")
    differ("loss of weight[indices] before and after a step", found["loss before"], found["loss after"])
    return found


def batch_of_one() -> dict:
    """Batch of one.

    The sequences of a batch share the weights and nothing else. So a sequence gives in a batch of one, of shape
    (steps, 1, features), what it gives as a row of a larger batch, and also without a batch, of shape
    (steps, features).

    Returns the output of the large batch for each kind of layer and library.
    """
    x = randn(11, STEPS, 4, 3)
    found = {}
    for kind in ("RNN", "GRU", "LSTM"):
        for name, layer in both(kind, 3, 5, seed=11).items():
            together, _ = layer(x)
            alone = torch.cat([layer(x[:, i : i + 1])[0] for i in range(4)], dim=1)
            bare = torch.stack([layer(x[:, i])[0] for i in range(4)], dim=1)
            agree(f"{name}.{kind}: batch of four and four batches of one", together, alone)
            agree(f"{name}.{kind}: batch of four and no batch", together, bare)
            found[name, kind] = together
        agree(f"{kind} of torch.nn and rnnkit", found["torch.nn", kind], found["rnnkit", kind])
    return found


def next_word_scores() -> dict:
    """Next-word scores.

    A language model says after each word what may come next: an embedding, a recurrent layer, and a Linear layer from
    the hidden state to one score for each word of the vocabulary. The target of a step is the word of the next, and
    the loss is the mean over all steps and sequences of

        -log softmax(scores)[target] = log(sum of exp(scores)) - scores[target]

    for which CrossEntropyLoss takes the scores as rows, of shape (steps x batch, vocabulary). Who has no idea gives
    equal scores, and for 4 words has a loss of ln 4: a trained model must do better.

    Returns the scores and losses for each library, the loss by hand, and the loss of equal scores.
    """
    text = torch.randint(4, (STEPS + 1, 2), generator=torch.Generator().manual_seed(12))
    words, targets = text[:-1], text[1:]
    draw(f"""
        words       {" ".join(str(word) for word in words[:, 0].tolist())}
        targets     {" ".join(str(word) for word in targets[:, 0].tolist())}     the same, a step earlier
        """)
    with seeded(12):
        table, head = nn.Embedding(4, 3), nn.Linear(5, 4)
    criterion = nn.CrossEntropyLoss()
    found = {}
    for name, layer in both("RNN", 3, 5, seed=12).items():
        states, _ = layer(table(words))
        scores = head(states)
        loss = criterion(scores.flatten(0, 1), targets.flatten())
        by_hand = [
            torch.log(torch.exp(scores[t, i]).sum()) - scores[t, i, targets[t, i]] for t in range(STEPS) for i in (0, 1)
        ]
        found[name] = {"scores": scores, "loss": loss, "loss by hand": torch.stack(by_hand).mean()}
        agree(f"{name}: the loss by CrossEntropyLoss and by hand", loss, found[name]["loss by hand"])
    show("shape of the scores", tuple(found["rnnkit"]["scores"].shape))
    show("loss", f"{found['rnnkit']['loss'].item():.4f}")
    agree("scores of torch.nn and rnnkit", found["torch.nn"]["scores"], found["rnnkit"]["scores"])

    found["equal scores"] = criterion(torch.zeros(2 * STEPS, 4), targets.flatten())
    show("loss of equal scores", f"{found['equal scores'].item():.4f}")
    agree("loss of equal scores and ln 4", found["equal scores"], math.log(4))
    return found
