"""A message as it is asked for, and as it is answered: text, rung and what the shield said."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from churnsaver_serving.runtime.context import MessageChannel, Tone
from churnsaver_serving.runtime.messages.sending import SendWindow

Source = Literal["live", "bank", "template"]
Rung = Literal["live", "bank", "template", "none"]
Part = Literal["first_name", "live", "bank", "template"]


class MessageRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the message is wanted, where there is to be one.

    The first name is kept nowhere but in the text that is answered, which is stored as it was.
    """

    first_name: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=64,
                description="To greet the customer by; left out where it isn't a plain name.",
                examples=["Ana"],
            ),
        ]
        | None
    ) = None
    tone: Tone = "warm"
    channel: Annotated[MessageChannel, Meta(description="The message goes out by.")] = "email"
    time_zone: (
        Annotated[
            str,
            Meta(
                max_length=64,
                description="The customer's, an IANA name. One that doesn't exist counts as "
                "unknown; day and hours must then do in every zone in question. In a country whose "
                "holidays the release doesn't have nobody is contacted.",
                examples=["America/Chicago"],
            ),
        ]
        | None
    ) = None
    state: (
        Annotated[
            str,
            Meta(
                max_length=64,
                description="Of the United States, two letters; its own holidays are kept, and its "
                "zones where the zone is unknown.",
                examples=["IL"],
            ),
        ]
        | None
    ) = None


class Check(msgspec.Struct, frozen=True):
    """What the shield said of one part."""

    part: Annotated[
        Part, Meta(description="A rung that was tried, or the first name that was to be filled in.")
    ]
    passed: bool
    rules: Annotated[
        tuple[str, ...],
        Meta(
            description="Rules broken. Of a live text also why there is none: `late`, `failed`, "
            "`other_context`."
        ),
    ] = ()


class Message(msgspec.Struct, frozen=True):
    """What the customer is told."""

    text: Annotated[
        str | None,
        Meta(description="Send this and nothing else; null: nothing may be sent."),
    ]
    rung: Annotated[
        Rung,
        Meta(
            description="Where the text is from, the first that passed the shield: `live`, written "
            "by the model for this request; `bank`, written and checked beforehand; `template`, "
            "written by people; `none`."
        ),
    ]
    message_id: Annotated[
        str | None, Meta(description="Names the body; the same body has the same id.")
    ]
    checkpoint: Annotated[
        str | None, Meta(description="sha256 of the model that wrote the body; null for templates.")
    ]
    tokens: Annotated[
        int | None,
        Meta(
            description="Most that the text has: counted by the model's tokenizer for messages of "
            "the bank, save the first name, else reckoned; null without a text."
        ),
    ]
    context: Annotated[str, Meta(description="What the body was written for.")]
    verdicts: Annotated[
        tuple[Check, ...], Meta(description="What the shield said of all that was tried, in order.")
    ]
    # Answers stored before there were quiet hours have none.
    send: Annotated[
        SendWindow | None,
        Meta(description="When it may go out, by the customer's clock; null without a text."),
    ] = None
