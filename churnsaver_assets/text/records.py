"""Plain values passed between the stages: prompts, completions, pairs."""

from dataclasses import dataclass

from churnsaver_serving.runtime.context import MessageContext


@dataclass(frozen=True, slots=True)
class Prompt:
    """A request for one message's body.

    Attributes:
        id: Name that is unique in its set.
        context: Context of the message.
        text: Chat-formatted text, up to and with the assistant's turn; tokenise without special
            tokens.
    """

    id: str
    context: MessageContext
    text: str


@dataclass(frozen=True, slots=True)
class Completion:
    """A text that a model wrote.

    Attributes:
        text: Text without special tokens, stripped.
        tokens: Number of generated tokens, end token included.
        finished: Whether its own end token ended it, not the limit.
    """

    text: str
    tokens: int
    finished: bool


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A reply to learn from.

    Attributes:
        prompt: Chat-formatted text, as in `Prompt.text`.
        reply: Reply without the end token; training adds it.
    """

    prompt: str
    reply: str


@dataclass(frozen=True, slots=True)
class PreferencePair:
    """Two replies to a prompt, the first preferred.

    Attributes:
        prompt_id: Id of the prompt; pairs of one prompt stay on one side of every split.
        source: Name of the data set.
        prompt: Chat-formatted text, as in `Prompt.text`.
        chosen: The better reply.
        rejected: The worse reply.
        margin: Degree by which it is better, where the source has one; else 0.
    """

    prompt_id: str
    source: str
    prompt: str
    chosen: str
    rejected: str
    margin: float = 0.0
