"""Writes the message bank: candidates of each context, checked, ranked, the best kept."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

from churnsaver_assets.common.progress import Progress
from churnsaver_assets.experiments.text_spec import BankSpec, HardwareSpec, SamplingSpec
from churnsaver_assets.text.model.draws import draw_completions
from churnsaver_assets.text.model.loading import load_tokenizer
from churnsaver_assets.text.prompts.examples import normal_form
from churnsaver_assets.text.prompts.requests import retention_prompts
from churnsaver_assets.text.records import Completion, Prompt
from churnsaver_assets.text.strict import strict_verdicts
from churnsaver_serving.runtime.context import MessageContext
from churnsaver_serving.runtime.messages.bank import BankedMessage, MessageBank, message_id
from churnsaver_serving.runtime.messages.wording import Wording

if TYPE_CHECKING:
    from churnsaver_serving.runtime.shield.shield import Shield

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class Scorer(Protocol):
    """A reward model."""

    def score(
        self, prompts: Sequence[str], replies: Sequence[str]
    ) -> npt.NDArray[np.floating[Any]]:
        """A raw score of each reply to its prompt, higher is better."""


def write_bank(
    model_dir: Path,
    contexts: Sequence[MessageContext],
    spec: BankSpec,
    sampling: SamplingSpec,
    hardware: HardwareSpec,
    *,
    seed: int,
    shield: "Shield",
    wording: Wording,
    reward: Scorer,
    mean: float,
    std: float,
    checkpoint_sha256: str,
    reward_sha256: str,
    checkpoints: Path,
    progress: Progress | None = None,
) -> tuple[MessageBank, pd.DataFrame]:
    """The bank, and all candidates for people to look through.

    A candidate is usable if its body passes the strict rules, the message rendered around it with
    the facts of its context (without a first name) passes the shield, and no earlier candidate of
    the context has the same words. The best by the reward model are kept, where there are enough.

    Args:
        model_dir: of the model that writes.
        contexts: each once.
        spec: how many are drawn at which temperature, needed and kept for each context.
        sampling: longest body and batch; its temperature isn't used.
        hardware: to run on.
        seed: of the draws.
        shield: the one that serves.
        wording: the one that serves.
        reward: ranks.
        mean: of the reward model's raw scores, as in training; scores are stated in `std` from it.
        std: likewise, above 0.
        checkpoint_sha256: of the model that writes.
        reward_sha256: of the one that ranks.
        checkpoints: folder of unfinished work.
        progress: called after each batch.

    Returns:
        The bank, and one row per candidate: `context` (key), the context's fields, `id`, `body`,
        `body_tokens`, `finished`, `rules` broken (joined by spaces), `duplicate`, `score` (missing
        for an empty body), `rank` among the context's usable ones (from 1; missing where not
        usable), `kept`, the rendered `message` and its `tokens`.

    Raises:
        ValueError: a context twice or none, `std` not above 0, or scores that aren't finite.
    """
    if not contexts or len(set(contexts)) < len(contexts):
        raise ValueError("expected at least one context, and each once")
    if not std > 0:
        raise ValueError(f"expected std above 0, got {std}: does the reward model tell any apart?")
    tokenizer = load_tokenizer(model_dir)
    per_context = retention_prompts(tokenizer, {context.key: context for context in contexts})
    prompts = [prompt for prompt in per_context for _ in range(spec.candidates)]
    completions = draw_completions(
        model_dir,
        [prompt.text for prompt in prompts],
        sampling.model_copy(update={"temperature": spec.temperature}),
        hardware,
        seed=seed,
        chunk=spec.chunk,
        checkpoints=checkpoints,
        progress=progress,
    )
    frame = _checked(prompts, completions, shield, wording)
    frame["tokens"] = [
        len(tokenizer(message, add_special_tokens=False)["input_ids"])
        for message in frame["message"]
    ]
    raw = _scores(reward, [prompt.text for prompt in prompts], [one.text for one in completions])
    frame["score"] = (raw - mean) / std
    _rank(frame, spec)
    kept = frame[frame["kept"]].sort_values(["rank"], kind="stable")
    messages = {
        str(key): tuple(
            BankedMessage(
                id=row["id"], body=row["body"], tokens=row["tokens"], score=float(row["score"])
            )
            for row in rows.to_dict("records")
        )
        for key, rows in kept.groupby("context", sort=False)
    }
    bank = MessageBank(
        checkpoint=checkpoint_sha256,
        reward_model=reward_sha256,
        shield=shield.sha256,
        contexts={
            context.key: messages[context.key] for context in contexts if context.key in messages
        },
    )
    return bank, frame


def bank_csv(frame: pd.DataFrame) -> bytes:
    """The candidates as a table for a spreadsheet: UTF-8 with its mark, every text quoted.

    A text that a spreadsheet would take for a formula gets an apostrophe before it.

    Args:
        frame: from `write_bank`.
    """
    safe = frame.copy()
    for name in ("body", "message"):
        risky = safe[name].str.startswith(FORMULA_STARTS)
        safe[name] = safe[name].mask(risky, "'" + safe[name])
    text = safe.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    return str(text).encode("utf-8-sig")


def _checked(
    prompts: Sequence[Prompt],
    completions: Sequence[Completion],
    shield: "Shield",
    wording: Wording,
) -> pd.DataFrame:
    """The candidates with what they broke, as bodies and as whole messages."""
    rows = []
    seen: set[tuple[str, str]] = set()
    verdicts = strict_verdicts(prompts, completions, shield)
    for prompt, completion, verdict in zip(prompts, completions, verdicts, strict=True):
        context = prompt.context
        facts = wording.facts(context)
        message = wording.render(completion.text, facts, context.channel)
        whole = shield.check_message(message, facts, context.channel)
        words = (context.key, normal_form(completion.text))
        rows.append(
            {
                "context": context.key,
                **msgspec.structs.asdict(context),
                "id": message_id(context, completion.text),
                "body": completion.text,
                "body_tokens": completion.tokens,
                "finished": completion.finished,
                "rules": " ".join(dict.fromkeys((*verdict.rules, *whole.rules))),
                "duplicate": words in seen,
                "message": message,
            }
        )
        seen.add(words)
    return pd.DataFrame(rows)


def _scores(
    reward: Scorer, prompts: Sequence[str], replies: Sequence[str]
) -> npt.NDArray[np.float64]:
    """Raw scores; an empty reply has none."""
    written = np.array([bool(reply) for reply in replies])
    scores = np.full(len(replies), np.nan)
    if written.any():
        scores[written] = reward.score(
            [prompt for prompt, there in zip(prompts, written, strict=True) if there],
            [reply for reply in replies if reply],
        )
    if not np.isfinite(scores[written]).all():
        raise ValueError("the reward model gave scores that aren't finite: train it anew")
    return scores


def _rank(frame: pd.DataFrame, spec: BankSpec) -> None:
    """Adds `rank` and `kept`; between equal scores, the order of the words decides."""
    usable = frame[(frame["rules"] == "") & ~frame["duplicate"]]
    best = usable.sort_values(["score", "body"], ascending=[False, True], kind="stable")
    groups = best.groupby("context", sort=False)
    frame["rank"] = (groups.cumcount() + 1).reindex(frame.index).astype("Int64")
    enough = groups["body"].transform("size").reindex(frame.index).fillna(0) >= spec.least_usable
    frame["kept"] = (enough & (frame["rank"] <= spec.keep).fillna(value=False)).astype(bool)
