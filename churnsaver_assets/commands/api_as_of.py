"""Serves the API with a clock that stands still: `... api_as_of 2026-03-10T15:00:00+00:00`.

For the demo and for tries. It isn't a setting of the server: no operator should ever have it.
"""

import os
import sys
from datetime import UTC, datetime

from churnsaver_serving.settings import Settings


def main() -> int:
    """Serve until stopped; every request is answered as of the time that the argument names."""
    import uvicorn

    from churnsaver_serving.app import create_app

    now = datetime.fromisoformat(sys.argv[1]).astimezone(UTC)
    settings = Settings.from_env(os.environ)
    uvicorn.run(
        create_app(settings, clock=lambda: now),
        host=settings.host,
        port=settings.port,
        access_log=False,
        log_level=settings.log_level,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
