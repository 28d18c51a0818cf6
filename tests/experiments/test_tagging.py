"""Taggers from end to end on made sentences, the baseline beside them, and what they are scored by."""

import random
from collections import Counter

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import pack_sequence

from experiments import tagging
from rnnkit import sequences
from rnnkit.core import files, seeding
from rnnkit.datasets import python_source
from rnnkit.datasets.formats import conllu
from rnnkit.nn import models
from rnnkit.runs.result import Result
from rnnkit.runs.rows import read_rows
from tests.helpers import data_at_hand, run_command


CPU = torch.device("cpu")
QUICK = ["--hidden-size", "16", "--embedding-size", "12", "--letter-size", "8", "--reader-size", "10"]
ENDINGS = {"NOUN": "ka", "VERB": "no", "ADJ": "li"}


def made(count=400, seed=0):
    """Sentences in a language of our own, as lists of (word, tag).

    Stems are new all the time: only their ending tells the tag. "so" is an adverb at the beginning, else a particle.
    """
    generator = random.Random(seed)
    sentences = []
    for _ in range(count):
        tags = [generator.choice(["ADV", "DET"])] + generator.choices(["NOUN", "VERB", "ADJ", "PART"], k=4) + ["PUNCT"]
        words = []
        for tag in tags:
            stem = "".join(generator.choices("bdfgmprtvz", k=4))
            words.append({"ADV": "So", "PART": "so", "DET": "The", "PUNCT": "."}.get(tag) or stem + ENDINGS[tag])
        sentences.append(list(zip(words, tags, strict=True)))
    return sentences


def conllu_of(sentences):
    """CoNLL-U with a range of words at the beginning of each sentence."""
    lines = []
    for sentence in sentences:
        lines.append("\t".join(["1-2", "both", *"________"]))
        lines += ["\t".join([str(n), word, "_", tag, *"______"]) for n, (word, tag) in enumerate(sentence, start=1)]
        lines.append("")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def treebank(tmp_path_factory):
    path = tmp_path_factory.mktemp("treebank") / "made.conllu"
    path.write_text(conllu_of(made()))
    return path


@pytest.fixture(scope="module")
def trained(treebank, tmp_path_factory):
    runs = tmp_path_factory.mktemp("tagging")
    words = ["--data", treebank, *QUICK, "--epochs", "6", "--learning-rate", "0.02", "--batch-size", "10"]
    done = run_command("experiments.tagging", *words, "--track", "off", "--runs-dir", runs)
    assert done.returncode == 0, done.stderr
    (folder,) = runs.iterdir()
    return folder, done.stdout


def test_it_tells_new_words_by_their_letters_and_old_ones_by_their_place(trained):
    folder, printed = trained
    result = Result.read(folder)
    assert result.metrics["metric/accuracy/test"] > 0.97
    assert result.metrics["metric/accuracy_on_new_words/test"] > 0.97
    assert result.comparison.low > 0.1
    assert result.comparison.examples == 40 * 6
    assert f"accuracy (test): {result.metrics['metric/accuracy/test']:.4f}" in printed
    assert "most frequent tag of each word on the same 240 test examples" in printed
    assert "published" not in printed  # nobody published anything on made sentences
    assert "left out of the data: 400 ranges of words written as one" in printed
    assert "left out of the data: 0 words only meant" in printed
    rows = read_rows(folder)
    assert len(rows) == 6 * 32
    assert {"grad_norm/embedding", "grad_norm/embedding.reader.l0.b/hh", "grad_norm/encoder.l0.f/ih"} <= set(rows[0])
    assert {"hidden/embedding.reader.l0.f/rms", "loss/valid", "metric/macro_f1/valid"} <= set(rows[-1])


def test_without_letters_new_words_are_guessed(treebank, tmp_path):
    config = tagging.Config(
        data=str(treebank), hidden_size=16, reader_size=0, epochs=4, batch_size=10, track="off", runs_dir=tmp_path
    )
    metrics = tagging.run(config).metrics
    assert metrics["metric/accuracy_on_new_words/test"] < 0.6  # three endings
    assert not any("reader" in name for name in metrics)


def test_the_baseline_is_the_most_frequent_tag_of_each_word(treebank):
    right, new = tagging.baseline(str(treebank), None)
    sentences = made()
    train = [(word.lower(), tag) for sentence in sentences[:320] for word, tag in sentence]
    usual = Counter(tag for _, tag in train).most_common(1)[0][0]
    expected_right, expected_new = [], []
    for word, tag in (pair for sentence in sentences[360:] for pair in sentence):
        tags = Counter(t for w, t in train if w == word.lower())
        expected_new.append(not tags)
        expected_right.append((tags.most_common(1)[0][0] if tags else usual) == tag)
    assert right.tolist() == expected_right
    assert new.tolist() == expected_new
    assert 0 < new.sum() < len(new)


def test_the_baseline_on_the_treebank_is_the_known_one():
    right, new = tagging.baseline("ewt", data_at_hand("ud_ewt"))
    assert (right.sum(), len(right)) == (21_511, 25_097)
    assert new.mean() == pytest.approx(0.0749, abs=5e-5)


def test_words_fold_case_and_letters_keep_it(treebank):
    data = tagging.numbered(str(treebank), None, 1, True)
    source = tagging.load(str(treebank), None)
    known = {word.lower() for sentence in source.train.sequences for word in sentence}
    assert len(data.preprocessing.vocabulary) == len(known) + 2
    everything = [word for part in (source.train, source.valid, source.test) for s in part.sequences for word in s]
    assert len(data.spellings) == len(set(everything))
    by_number, by_spelling = {}, {}
    for part, examples in ((source.train, data.train), (source.valid, data.valid), (source.test, data.test)):
        for words, pairs in zip(part.sequences, examples.inputs, strict=True):
            for word, (number, spelling) in zip(words, pairs.tolist(), strict=True):
                by_number.setdefault(number, set()).add(word.lower())
                by_spelling.setdefault(spelling, set()).add(word)
                assert (number == 1) == (word.lower() not in known)
                assert len(data.spellings[spelling]) == len(word)
    assert all(len(words) == 1 for number, words in by_number.items() if number != 1)
    assert all(len(words) == 1 for words in by_spelling.values())
    assert {"So", "so"} <= {word for words in by_spelling.values() for word in words}


def test_answers_stand_in_the_order_of_the_words_whatever_the_batches(treebank):
    data = tagging.numbered(str(treebank), None, 1, True)
    config = tagging.Config(hidden_size=6)
    letters = models.Letters(len(data.preprocessing.letters), 3, 4, data.spellings)
    model = models.tagger(
        config, 5, 17, 6, vocabulary=len(data.preprocessing.vocabulary), letters=letters, outer_dropout=0.5
    ).train()
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, 7, (300,), generator=generator).tolist()  # more than a batch of 256, of all lengths
    chosen = data.train.subset(range(300))
    examples = sequences.Examples(
        [x[:n] for x, n in zip(chosen.inputs, lengths, strict=True)],
        [t[:n] for t, n in zip(chosen.targets, lengths, strict=True)],
    )
    predicted, nats = tagging.answers(model, examples)
    assert model.training
    model.eval()
    with torch.no_grad():
        scores = torch.cat([model(pack_sequence([sentence])).data for sentence in examples.inputs])
    assert torch.equal(predicted, scores.argmax(1))
    assert nats == pytest.approx(
        torch.nn.functional.cross_entropy(scores, torch.cat(examples.targets)).item(), rel=1e-4
    )


def test_accuracy_counts_words_and_not_sentences(treebank, tmp_path, monkeypatch):
    """One answer for all words: right where the tag is that one, over all words of the part together."""
    noun = conllu.TAGS.index("NOUN")
    monkeypatch.setattr(
        tagging, "answers", lambda m, examples: (torch.full((sum(map(len, examples.inputs)),), noun), 1.0)
    )
    seen = {}
    monkeypatch.setattr(tagging, "compare", lambda name, ours, theirs: seen.update(ours=ours) or _Nothing())
    config = tagging.Config(data=str(treebank), hidden_size=4, epochs=1, track="off", runs_dir=tmp_path)
    metrics = tagging.run(config).metrics
    tags = [tag for sentence in made()[360:] for _, tag in sentence]
    assert metrics["metric/accuracy/test"] == pytest.approx(tags.count("NOUN") / len(tags))
    assert seen["ours"].tolist() == [tag == "NOUN" for tag in tags]


class _Nothing:
    def as_dict(self):
        return None


def test_unknown_words_are_drawn_anew_and_leave_the_examples_as_they_are(treebank, tmp_path, monkeypatch):
    data = tagging.numbered(str(treebank), None, 1, True)
    before = [pairs.clone() for pairs in data.train.inputs]
    seen = []
    batches = sequences.Joined.batches

    def listening(joined, order):
        for batch in batches(joined, order):
            seen.append(batch)
            yield batch

    monkeypatch.setattr(sequences.Joined, "batches", listening)
    config = tagging.Config(
        data=str(treebank), word_dropout=0.5, hidden_size=4, epochs=1, track="off", runs_dir=tmp_path
    )
    tagging.run(config)
    assert all(torch.equal(one, other) for one, other in zip(data.train.inputs, before, strict=True))
    batch = next(b for b in seen if len(b.lengths) == 32 and b is not seen[0])
    share = (batch.inputs.data[:, 0] == 1).float().mean().item()
    assert abs(share - 0.5) < 0.15
    assert len(batch.inputs.data[:, 1].unique()) > 50  # spellings stay
    assert seeding.stream(0, "word dropout", 0) != seeding.stream(0, "word dropout", 1)


@pytest.fixture
def little_python(monkeypatch):
    """Few modules in each part, for this test."""
    for name, modules in (("TRAIN", ("colorsys", "bisect")), ("VALID", ("sched",)), ("TEST", ("reprlib",))):
        monkeypatch.setattr(python_source, name, modules)
    caches = (python_source.load, tagging.numbered, tagging.baseline)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


def test_python_source_is_tagged_by_characters(little_python, tmp_path, monkeypatch, capsys):
    words = [
        "--data",
        "python",
        *QUICK[:4],  # characters have no letters to read
        "--epochs",
        "5",
        "--batch-size",
        "4",
        "--learning-rate",
        "0.02",
        "--track",
        "off",
    ]
    monkeypatch.setattr("sys.argv", ["tagging", *words, "--runs-dir", str(tmp_path)])
    tagging.main()
    printed = capsys.readouterr().out
    (folder,) = tmp_path.iterdir()
    result = Result.read(folder)
    source = python_source.load()
    steps = sum(map(len, source.test.sequences))
    assert f"most frequent tag of each character on the same {steps:,} test examples" in printed
    assert "left out" not in printed
    assert "published" not in printed
    assert result.comparison.low > 0.05
    assert files.read_json(folder / "manifest.json")["data"] == {"python": source.sha256}
    right, _ = tagging.baseline("python", None)
    counts = {}
    for line, kinds in zip(source.train.sequences, source.train.tags, strict=True):
        for character, kind in zip(line, kinds, strict=True):
            counts.setdefault(character, Counter())[kind] += 1
    character = "e"
    places = [i for i, c in enumerate("".join(source.test.sequences)) if c == character]
    kinds = [kind for tags in source.test.tags for kind in tags]
    most = counts[character].most_common(1)[0][0]
    assert np.array_equal(right[places], [kinds[i] == most for i in places])


@pytest.mark.parametrize(
    "words",
    [
        ["--cell", "gru", "--no-bidirectional", "--schedule", "constant", "--evaluate-every", "3"],
        ["--cell", "rnn", "--depth", "2", "--dropout", "0.2", "--layers", "torch", "--least-count", "2"],
        ["--init", "chrono", "--word-dropout", "0", "--outer-dropout", "0", "--optimizer", "rmsprop"],
    ],
)
def test_every_setting_works(treebank, tmp_path, monkeypatch, capsys, words):
    few = [*QUICK, "--epochs", "1", "--track", "off", "--runs-dir", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["tagging", "--data", str(treebank), *few, *words])
    tagging.main()
    assert ": finished after 10 steps" in capsys.readouterr().out
