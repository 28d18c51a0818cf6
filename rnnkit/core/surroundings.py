"""What of the environment reaches processes that are started here, and libraries while they are imported.

A variable of a library that somebody set for other work changes nothing here, but where docs/machines/surroundings.md
says so.
"""

import contextlib
import os
import re
import time
from collections.abc import Generator, Mapping


# What changes how others' code behaves, by how names begin ...
_OTHERS = re.compile(r"PYTHON|MPL|MATPLOTLIB|GIT_|WANDB_|TQDM_|OPTUNA_")
# ... but for where Python finds what it runs, and where W&B is and who one is there.
_PLACES = re.compile(
    "PYTHON(PATH|HOME|USERBASE|NOUSERSITE|PLATLIBDIR|PYCACHEPREFIX|DONTWRITEBYTECODE|HASHSEED)"
    "|MPLCONFIGDIR|WANDB_(MODE|PROJECT|ENTITY|API_KEY|BASE_URL|APP_URL|(CONFIG|CACHE|DATA|ARTIFACT)_DIR"
    "|IDENTITY_TOKEN_FILE|CREDENTIALS_FILE|INSECURE_DISABLE_SSL|HTTP_TIMEOUT|_EXTRA_HTTP_HEADERS|ERROR_REPORTING)"
)


def passed_on(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables of an environment that a process started here gets."""
    return {name: value for name, value in variables.items() if not _OTHERS.match(name) or _PLACES.fullmatch(name)}


@contextlib.contextmanager
def hidden(pattern: str, **instead: str) -> Generator[None]:
    """Have what is done inside see no variable whose name begins so, but `instead`.

    For libraries that read them when they are imported, or asked, in this process.
    """
    names = [name for name in os.environ if re.match(pattern, name)]
    values = {name: os.environ.pop(name) for name in names}
    os.environ.update(instead)
    try:
        yield
    finally:
        for name in instead:
            del os.environ[name]
        os.environ.update(values)


def leave_behind() -> None:
    """Have this process itself go on with no more than `passed_on` lets through."""
    for name in os.environ.keys() - passed_on(os.environ).keys():
        del os.environ[name]


def count_in_utc() -> None:
    """Have this process take UTC for the local time: Optuna writes that into a study, and not where it was."""
    os.environ["TZ"] = "UTC"
    time.tzset()
