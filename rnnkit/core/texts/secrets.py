"""What is secret in texts, and the same texts without it."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from rnnkit.core.errors import UserError, flag


# A variable's last word: GIT_AUTHOR_NAME, KEYBOARD and TOKENIZER_PATH hold none.
_SECRET_VARIABLE = re.compile(
    r"(?:^|_)(?:[A-Z]*(?:passw(?:or)?d|passphrase|secret|token)|credentials?|(?:api|access|private)?key|pwd|auth)\d*$",
    re.IGNORECASE,
)

# A setting's whole last word: `keep`, `tokens` and `author` are none.
_NAMED = r"(?:password|passwd|passphrase|pwd|secret|token|credentials?|(?:api|access|private|secret)[-_]?key)"
_SECRET_SETTING = re.compile(rf"(?:^|[-_]){_NAMED}$", re.IGNORECASE)
_AS_FLAG = re.compile(rf"""(--(?:[\w-]*-)?{_NAMED}[ =])(?:'[^']*'|"[^"]*"|[^\s'"])+""", re.IGNORECASE)
_AS_PARAMETER = re.compile(rf"""(\b\w*{_NAMED}=)(?:'[^']*'|"[^"]*"|[^\s&]+)""", re.IGNORECASE)
_IN_WEB_ADDRESS = re.compile(r"(https?://)[^/\s]+@")  # a user alone may be a token
_IN_ADDRESS = re.compile(r"((?<!http)(?<!https)://[^/\s:@]*:)\S+@")  # the password of a database may hold / and @


def without_secrets(value: Any) -> Any:
    """A value of plain parts with `***` for what is secret in its texts. For what is shown, never for what is compared.

    Secret are the values of environment variables whose names say so (a key, a token, a password, credentials), texts
    that a setting or flag of such a name has, and the password in an address such as postgresql://user:password@host,
    or postgresql://host?password=password.
    """
    if isinstance(value, dict):
        parts = cast(dict[Any, Any], value)
        return {
            without_secrets(k): "***" if isinstance(v, str) and _SECRET_SETTING.search(str(k)) else without_secrets(v)
            for k, v in parts.items()
        }
    if isinstance(value, (list, tuple)):
        return [without_secrets(part) for part in cast(Sequence[Any], value)]
    return _hidden(str(value)) if isinstance(value, (str, Path)) else value


def variable_in(text: str) -> str | None:
    """The environment variable whose secret stands in a text; None where none does.

    Shorter values would also hit what is none; PWD and SSH_AUTH_SOCK hold whole paths, which a replay needs.
    """
    for name, secret in os.environ.items():
        is_path = os.path.isabs(secret) and os.path.exists(secret)
        if len(secret) >= 8 and secret in text and not is_path and _SECRET_VARIABLE.search(name):
            return name
    return None


def require_none(values: dict[str, Any]) -> None:
    """Raise `UserError` where a setting's text holds a secret: it would stand in records, and come back from them."""
    for name, value in values.items():
        if not isinstance(value, (str, Path)):
            continue
        if (variable := variable_in(str(value))) is not None:
            raise UserError(
                f"{flag(name)} holds the value of {variable}, which is a secret: choose another, or unset {variable}"
            )
        # A token of a text is no secret.
        named = value and _SECRET_SETTING.search(name) and not name.endswith("token")
        if named or _hidden(str(value)) != str(value):
            raise UserError(f"{flag(name)} holds a password, which would stand in every record: leave it out")


def _hidden(text: str) -> str:
    while (name := variable_in(text)) is not None:
        text = text.replace(os.environ[name], "***")
    text = _IN_WEB_ADDRESS.sub(r"\1***@", _IN_ADDRESS.sub(r"\1***@", text))
    return _AS_PARAMETER.sub(r"\1***", _AS_FLAG.sub(r"\1***", text))
