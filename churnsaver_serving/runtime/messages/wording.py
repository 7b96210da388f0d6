"""What code writes around a body: greeting, the offer, sender and the way to opt out."""

from importlib import resources

import msgspec

from churnsaver_serving.runtime.context import MessageChannel, MessageContext, Service
from churnsaver_serving.runtime.facts import Facts

WORDING_FILE = "messages/wording.json"


class ChannelWording(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fixed parts of one channel's messages; `{...}` are fields of `Facts`.

    Attributes:
        layout: the whole, with `{greeting}`, `{body}`, `{offer_line}`, `{signature}`, `{opt_out}`.
        greeting: where the first name is known.
        greeting_unnamed: where it isn't.
        offer_line: states the offer; left out where there is none.
        signature: names the sender.
        opt_out: the way to stop such messages.
    """

    layout: str
    greeting: str
    greeting_unnamed: str
    offer_line: str
    signature: str
    opt_out: str


class Wording(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything in a message that no model writes. Data, versioned in the release.

    Attributes:
        sender: the business, as customers know it.
        offer_months: bills that a discount is for.
        plans: the services in words.
        channels: the fixed parts.
    """

    sender: str
    offer_months: int
    plans: dict[Service, str]
    channels: dict[MessageChannel, ChannelWording]

    def facts(self, context: MessageContext, first_name: str | None = None) -> Facts:
        """The facts of one message.

        Args:
            context: of the message.
            first_name: of the customer, once it has passed the shield.
        """
        return Facts(
            sender=self.sender,
            plan=self.plans[context.service],
            offer_pct=context.offer_pct,
            offer_months=self.offer_months,
            opt_out=self.channels[context.channel].opt_out,
            first_name=first_name,
        )

    def render(self, body: str, facts: Facts, channel: MessageChannel) -> str:
        """The whole message. Line breaks are kept; an empty part leaves no empty line.

        Args:
            body: as written; braces in it are kept as they are.
            facts: of this message.
            channel: it goes out by.
        """
        wording, values = self.channels[channel], msgspec.structs.asdict(facts)
        greeting = wording.greeting if facts.first_name else wording.greeting_unnamed
        parts = {
            "greeting": greeting.format(**values),
            "body": body.strip(),
            "offer_line": wording.offer_line.format(**values) if facts.offer_pct else "",
            "signature": wording.signature.format(**values),
            "opt_out": facts.opt_out.format(**values),
        }
        lines: list[str] = []
        for line in wording.layout.split("\n"):
            filled = " ".join(line.format(**parts).split())
            # A line that only held an empty part goes with the blank line before it.
            if filled or not line:
                lines.append(filled)
            elif lines and not lines[-1]:
                lines.pop()
        return "\n".join(lines).strip()


def default_wording() -> bytes:
    """The packaged wording's bytes."""
    folder = resources.files("churnsaver_serving.runtime.messages") / "files"
    return (folder / "wording.json").read_bytes()
