"""What is passed between the stages: prompts, completions, pairs. Plain values."""

from dataclasses import dataclass

from churnsaver_serving.runtime.context import MessageContext


@dataclass(frozen=True, slots=True)
class Prompt:
    """A request for one message's body.

    Attributes:
        id: unique in its set.
        context: of the message.
        text: chat-formatted, up to and with the assistant's turn; tokenise without special tokens.
    """

    id: str
    context: MessageContext
    text: str


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model wrote.

    Attributes:
        text: without special tokens, stripped.
        tokens: generated, end token included.
        finished: ended by its own end token, not by the limit.
    """

    text: str
    tokens: int
    finished: bool


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A reply to learn from.

    Attributes:
        prompt: chat-formatted, as in `Prompt.text`.
        reply: without the end token; training adds it.
    """

    prompt: str
    reply: str


@dataclass(frozen=True, slots=True)
class PreferencePair:
    """Two replies to a prompt, the first preferred.

    Attributes:
        prompt_id: pairs of one prompt stay on one side of every split.
        source: the data set.
        prompt: chat-formatted, as in `Prompt.text`.
        chosen: the better reply.
        rejected: the other.
        margin: how much better, where the source says so; else 0.
    """

    prompt_id: str
    source: str
    prompt: str
    chosen: str
    rejected: str
    margin: float = 0.0
