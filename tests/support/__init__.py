"""What several tests need and is no test itself."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""

PYTHON_PATH = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
"""For processes of tests: what is imported here can be imported there."""
