"""One JSON line an event, on standard error. Nothing global is configured."""

import sys

import msgspec
import structlog

from churnsaver_serving.settings import LogLevel


def json_logger(level: LogLevel) -> structlog.typing.FilteringBoundLogger:
    """Make a logger that writes events of at least that severity."""
    logger: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        structlog.BytesLogger(sys.stderr.buffer),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
    )
    return logger


def _dumps(event: object, default: object = None) -> bytes:  # noqa: ARG001 - structlog's signature
    return msgspec.json.encode(event, enc_hook=repr)
