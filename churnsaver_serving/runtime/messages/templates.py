"""Templates: bodies that people wrote and vetted, for when no model's text may be sent."""

from importlib import resources

import msgspec

from churnsaver_serving.runtime.context import MessageContext, Tone
from churnsaver_serving.runtime.facts import Facts

TEMPLATES_FILE = "messages/templates.json"

_PLAN = "{plan}"


class ToneBodies(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A body in each tone; `{plan}` stands for the service in words."""

    warm: str
    plain: str
    upbeat: str

    def of(self, tone: Tone) -> str:
        """Return the body in that tone."""
        body: str = getattr(self, tone)
        return body

    def __post_init__(self) -> None:
        """Refuse fields that nobody fills in."""
        for tone in self.__struct_fields__:
            body = getattr(self, tone)
            fixed = body.replace(_PLAN, "")
            if not fixed.strip() or "{" in fixed or "}" in fixed:
                raise ValueError(f"{tone}: expected a text, with no field but {_PLAN}: {body!r}")


class Templates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The bodies to fall back to. Data, versioned in the release.

    Attributes:
        offer: Bodies that go with a discount; the offer line that follows states it.
        no_offer: Bodies without a discount.
    """

    offer: ToneBodies
    no_offer: ToneBodies

    def body(self, context: MessageContext, facts: Facts) -> str:
        """Fill in the body for a context.

        Args:
            context: The context of the message.
            facts: The facts of the message.
        """
        bodies = self.offer if context.offer_pct else self.no_offer
        return bodies.of(context.tone).replace(_PLAN, facts.plan)


def default_templates() -> bytes:
    """Return the packaged templates' bytes."""
    folder = resources.files("churnsaver_serving.runtime.messages") / "files"
    return (folder / "templates.json").read_bytes()
