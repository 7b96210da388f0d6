"""Boosters read back from UBJSON."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xgboost


class BoosterError(ValueError):
    """Bytes that are no booster; says what is wrong with them."""


def load_booster(data: bytes, *, threads: int = 1) -> "xgboost.Booster":
    """Load a booster.

    Args:
        data: The booster in UBJSON, as `save_raw("ubj")` gives it.
        threads: Threads that it scores with.

    Raises:
        BoosterError: The bytes are no whole UBJSON object, or XGBoost can't read them.
    """
    import xgboost

    # XGBoost reads on past the end of a file that was cut short, into memory that is not its own.
    if not (data.startswith(b"{") and data.endswith(b"}")):
        raise BoosterError(f"{len(data)} bytes that are no whole UBJSON object; was it cut short?")
    booster = xgboost.Booster({"nthread": threads})
    try:
        booster.load_model(bytearray(data))
    except xgboost.core.XGBoostError as error:
        raise BoosterError(f"XGBoost can't read it: {error}") from error
    return booster
