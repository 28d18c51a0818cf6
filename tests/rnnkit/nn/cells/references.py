"""One step of each cell written a second time, as in its paper, and a loop over single sequences, for autograd.

A step takes the weights by name, one input of shape (inputs,), the state before as a dictionary, and h as products read
it; it gives the new state and the gates.
"""

import torch
from torch import nn


def parts(w, x, read, count, normalise=lambda a, side: a):
    """The inputs' and the state's part of each of `count` gates."""
    of_x = normalise(w["weight_ih"] @ x, "ih") + w["bias_ih"]
    of_h = normalise(w["weight_hh"] @ read, "hh") + w.get("bias_hh", 0)
    return [(a, b) for a, b in zip(of_x.chunk(count), of_h.chunk(count), strict=True)]


def ln(a):
    return (a - a.mean()) / (a.var(correction=0) + 1e-5).sqrt()


def lstm(w, x, read, s, normalise=lambda a, side: a, squash=lambda c: c, peephole=(0, 0, 0)):
    i, f, g, o = (a + b for a, b in parts(w, x, read, 4, normalise))
    i, f, g = (i + peephole[0] * s["c"]).sigmoid(), (f + peephole[1] * s["c"]).sigmoid(), g.tanh()
    c = f * s["c"] + i * g
    o = (o + peephole[2] * c).sigmoid()
    return {"h": o * squash(c).tanh(), "c": c}, {"i": i, "f": f, "g": g, "o": o}


def gru(w, x, read, s, normalise=lambda a, side: a):
    (x_r, h_r), (x_z, h_z), (x_n, h_n) = parts(w, x, read, 3, normalise)
    r, z = (x_r + h_r).sigmoid(), (x_z + h_z).sigmoid()
    n = (x_n + r * h_n).tanh()
    return {"h": n + z * (s["h"] - n)}, {"r": r, "z": z, "n": n}


def rnn(w, x, read, s):
    ((of_x, of_h),) = parts(w, x, read, 1)
    return {"h": (of_x + of_h).tanh()}, {}


def peephole(w, x, read, s):
    return lstm(w, x, read, s, peephole=w["peephole"])


def lnlstm(w, x, read, s):
    return lstm(w, x, read, s, lambda a, side: ln(a) * w[f"gain_{side}"], lambda c: ln(c) * w["gain_c"] + w["bias_c"])


def lngru(w, x, read, s):
    size = len(read)

    def normalise(a, side):
        return torch.cat([ln(a[: 2 * size]), ln(a[2 * size :])]) * w[f"gain_{side}"]

    return gru(w, x, read, s, normalise)


def mingru(w, x, read, s):
    update, n = (w["weight_ih"] @ x + w["bias_ih"]).chunk(2)
    z = (-update).sigmoid()  # the paper's, which is 1 less ours
    return {"h": (1 - z) * s["h"] + z * n}, {"z": 1 - z, "n": n}


def minlstm(w, x, read, s):
    i, f, n = (w["weight_ih"] @ x + w["bias_ih"]).chunk(3)
    i, f = i.sigmoid(), f.sigmoid()
    i, f = i / (i + f), f / (i + f)
    return {"h": f * s["h"] + i * n}, {"i": i, "f": f, "n": n}


def slstm(w, x, read, s):
    """Without the stabiliser, which changes no h; c and n are larger by exp(m) here."""
    i, f, g, o = (a + b for a, b in parts(w, x, read, 4))
    i, f, g, o = i.exp(), f.sigmoid(), g.tanh(), o.sigmoid()
    scale = s["m"].exp()
    c, n = f * s["c"] * scale + i * g, f * s["n"] * scale + i
    known = {"g": g, "o": o}
    return {"h": o * c / n, "c": c, "n": n, "m": torch.zeros_like(c)}, known


def lru(w, x, read, s):
    real, imaginary, direct = w["weight_ih"].chunk(3)
    b, (c_r, c_i) = torch.complex(real, imaginary), w["weight_out"].chunk(2, dim=1)
    decay = torch.exp(-torch.exp(w["nu"]))
    factor = torch.complex(decay * w["theta"].exp().cos(), decay * w["theta"].exp().sin())
    state = factor * torch.complex(s["r"], s["i"]) + (1 - decay**2).sqrt() * (b @ x.to(b.dtype))
    r, i = state.real, state.imag
    return {"h": c_r @ r - c_i @ i + direct @ x, "r": r, "i": i}, {}


STEPS = {f.__name__: f for f in (rnn, gru, lstm, peephole, lnlstm, lngru, mingru, minlstm, slstm, lru)}


def layer(step, w, sequence, initial, backward=False, read_mask=1.0):
    """The states of all steps of one sequence of shape (steps, inputs), by position, and the gates."""
    order = range(len(sequence) - 1, -1, -1) if backward else range(len(sequence))
    state, states, gates = initial, {}, {}
    for t in order:
        state, gates[t] = step(w, sequence[t], state["h"] * read_mask, state)
        states[t] = state
    at = range(len(sequence))
    return [states[t] for t in at], [gates[t] for t in at], states[order[-1]]


def run(module, sequences, initial=None, read_masks=None):
    """All layers of `module` on single sequences: by sequence and place the states and gates, and the outputs.

    `initial` maps letters to tensors of shape (layers x directions, batch, hidden).
    """
    step, letters = STEPS[module.cell.name], module.cell.states
    size = len(module.places), len(sequences), module.hidden_size
    initial = initial or {letter: sequences[0].new_zeros(size) for letter in letters}
    seen, outputs, finals = [], [], {letter: sequences[0].new_zeros(size) for letter in letters}
    for b, x in enumerate(sequences):
        found, above = {}, []
        for number, place in enumerate(module.places):
            w = module.parameters_of(place)
            first = {letter: initial[letter][number, b] for letter in letters}
            mask = 1.0 if read_masks is None else read_masks[number][b]
            states, gates, final = layer(step, w, x, first, place.backward, mask)
            found[str(place)] = states, gates
            above.append(torch.stack([state["h"] for state in states]))
            for letter in letters:
                finals[letter] = finals[letter].index_put((torch.tensor(number), torch.tensor(b)), final[letter])
            if len(above) == module.directions:
                x, above = torch.cat(above, dim=1), []
        seen.append(found)
        outputs.append(x)
    return seen, outputs, finals


def made(name, *sizes, seed=0, **options):
    """Layers in float64 whose weights are a little larger than usual, so that gates differ from one half."""
    import rnnkit

    torch.manual_seed(seed)
    module = rnnkit.Recurrent(name, *sizes, dtype=torch.float64, **options)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(1.3).add_(0.05 * torch.randn_like(parameter))
    return module


def packed(sequences):
    return nn.utils.rnn.pack_sequence(sequences, enforce_sorted=False)
