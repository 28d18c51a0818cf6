"""What is secret in texts, and the same texts without it."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast


_SECRET = re.compile(r"key|token|secret|passw|pwd|credential|auth", re.IGNORECASE)

# A setting's whole last word: `keep`, `tokens` and `author` are none.
_NAMED = r"(?:password|passwd|passphrase|pwd|secret|token|credentials?|(?:api|access|private|secret)[-_]?key)"
_SECRET_SETTING = re.compile(rf"(?:^|[-_]){_NAMED}$", re.IGNORECASE)
_AS_FLAG = re.compile(rf"""(--(?:[\w-]*-)?{_NAMED}[ =])(?:'[^']*'|"[^"]*"|[^\s'"])+""", re.IGNORECASE)
_AS_PARAMETER = re.compile(rf"""(\b\w*{_NAMED}=)(?:'[^']*'|"[^"]*"|[^\s&]+)""", re.IGNORECASE)
_IN_WEB_ADDRESS = re.compile(r"(https?://)[^/\s]+@")  # a user alone may be a token
_IN_ADDRESS = re.compile(r"((?<!http)(?<!https)://[^/\s:@]*:)\S+@")  # the password of a database may hold / and @


def without_secrets(value: Any) -> Any:
    """A value of plain parts with `***` for what is secret in its texts.

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


def _hidden(text: str) -> str:
    for name, secret in os.environ.items():
        # Shorter ones would also hit what is none; PWD and SSH_AUTH_SOCK hold whole paths, which a replay needs.
        if len(secret) >= 8 and secret in text and _SECRET.search(name):
            is_path = os.path.isabs(secret) and os.path.exists(secret)
            text = text if is_path else text.replace(secret, "***")
    text = _IN_WEB_ADDRESS.sub(r"\1***@", _IN_ADDRESS.sub(r"\1***@", text))
    return _AS_PARAMETER.sub(r"\1***", _AS_FLAG.sub(r"\1***", text))
