"""Every error that ohmloom raises on purpose."""


class Error(Exception):
    """Base of ohmloom's errors; the message says what was given, what is allowed and what to do."""


class SpecError(Error, ValueError):
    """A chip spec, part file or policy is unknown or wrong; the message names the key."""


class ArgumentError(Error, ValueError):
    """An argument of a call is wrong; nothing was sent and no state changed."""


class LinkError(Error):
    """The endpoint cannot be opened, does not answer, or speaks another protocol."""


class ChipError(Error):
    """The controller refused a command. `code` is its error code (see `ohmloom.spec.commands.ErrorCode`)."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class StateError(Error):
    """A saved state cannot be read, is damaged, or belongs to another chip."""


class ReplayError(Error):
    """A recording cannot be read, or a program departs from it; the message names the place."""
