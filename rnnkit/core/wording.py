"""Settings and metrics as a person reads them."""


def settings_in_words(settings: dict) -> str:
    """A trial's settings in a line: `hidden size 32, depth 2, cell gru`."""
    return ", ".join(f"{name.replace('_', ' ')} {plain(value)}" for name, value in settings.items())


def plain(value) -> str:
    """A setting as a person writes it."""
    return f"{value:.3g}" if isinstance(value, float) else str(value).lower()


def in_words(metric: str) -> str:
    """`metric/accuracy/valid` -> `validation accuracy`."""
    _, name, split = metric.split("/")
    return f"{ {'valid': 'validation', 'test': 'test'}[split] } {name.replace('_', ' ')}"
