"""Progress of long steps: a log line now and then, which `make demo` shows beside its bar."""

import time

from dagster import AssetExecutionContext

_SECONDS_BETWEEN_LOGS = 10.0


class LogProgress:
    """Logs how far a step is, at most every ten seconds.

    Args:
        context: Context of the asset.
        stage: Name of the step, in each line.
    """

    def __init__(self, context: AssetExecutionContext, stage: str) -> None:
        self._context, self._stage, self._logged = context, stage, float("-inf")

    def __call__(self, done: int, total: int, line: str) -> None:
        """Log `done` of `total` and a line for people, if it is time."""
        now = time.monotonic()
        if now - self._logged >= _SECONDS_BETWEEN_LOGS or done == total:
            self._logged = now
            self._context.log.info("%s %d/%d %s", self._stage, done, total, line)
