"""Libraries whose versions decide the results of training: part of every code version."""

from importlib.metadata import version

LIBRARIES = (
    "betacal",
    "catboost",
    "causalml",
    "numpy",
    "pandas",
    "peft",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "torch",
    "transformers",
    "trl",
    "venn-abers",
    "xgboost",
)


def library_versions() -> dict[str, str]:
    """Return the installed version of each of `LIBRARIES`."""
    return {name: version(name) for name in LIBRARIES}
