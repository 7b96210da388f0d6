"""The joint action space: no contact, or one offer after one delay."""

from functools import cached_property

import msgspec
import numpy as np
import numpy.typing as npt

from churnsaver_serving.runtime.arrays import Ints

NO_CONTACT = 0


class ActionSpace(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """All joint choices; index 0 is no contact, then delay-major, offer-minor.

    Attributes:
        offers_pct: Discounts on the monthly charge, percent, ascending.
        delays_days: Days from the decision to the contact, ascending.
    """

    offers_pct: tuple[int, ...] = (0, 5, 10, 20)
    delays_days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6, 7)

    def __post_init__(self) -> None:
        """Refuse spaces whose indices would be ambiguous."""
        for name in ("offers_pct", "delays_days"):
            values = getattr(self, name)
            if not values or list(values) != sorted(set(values)) or values[0] < 0:
                raise ValueError(f"{name}: expected distinct ascending numbers >= 0, got {values}")

    @property
    def size(self) -> int:
        """Return the number of joint actions, no contact included."""
        return 1 + len(self.offers_pct) * len(self.delays_days)

    @cached_property
    def contact(self) -> npt.NDArray[np.bool_]:
        """Return whether each action contacts, shape (size,)."""
        contact = np.ones(self.size, dtype=np.bool_)
        contact[NO_CONTACT] = False
        return contact

    @cached_property
    def offer_pct(self) -> Ints:
        """Return the discount of each action in percent, shape (size,); 0 for no contact."""
        return np.concatenate([[0], np.tile(self.offers_pct, len(self.delays_days))])

    @cached_property
    def delay_days(self) -> Ints:
        """Return the delay of each action in days, shape (size,); 0 for no contact."""
        return np.concatenate([[0], np.repeat(self.delays_days, len(self.offers_pct))])

    def index(self, offer_pct: int, delay_days: int) -> int:
        """Return the index of the contact with that offer after that delay."""
        return (
            1
            + self.delays_days.index(delay_days) * len(self.offers_pct)
            + self.offers_pct.index(offer_pct)
        )
