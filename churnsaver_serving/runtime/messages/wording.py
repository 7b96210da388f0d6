"""Wording around a body, which no model writes: greeting, offer, sender, the way to opt out."""

from importlib import resources

import msgspec

from churnsaver_serving.runtime.context import MessageChannel, MessageContext, Service
from churnsaver_serving.runtime.facts import Facts

WORDING_FILE = "messages/wording.json"


class ChannelWording(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fixed parts of one channel's messages; `{...}` are fields of `Facts`.

    Attributes:
        layout: The whole, with `{greeting}`, `{body}`, `{offer_line}`, `{signature}`, `{opt_out}`.
        greeting: The greeting where the first name is known.
        greeting_unnamed: The greeting where it isn't.
        offer_line: Statement of the offer; left out where there is none.
        signature: Closing that names the sender.
        opt_out: The way to stop such messages.
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
        sender: The business, as customers know it.
        offer_months: Number of bills that a discount is for.
        plans: The services in words.
        channels: The fixed parts.
    """

    sender: str
    offer_months: int
    plans: dict[Service, str]
    channels: dict[MessageChannel, ChannelWording]

    def facts(self, context: MessageContext, first_name: str | None = None) -> Facts:
        """Return the facts of one message.

        Args:
            context: The context of the message.
            first_name: The customer's first name, once it has passed the shield.
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
        """Render the whole message. Line breaks are kept; an empty part leaves no empty line.

        Args:
            body: The body as written; braces in it are kept as they are.
            facts: The facts of this message.
            channel: The channel that it goes out by.
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
    """Return the packaged wording's bytes."""
    folder = resources.files("churnsaver_serving.runtime.messages") / "files"
    return (folder / "wording.json").read_bytes()
