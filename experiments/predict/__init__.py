"""What a trained net says of sequences, in the order of the rows, with probabilities; or the net for other programs.

    python -m experiments.predict digits-s0-62719430 images.csv             # 64 numbers a row
    python -m experiments.predict sentiment-s0-... reviews.txt --to answers.csv
    echo "The cat sat" | python -m experiments.predict tagging-s0-...
    python -m experiments.predict own-visits-s0-... new.csv                 # a format that it learned from
    python -m experiments.predict digits-s0-62719430 --onnx digits.onnx     # scores are compared with ours at once
    python -m experiments.predict digits-s0-62719430 --safetensors digits.safetensors

Tables, folders and the other formats of docs/own-data.md are read as in training, with the target or without it. Else
each line is a sequence: a text, words, numbers with commas between them, or JSON for steps of several numbers. One
sequence gets the same answer alone and among any others, bit for bit. Where rnnkit is installed, `python -m
rnnkit.inference` is the same from any folder; from Python it is `rnnkit.load(run).predict(sequences)`.
"""


def main() -> None:
    """Answer, or write the net."""
    from rnnkit.inference import command

    command.main("python -m experiments.predict", __doc__)
