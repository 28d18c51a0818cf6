"""Recurrent layers over packed rows, forward and backward through time, written out with plain tensor operations.

Each class is one layer in one direction. The equations are those of `rnnkit.nn.cells`; what makes it fast:

- the input's part of all gates of many steps is one matrix product; a step adds the state's part to it in place, so
  that it costs one or two small products and a few pointwise operations on views that are cut once;
- backward, everything that does not depend on the gradient (the derivatives of the gates) is computed for many steps
  at once; a step is then a product with them and one matrix product; weights get theirs from one product a chunk;
- "many steps" are a chunk: as many as fit into the processor's cache, in buffers that are used again.

All functions take and give packed rows: `x` of shape (rows, inputs), states of shape (rows, hidden), initial and final
states of shape (batch, hidden). `schedule` says in which order the rows are worked through.

Names are the same in all of them. A name with `_t` is a step's part of a chunk's rows, `count` the sequences in the
step, `before` those in the step worked before it. Backward, `delta` is the total gradient of h, `gamma` that of c, and
a name with `_after` the part of the step worked before, which is the one after it in the direction's own time.
"""

from rnnkit.nn.kernels.bptt.gru import GRU
from rnnkit.nn.kernels.bptt.lstm import LSTM
from rnnkit.nn.kernels.bptt.rnn import RNN


__all__ = ["GRU", "LSTM", "RNN"]
