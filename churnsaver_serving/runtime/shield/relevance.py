"""To whom, from whom and about what a body speaks."""

from churnsaver_serving.runtime.context import Service
from churnsaver_serving.runtime.shield.reading import Reading

_READER = frozenset({"you", "your", "yours", "yourself"})
_WE = frozenset({"we", "us", "our", "ours"})


def reader(reading: Reading) -> str | None:
    """Return None where somebody is addressed, else an empty string."""
    return None if _READER.intersection(reading.words) else ""


def person(reading: Reading) -> str | None:
    """Find a speaker who isn't the business, or that there is none at all."""
    found = reading.phrases.get("person")
    if found is not None:
        return found
    return None if _WE.intersection(reading.words) else ""


def topic(reading: Reading) -> str | None:
    """Find another business's wares, or nothing of ours. `about` is the phrase that says ours."""
    found = reading.phrases.get("topic")
    if found is not None:
        return found
    return None if "about" in reading.phrases else ""


def wrong_service(reading: Reading, service: Service | None) -> str | None:
    """Find a service that the customer doesn't have.

    Args:
        reading: The text to judge.
        service: The customer's service; None where it isn't known.
    """
    found = reading.phrases.get("wrong_service")
    if found is None and service is not None:
        found = reading.phrases.get(f"wrong_service/{service}")
    return found
