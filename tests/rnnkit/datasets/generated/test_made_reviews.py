import re

from rnnkit.datasets.generated import made_reviews


GOOD = {"lovely", "gripping", "clever", "moving", "bright", "funny"}
BAD = {"dull", "clumsy", "flat", "noisy", "empty", "tiresome"}


def everything(data):
    parts = (data.train, data.valid, data.test)
    return [pair for part in parts for pair in zip(part.texts, part.targets, strict=True)]


def judgements(text):
    """What a review says, sentence by sentence: whether of the film, and whether it is good."""
    found = []
    for sentence in re.findall(r"[^.]+\.", text):
        subject, negation, word = re.fullmatch(r" ?([A-Z][a-z ]+) was (not )?([a-z]+)\.", sentence).groups()
        assert word in GOOD | BAD
        assert subject == "That other film" or re.fullmatch("The .* here", subject)
        found.append((subject != "That other film", (word in GOOD) != bool(negation)))
    return found


def test_the_label_is_the_last_judgement_on_the_film():
    for text, target in everything(made_reviews.load(seed=3)):
        assert [good for film, good in judgements(text) if film][-1] == bool(target), text


def test_half_of_each_part_is_positive():
    data = made_reviews.load()
    parts = (data.train, data.valid, data.test)
    assert [(len(part.texts), sum(part.targets)) for part in parts] == [(600, 300), (200, 100), (200, 100)]
    assert data.labels == ("neg", "pos")
    assert len(everything(made_reviews.load(count=250))) == 250


def test_the_same_seed_gives_the_same_reviews():
    one, again, other = (made_reviews.load(seed) for seed in (0, 0, 1))
    assert one == again
    assert one.sha256 != other.sha256
    assert not {text for text, _ in everything(one) if len(text) > 120} & {text for text, _ in everything(other)}


def test_neither_words_alone_nor_the_first_or_last_sentence_give_the_label():
    texts = everything(made_reviews.load())
    said = [(judgements(text), bool(target)) for text, target in texts]
    for wrong in (
        [found[0][1] for found, _ in said],
        [found[-1][1] for found, _ in said],
        [sum(good for _, good in found) * 2 > len(found) for found, _ in said],
        [len(re.findall("|".join(GOOD), t)) > len(re.findall("|".join(BAD), t)) for t, _ in texts],
    ):
        right = sum(guess == target for guess, (_, target) in zip(wrong, said, strict=True)) / len(said)
        assert 0.5 < right < 0.9
    lengths = {len(found) for found, _ in said}
    assert lengths == set(range(1, 9))
