"""The lesson: its numbers beside the published ones, what it prints, and that it ends where two ways disagree."""

import math
import re
import subprocess
import sys

import pytest
import torch

from experiments.building_blocks import lesson, recurrence
from rnnkit.core import cli
from rnnkit.nn import cells
from rnnkit.nn.kernels import stack
from rnnkit.nn.kernels.stack import run
from tests.helpers import ROOT, run_command


NUMBERS = ["1", "2", "3", "4", "5", "5b", "6", "6b", *map(str, range(7, 17))]
LIBRARIES = ["torch.nn", "rnnkit"]


@pytest.fixture(scope="module")
def found():
    """What each block found, by its number. Running them leaves the global random state as it was."""
    before = torch.get_rng_state()
    found = lesson.run()
    assert torch.equal(torch.get_rng_state(), before)
    return found


def close(value, expected, tolerance=1e-6):
    torch.testing.assert_close(value.detach(), torch.tensor(expected), rtol=0, atol=tolerance)


def headings(printed):
    return re.findall(r"^(\d+b?) +\S.*\n-+$", printed, flags=re.MULTILINE)


def main(monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["building_blocks", *words])
    lesson.main()


def test_hidden_states_have_a_row_for_each_layer_and_direction(found):
    shapes = [found["1"][counts] for counts in ("1 x 1", "2 x 1", "2 x 2")]
    assert shapes == [(1, 3, 5), (2, 3, 5), (4, 3, 5)]


def test_a_batch_packed_holds_real_steps_alone_and_both_libraries_read_it_alike(found):
    assert found["2"]["packed"].batch_sizes.tolist() == [3] * 6 + [2] * 5 + [1] * 5
    close(found["2"]["rnnkit"], found["2"]["torch.nn"].tolist())
    assert found["2"]["rnnkit"][6:, 1].eq(0).all()


def test_weights_have_the_published_shapes(found):
    for layer, (inputs, hidden) in {"RNN(3 -> 5)": (3, 5), "RNN(5 -> 2)": (5, 2)}.items():
        assert found["3"][layer] == {
            "weight_ih_l0": (hidden, inputs),
            "weight_hh_l0": (hidden, hidden),
            "bias_ih_l0": (hidden,),
            "bias_hh_l0": (hidden,),
        }


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_output_at_the_last_real_step_is_the_top_layers_last_state(found, library):
    output, h_n = found["4"][library]["output"], found["4"][library]["h_n"]
    for i, length in enumerate((16, 6, 11)):
        close(output[length - 1, i], h_n[1, i].tolist())


@pytest.mark.parametrize("way", ["by hand", *LIBRARIES])
def test_the_manual_recurrence_gives_the_published_numbers(found, way):
    close(found["5"][way], [[-0.3519801, 0.52525216], [-0.68424344, 0.76074266], [-0.8649416, 0.90466356]])


def test_the_mistake_and_its_cure_give_the_published_numbers(found):
    close(found["5b"]["mistake"], [[-0.21046415, 0.56788784], [-0.5741978, 0.7945334], [-0.8130059, 0.918174]])
    close(found["5b"]["cure"], [[-0.3519801, 0.52525216], [-0.68424344, 0.76074266], [-0.8649416, 0.90466356]])


def test_the_linear_recurrence_gives_the_published_numbers(found):
    expected = {
        "e": [-0.7056, 0.6741, -0.5454, 0.9107],
        "h_0": [-0.1117],
        "w_h": [-0.2138],
        "w_e": [-1.3780, -0.0546, 0.4515, 0.7858],
        "h_1": [1.4288],
        "h_1, loop": [1.4288],
    }
    assert found["6"].keys() == expected.keys()
    for name, numbers in expected.items():
        close(found["6"][name].flatten(), numbers, tolerance=6e-5)


@pytest.mark.parametrize("way", ["loop", "function", "sum"])
def test_the_six_states_of_a_sentence_are_the_published_ones(found, way):
    """The words are published with four digits, which the last state amplifies into its fourth."""
    close(found["6b"][way], [-0.1117, -1.4958, -0.4856, 1.3492, 1.5714, -1.3220], tolerance=1e-4)


@pytest.mark.parametrize("units", ["1 unit", "3 units"])
def test_the_history_has_a_state_more_than_words_and_tanh_twice_is_another(found, units):
    histories = found["7"][units]
    hidden = int(units[0])
    for name in ("Linear", "plain", "mistake"):
        assert histories[name].shape == (6, hidden)
        assert histories[name][0].eq(0).all()
    for library in LIBRARIES:
        close(histories["Linear"][1:], histories[library].tolist())
    difference = (histories["plain"] - histories["mistake"]).abs()
    assert difference[1:].amax(dim=1).min() > 1e-3


def test_an_embedding_is_rows_of_its_weight(found):
    weight, indices, vectors = (found["8"][name] for name in ("weight", "indices", "vectors"))
    assert (weight.shape, indices.shape, vectors.shape) == ((6, 5), (3, 2), (3, 2, 5))
    for t in range(3):
        for b in range(2):
            assert torch.equal(vectors[t, b], weight[indices[t, b].item()])
    assert found["8"]["gradient"][:, 0].tolist() == [2, 0, 2, 0, 1, 1]


def test_one_hot_vectors_through_a_linear_layer_are_an_embedding(found):
    assert found["9"]["Linear"].shape == (4, 5)
    close(found["9"]["Linear"], found["9"]["Embedding"].tolist())
    of_linear, of_table = found["9"]["gradients"]
    assert of_linear.shape == (4, 5)
    close(of_linear, of_table.tolist())


def test_integer_indexing_trains_and_data_does_not(found):
    assert torch.equal(found["10"]["weight"], found["10"]["Embedding"])
    assert found["10"]["weight"].grad_fn is not None
    assert found["10"]["weight.data"].grad_fn is None
    assert found["10"]["loss after"] < found["10"]["loss before"]


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_both_libraries_read_a_batch_alike(found, kind):
    ours, theirs = found["11"]["rnnkit", kind], found["11"]["torch.nn", kind]
    assert ours.shape == (16, 4, 5)
    close(ours, theirs.tolist())


def test_the_loss_is_the_mean_surprise_and_ln_4_for_who_has_no_idea(found):
    assert found["12"]["equal scores"].item() == pytest.approx(math.log(4), abs=1e-6)
    for library in LIBRARIES:
        of = found["12"][library]
        assert of["scores"].shape == (16, 2, 4)
        assert of["loss"].item() == pytest.approx(of["loss by hand"].item(), abs=1e-6)


@pytest.mark.parametrize("library", LIBRARIES)
def test_each_directions_final_state_is_where_it_has_read_all(found, library):
    output, h_n = found["13"][library]["output"], found["13"][library]["h_n"]
    assert (output.shape, h_n.shape) == ((16, 4, 10), (2, 4, 5))
    close(output[-1, :, :5], h_n[0].tolist())
    close(output[0, :, 5:], h_n[1].tolist())


def test_sentiment_rnn_hides_an_lstm(found):
    assert (found["14"]["kind"], found["14"]["gates"]) == ("LSTM", 4)
    for way in ("by hand", "SequenceClassifier", *LIBRARIES):
        assert found["14"][way].shape == (3, 1)
        close(found["14"][way], found["14"]["by hand"].tolist())


def test_two_layers_of_any_cell_score_five_sequences_and_the_forgotten_pair_does_not(found):
    for kind in ("RNN", "GRU", "LSTM"):
        assert found["15"][kind]["by hand"].shape == (5, 1)
        for library in LIBRARIES:
            close(found["15"][kind][library], found["15"][kind]["by hand"].tolist())
    assert found["15"]["forgetful"].shape == (2, 5, 1)


def test_padding_gets_no_gradient_and_changes_no_probability(found):
    probabilities = found["16"]["by hand"]
    assert ((probabilities > 0) & (probabilities < 1)).all()
    for way in ("poisoned", *LIBRARIES):
        close(found["16"][way], probabilities.tolist())
    sizes = found["16"]["gradient"].norm(dim=1)
    assert sizes[0] == 0
    assert sizes[1:].gt(0).all()


def test_the_command_prints_every_block_in_order_and_what_agrees():
    done = run_command("experiments.building_blocks", env={"PYTHONUTF8": "0", "LC_ALL": "C"})
    assert (done.returncode, done.stderr) == (0, "")
    assert headings(done.stdout) == NUMBERS
    parts = re.split(r"^\d+b? +\S.*\n-+$", done.stdout, flags=re.MULTILINE)[1:]
    assert all(re.search(r"^    agree   \S.* largest difference ", part, flags=re.MULTILINE) for part in parts)
    assert "Returns" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 120
    assert done.stdout.endswith("18 blocks, and all that must agree agrees.\n")


def test_only_runs_the_blocks_it_names_in_reading_order(monkeypatch, capsys):
    main(monkeypatch, "--only", "6,5b, 5")
    assert headings(capsys.readouterr().out) == ["5", "5b", "6"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--only", "17"], "there is no block '17': choose from 1, 2, 3, 4, 5, 5b, 6,"),
        (["--only", "5,5c"], "there is no block '5c'"),
        (["--only", "5,"], "there is no block ''"),
        (["--only"], "--only"),
        (["--olny", "5"], "--olny"),
        (["5"], "5"),
    ],
)
def test_a_users_mistake_ends_in_one_line(words, message, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["building_blocks", *words])
    monkeypatch.setattr(cli.signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as stop:
        cli.main(lesson.main, settle=False)
    printed = capsys.readouterr()
    assert (stop.value.code, printed.out) == (2, "")
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    assert message in printed.err


def test_help_answers_without_loading_torch():
    code = (
        "import sys, experiments.building_blocks.lesson as lesson; sys.argv = ['x', '--help']\n"
        "try: lesson.main()\n"
        "finally: assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--only" in done.stdout


def refused(monkeypatch, capsys, *words):
    """The one line in which the lesson ends with exit code 1."""
    with pytest.raises(SystemExit) as stop:
        main(monkeypatch, *words)
    printed = capsys.readouterr()
    assert stop.value.code == 1
    assert printed.err.count("\n") == 1
    assert "all that must agree agrees" not in printed.out
    return printed.err


def test_b_hh_twice_in_the_cell_ends_the_lesson_at_the_manual_recurrence(monkeypatch, capsys):
    right = cells.rnn_cell
    wrong = lambda x, h, w_ih, w_hh, b_ih, b_hh, **options: right(x, h, w_ih, w_hh, b_hh, b_hh, **options)
    monkeypatch.setattr(cells, "rnn_cell", wrong)
    error = refused(monkeypatch, capsys, "--only", "5,6")
    values = r"-0\.21046\d+ and -0\.35198\d+"
    assert re.fullmatch(rf"error: block 5 \(Manual recurrence\): RNN: by hand and torch\.nn differ: {values}\n", error)


@pytest.mark.parametrize("name", ["e", "h_0", "w_h", "w_e"])
def test_the_linear_step_ends_the_lesson_at_any_number_that_is_not_the_published_one(monkeypatch, capsys, name):
    draw, start = recurrence.randn, recurrence.linear_start()
    if name == "e":
        monkeypatch.setattr(recurrence, "randn", lambda *sizes: draw(*sizes) + 1e-4)
    else:
        start[name][-1] += 1e-4  # beyond the four digits
    monkeypatch.setattr(recurrence, "linear_start", lambda: start)
    error = refused(monkeypatch, capsys, "--only", "6")
    assert error.startswith(f"error: block 6 (Linear recurrence): {name} and its published digits differ: ")


@pytest.mark.parametrize("number", ["1", "2", "3", "4", "5", "11", "12", "13", "16"])
def test_b_hh_twice_in_our_kernels_ends_the_lesson(monkeypatch, capsys, number):
    """So the sequences of these blocks are long enough for kernels of ours, and are not all left to torch."""
    right = run

    def wrong(which, data, layout, initial, weights, *more):
        doubled = [[w_ih, w_hh, b_hh, b_hh] for w_ih, w_hh, _, b_hh in weights]
        return right(which, data, layout, initial, doubled, *more)

    monkeypatch.setattr(stack, "run", wrong)
    error = refused(monkeypatch, capsys, "--only", number)
    assert re.fullmatch(rf"error: block {number} \(.+\): .*rnnkit.* differ: \S+ and \S+\n", error)
