"""The mirror process: `python -m rnnkit.mirror`, started by the training process."""

from rnnkit.mirror.follow import main


if __name__ == "__main__":
    main()
