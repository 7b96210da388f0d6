"""Errors between a source and a table. Each message says what to do."""


class DataError(Exception):
    """The data layer refuses to go on."""


class SourceUnavailable(DataError):
    """Neither the mirror nor the pinned address gave the file."""


class SourceCorrupt(DataError):
    """A file is there, but is not the pinned one. Never answered by trying the next place."""


class TableError(DataError):
    """A raw file can't be read as the table it should hold."""
