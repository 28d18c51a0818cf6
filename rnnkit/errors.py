"""The one error that a user's input can cause."""


class UserError(Exception):
    """Something that the user gave cannot be used. The message is one line: it names the thing and says what to do.

    Commands print it as `error: <message>` and exit with 2, without a traceback.
    """
