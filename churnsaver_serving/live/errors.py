"""Reasons why a command was not carried out. The API turns each into a problem document."""


class LiveError(Exception):
    """A command that was refused; nothing was written for it, save where a subclass says so."""


class LedgerUnavailableError(LiveError):
    """The database can't be reached, is locked for too long, or lacks its tables."""


class CommitUnknownError(LedgerUnavailableError):
    """The commit failed, or its answer was lost: what it held is recorded, or is not."""


class OverloadedError(LiveError):
    """The queue is full, or the request waited in it past its deadline."""


class StoppingError(LiveError):
    """The server is shutting down."""


class UnknownDecisionError(LiveError):
    """No decision has that id."""


class RejectedFieldError(LiveError):
    """One field of the command is at fault.

    Args:
        field: The name of the request's field.
        message: A sentence on the fault.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class InvalidError(RejectedFieldError):
    """The field's value can't be true."""


class ConflictError(RejectedFieldError):
    """The field's value contradicts what the ledger holds."""


class ReleaseUnavailableError(LiveError):
    """No release is loaded, or what lies on disk is no longer what was loaded."""


class NotReadyError(LiveError):
    """The server can't decide now.

    Args:
        parts: What is wrong, by part ("release", "ledger").
    """

    def __init__(self, parts: dict[str, str]) -> None:
        super().__init__("; ".join(parts.values()))
        self.parts = parts
