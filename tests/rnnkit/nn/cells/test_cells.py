import pytest
import torch
from torch import nn

from rnnkit.nn import cells


def test_the_manual_recurrence_of_the_notebooks():
    """With seed 1 an RNN(5, 2) on ones, twos and threes; by the layer and by hand."""
    torch.manual_seed(1)
    layer = nn.RNN(5, 2, 1, batch_first=True)
    x = torch.stack([torch.full((5,), value) for value in (1.0, 2.0, 3.0)])
    expected = torch.tensor([[-0.3519801, 0.52525216], [-0.68424344, 0.76074266], [-0.8649416, 0.90466356]])
    by_hand, last = cells.unroll(cells.rnn_cell, x.unsqueeze(1), torch.zeros(1, 2), *layer.parameters())
    torch.testing.assert_close(layer(x.unsqueeze(0))[0][0], expected, rtol=0, atol=2e-7)
    torch.testing.assert_close(by_hand[:, 0], expected, rtol=0, atol=2e-7)
    torch.testing.assert_close(last, expected[2:], rtol=0, atol=2e-7)


def test_the_notebooks_mistake_gives_the_notebooks_numbers():
    """Two of them add b_hh twice and leave b_ih out."""
    torch.manual_seed(1)
    layer = nn.RNN(5, 2, 1, batch_first=True)
    w_ih, w_hh, _, b_hh = layer.parameters()
    x = torch.stack([torch.full((1, 5), value) for value in (1.0, 2.0, 3.0)])
    wrong, _ = cells.unroll(cells.rnn_cell, x, torch.zeros(1, 2), w_ih, w_hh, b_hh, b_hh)
    expected = torch.tensor([[-0.21046415, 0.56788784], [-0.5741978, 0.7945334], [-0.8130059, 0.918174]])
    torch.testing.assert_close(wrong[:, 0], expected, rtol=0, atol=2e-7)


@pytest.mark.parametrize(
    ("kind", "cell", "options"),
    [
        (nn.RNN, cells.rnn_cell, {}),
        (nn.RNN, cells.rnn_cell, {"nonlinearity": "relu"}),
        (nn.GRU, cells.gru_cell, {}),
        (nn.LSTM, cells.lstm_cell, {}),
    ],
)
def test_each_cell_is_torchs(kind, cell, options):
    torch.manual_seed(0)
    layer = kind(4, 3, dtype=torch.float64, **options)
    x, h, c = torch.randn(6, 5, 4).double(), torch.randn(5, 3).double(), torch.randn(5, 3).double()
    lstm = kind is nn.LSTM
    output, last = layer(x, (h[None], c[None]) if lstm else h[None])
    chosen = {"activation": torch.relu} if options else {}
    states, final = cells.unroll(cell, x, (h, c) if lstm else h, *layer.parameters(), **chosen)
    torch.testing.assert_close(states, output, rtol=0, atol=1e-14)
    for ours, theirs in zip(final if lstm else (final,), last if lstm else (last,), strict=True):
        torch.testing.assert_close(ours, theirs[0], rtol=0, atol=1e-14)


def test_the_linear_recurrence():
    """h_t is the sum of x_s w_x w_h^(t-s), which for one unit and a constant input is a geometric series."""
    x, w_x, w_h = torch.ones(6, 1, 1), torch.tensor([[2.0]]), torch.tensor([[0.5]])
    states, last = cells.unroll(cells.linear_cell, x, torch.zeros(1, 1), w_x, w_h)
    expected = [2 * (1 - 0.5**t) / 0.5 for t in range(1, 7)]
    assert states.flatten().tolist() == pytest.approx(expected)
    assert last.item() == pytest.approx(expected[-1])
