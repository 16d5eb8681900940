"""Errors that are meant for people."""


class UserError(Exception):
    """Bad input: the message names the culprit (a file, an option) and the remedy.

    The command line prints the message without a traceback and exits with code 2.
    """


class UnreadableImage(Exception):  # noqa: N818 - the name says what it is
    """One image that cannot be decoded; the message is the reason, for the table of unreadable images."""
