"""The joint action space."""

import msgspec
import numpy as np
import pytest

from churnsaver_serving.runtime.limits.actions import NO_CONTACT, ActionSpace


def test_every_pair_has_its_own_index() -> None:
    space = ActionSpace()
    pairs = [(offer, delay) for delay in space.delays_days for offer in space.offers_pct]
    indices = [space.index(offer, delay) for offer, delay in pairs]
    assert indices == list(range(1, space.size))
    assert np.stack([space.offer_pct, space.delay_days])[:, 1:].T.tolist() == list(map(list, pairs))


def test_no_contact_is_first() -> None:
    space = ActionSpace()
    assert not space.contact[NO_CONTACT]
    assert space.contact[1:].all()
    assert (space.offer_pct[NO_CONTACT], space.delay_days[NO_CONTACT]) == (0, 0)


def test_travels_as_json() -> None:
    space = ActionSpace(offers_pct=(0, 15), delays_days=(2,))
    assert msgspec.json.decode(msgspec.json.encode(space), type=ActionSpace) == space
    np.testing.assert_array_equal(space.offer_pct, [0, 0, 15])


@pytest.mark.parametrize("values", [(), (5, 0), (5, 5), (-1, 0)])
@pytest.mark.parametrize("name", ["offers_pct", "delays_days"])
def test_ambiguous_spaces_are_refused(name: str, values: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=name):
        ActionSpace(**{name: values})
