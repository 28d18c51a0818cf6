import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnkit.sequences import vocabulary


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("?!", []),
        ("<br />", []),
        ("One, two; THREE.", ["one", "two", "three"]),
        ("don't", ["don", "t"]),
        ("snake_case 2nd", ["snake_case", "2nd"]),
        ("a<br /><br />b", ["ab"]),  # as in the book: markup leaves no gap
        ("<b>Not</b> bad", ["not", "bad"]),
        ("<a href='x>y'>z", ["y", "z"]),  # markup ends at the first >
        ("1 < 2", ["1", "2"]),
        ("Fine :) and ;-( or =-) end.", ["fine", "and", "or", "end", ":)", ";(", "=)"]),
        ("no nose :-) here!", ["no", "nose", "here", ":)"]),
        (":)", [":)"]),
        (":) fine", ["fine:)"]),  # as in the book: nothing stands between the last word and the first emoticon
        (":) :( fine", ["fine:)", ":("]),
        (":D :P", ["d", "p"]),  # the book looks for them after it made the text lower case
        ("ÉTÉ Straße ИЛИ", ["été", "straße", "или"]),
        ("tabs\tand\r\nlines\u2028too", ["tabs", "and", "lines", "too"]),
    ],
)
def test_words(text, words):
    assert vocabulary.words(text) == words


@given(st.text(st.sampled_from("aB1<>/:;-=()_ .\n"), max_size=30))
def test_words_are_lower_case_without_gaps(text):
    for word in vocabulary.words(text):
        assert word == word.lower()
        assert not set(word) & set(" \n<>/.-")


def test_the_most_frequent_comes_first_and_of_equal_ones_the_first():
    known = vocabulary.build([["d", "a", "c"], ["c", "a", "b"], ["c"]])
    assert known.words == ("<pad>", "<unk>", "c", "a", "d", "b")
    assert known.numbers == {word: number for number, word in enumerate(known.words)}
    assert len(known) == 6


@pytest.mark.parametrize(("least", "left"), [(1, "abc"), (2, "ab"), (3, "a"), (4, "")])
def test_rare_words_are_left_out(least, left):
    known = vocabulary.build([["c", "b"], ["a", "b", "a", "a"]], least_count=least)
    assert known.words == ("<pad>", "<unk>", *left)


def test_unknown_words_have_one_number():
    known = vocabulary.build([["a", "b", "a"]])
    assert (vocabulary.PADDING, vocabulary.UNKNOWN) == (0, 1)
    assert known.ids(["b", "never", "a", "A"]) == [3, 1, 2, 1]
    assert known.ids([]) == []
    assert vocabulary.build([]).ids(["a"]) == [1]


def test_a_text_may_have_the_mark_for_unknown_words_in_it():
    """The Penn Treebank has, and is then the most frequent word."""
    known = vocabulary.build([["<unk>", "a", "<unk>", "<pad>"]])
    assert known.words == ("<pad>", "<unk>", "a")
    assert known.ids(["<unk>", "a"]) == [1, 2]


@given(st.lists(st.lists(st.sampled_from("abcdef"))), st.integers(1, 4))
def test_numbers_follow_the_counts(texts, least):
    known = vocabulary.build(texts, least)
    everything = sum(texts, [])
    counts = [everything.count(word) for word in known.words[2:]]
    assert counts == sorted(counts, reverse=True)
    assert set(known.words[2:]) == {word for word in everything if everything.count(word) >= least}
    assert [known.words[i] for i in known.ids(known.words)] == list(known.words)
