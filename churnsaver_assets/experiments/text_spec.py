"""How messages are learnt and written: every setting of the text models, and nothing else."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from churnsaver_serving.runtime.context import MessageChannel, Tone


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


TextScale = Literal["demo", "full"]
"""How far the text models are trained: so that the loop is seen to work, or in earnest."""

Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0)]


class BaseModelSpec(_Strict):
    """Where the base language model comes from.

    Attributes:
        source: `package` for a GGUF file inside an installed package, `hub` for a Hugging Face id,
            `directory` for a folder that `save_pretrained` wrote.
        name: `package_name/file.gguf`, `owner/model`, or a path.
    """

    source: Literal["package", "hub", "directory"]
    name: str = Field(min_length=1)


class HardwareSpec(_Strict):
    """What the text models run on.

    Attributes:
        device: `auto` takes CUDA where it is there.
        threads: of torch on a CPU; more than there are free cores is slower.
        bf16: autocast in training and scoring, bf16 copies in generation.
        gradient_checkpointing: recompute activations to save memory.
        quantisation: of frozen base weights in training, where CUDA is there (QLoRA).
    """

    device: Literal["auto", "cpu", "cuda"]
    threads: Count
    bf16: bool
    gradient_checkpointing: bool
    quantisation: Literal["none", "8bit", "4bit"]

    @property
    def frozen_dtype(self) -> Literal["float32", "bfloat16"]:
        """Of weights that are only read: to generate and to score."""
        return "bfloat16" if self.bf16 else "float32"


class LoraSpec(_Strict):
    """Low-rank adapters (Hu et al. 2022)."""

    r: Count
    alpha: Count
    dropout: float = Field(ge=0, lt=1)


class TextDataSpec(_Strict):
    """Which sources are used, and how much of them.

    Attributes:
        sft_sources: names from the registry of text sources; inferred pairs only if named here.
        preference_sources: likewise.
        max_sft_pairs: cap after cleaning.
        max_preference_pairs: cap after cleaning, over all sources.
        holdout_share: of the prompts.
        gold_share: of the prompts; their pairs train the judge alone.
    """

    sft_sources: tuple[str, ...] = Field(min_length=1)
    preference_sources: tuple[str, ...] = Field(min_length=1)
    max_sft_pairs: int = Field(ge=1, le=18_440)
    max_preference_pairs: int = Field(ge=1, le=100_000)
    holdout_share: float = Field(gt=0, lt=0.5)
    gold_share: float = Field(gt=0, lt=0.5)


class FineTuneSpec(_Strict):
    """Supervised fine-tuning with LoRA.

    Attributes:
        rows: most rows used; rows over `max_tokens` are dropped, never cut.
        max_tokens: prompt and reply.
        steps: optimiser steps.
        batch_rows: rows per step.
        learning_rate: peak, after a linear warm-up over a tenth of the steps; cosine to 0.
        save_every: steps between checkpoints.
        evaluated_rows: held-out rows for the perplexity.
    """

    rows: Count
    max_tokens: int = Field(ge=16)
    steps: Count
    batch_rows: Count
    learning_rate: Rate
    save_every: Count
    evaluated_rows: Count


class RewardModelSpec(_Strict):
    """The reward model: a linear probe on frozen features, then LoRA from there.

    Attributes:
        kind: what is handed on; `lora` is warm-started from the probe.
        pairs: most training pairs, over all sources.
        gold_pairs: likewise, of the judge.
        evaluated_pairs: most held-out pairs of each source.
        max_tokens: prompt and reply; longer prompts lose their beginning, longer replies their end,
            the counts are reported.
        batch_pairs: pairs per step.
        steps: LoRA's optimiser steps.
        learning_rate: LoRA's peak.
        centre: weight of the squared mean of rewards (centred Bradley-Terry).
        ridge: L2 penalties that the probe's cross-validation chooses from.
        save_every: steps between checkpoints.
        evaluate_every: steps between points of the learning curve.
    """

    kind: Literal["probe", "lora"]
    pairs: Count
    gold_pairs: Count
    evaluated_pairs: Count
    max_tokens: int = Field(ge=16)
    batch_pairs: Count
    steps: Count
    learning_rate: Rate
    centre: float = Field(ge=0)
    ridge: tuple[Rate, ...] = Field(min_length=1)
    save_every: Count
    evaluate_every: Count


class PromptsSpec(_Strict):
    """Prompts from real customers and decided offers.

    Attributes:
        train: prompts for rejection sampling and PPO.
        holdout: prompts of held-out customers, for the judge.
        scale: training prompts whose messages set the unit of the reward model's reward.
        explored: share of training customers whose offer is drawn evenly over all offers.
    """

    train: Count
    holdout: Count
    scale: int = Field(ge=2)
    explored: float = Field(ge=0, le=1)


class SamplingSpec(_Strict):
    """How messages are sampled.

    Attributes:
        max_new_tokens: longest body, end token included.
        temperature: of the softmax.
        batch_rows: sequences generated together.
    """

    max_new_tokens: int = Field(ge=8, le=180)
    temperature: Rate
    batch_rows: Count


class RejectionSpec(_Strict):
    """Fine-tuning on own samples that pass the strict rules (Dong et al. 2023, RAFT).

    Attributes:
        rounds: the first samples with an example in the prompt, later ones without.
        samples: drawn in each round.
        least_passing: fewer than this is an error: there is nothing to learn from.
        temperature: of the draws.
        chunk: samples between checkpoints.
        fine_tune: on what passed.
    """

    rounds: Count
    samples: Count
    least_passing: int = Field(ge=4)
    temperature: Rate
    chunk: Count
    fine_tune: FineTuneSpec


class KlSpec(_Strict):
    """Adaptive KL penalty (Ziegler et al. 2019, section 2.2), per token.

    Attributes:
        target: nats per token.
        beta: at the start.
        horizon: iterations after which a constant error of 20 % has moved beta by a factor e^0.2.
        stop_at: an iteration's epochs end early once the policy has moved this far in it, nats per
            token (approximate KL to the sampling policy).
    """

    target: Rate
    beta: Rate
    horizon: Rate
    stop_at: Rate


class RewardSpec(_Strict):
    """The reward of a message: weighted sum of three parts.

    Attributes:
        reward_model: weight of the reward model's normalised and clipped score.
        safety: weight of the shield's part.
        brevity: weight of the brevity part.
        clip: the normalised score is kept within plus and minus this many standard deviations.
        brief_tokens: up to here brevity is 1; from there it falls to 0 at `max_new_tokens`.
    """

    reward_model: float = Field(ge=0)
    safety: float = Field(ge=0)
    brevity: float = Field(ge=0)
    clip: Rate
    brief_tokens: Count


class TextPpoSpec(_Strict):
    """PPO on text (Ziegler et al. 2019; Ouyang et al. 2022).

    Attributes:
        iterations: each samples, scores and learns.
        batch_rows: sequences sampled per iteration.
        minibatch_rows: sequences per gradient step.
        epochs: over the samples.
        learning_rate: of the adapters; decays linearly to a tenth.
        value_learning_rate: of the value head.
        discount: per token.
        gae_lambda: per token.
        clip: of the probability ratio.
        value_clip: of the value's change.
        value_weight: of the value loss.
        max_grad_norm: of each step.
        whiten: advantages of a batch to mean 0 and standard deviation 1.
        place_breaches: take what a broken rule costs at the token that breaks it; else at the last.
        lora: fresh adapters on the merged model.
        kl: the penalty.
        save_every: iterations between checkpoints.
    """

    iterations: Count
    batch_rows: Count
    minibatch_rows: Count
    epochs: Count
    learning_rate: Rate
    value_learning_rate: Rate
    discount: float = Field(gt=0, le=1)
    gae_lambda: float = Field(ge=0, le=1)
    clip: Rate
    value_clip: Rate
    value_weight: float = Field(ge=0)
    max_grad_norm: Rate
    whiten: bool
    place_breaches: bool
    lora: LoraSpec
    kl: KlSpec
    save_every: Count


class JudgeSpec(_Strict):
    """How messages are compared.

    Attributes:
        prompts: held-out prompts, one message of each policy for each.
        best_of: sizes n of best-of-n.
        resamples: of the bootstrap by prompt.
        chunk: prompts between checkpoints.
        toxicity_threshold: probability from which the linear classifier's word is taken; chosen on
            harmless messages.
    """

    prompts: Count
    best_of: tuple[int, ...]
    resamples: int = Field(ge=100)
    chunk: Count
    toxicity_threshold: float = Field(gt=0, lt=1)


class BankSpec(_Strict):
    """The message bank.

    Attributes:
        tones: tones for which messages are written.
        channels: likewise.
        candidates: drawn for each context.
        temperature: of the draws; below that of training, as a slip costs more here than variety.
        least_usable: fewer than this, and the context falls back to templates.
        keep: most messages kept for each context.
        chunk: candidates between checkpoints.
    """

    tones: tuple[Tone, ...] = Field(min_length=1)
    channels: tuple[MessageChannel, ...] = Field(min_length=1)
    candidates: Count
    temperature: Rate
    least_usable: Count
    keep: Count
    chunk: Count

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if not self.least_usable <= self.keep:
            raise ValueError(
                f"expected least_usable <= keep, got {self.least_usable} and {self.keep}"
            )
        return self


class TextSpec(_Strict):
    """All of the text pipeline.

    Attributes:
        scale: chooses the gate; stands in the release, so that nobody takes a demo's messages for
            the trained ones.
    """

    scale: TextScale
    hardware: HardwareSpec
    base_model: BaseModelSpec
    data: TextDataSpec
    lora: LoraSpec
    sft: FineTuneSpec
    reward_model: RewardModelSpec
    prompts: PromptsSpec
    sampling: SamplingSpec
    rejection: RejectionSpec
    reward: RewardSpec
    ppo: TextPpoSpec
    judge: JudgeSpec
    bank: BankSpec

    @model_validator(mode="after")
    def _brief(self) -> Self:
        if self.reward.brief_tokens >= self.sampling.max_new_tokens:
            raise ValueError(
                "reward.brief_tokens must be less than sampling.max_new_tokens, got "
                f"{self.reward.brief_tokens} and {self.sampling.max_new_tokens}"
            )
        return self


class TextGate(_Strict):
    """Bounds of the text models' blocking checks.

    Attributes:
        max_perplexity_ratio: SFT's held-out perplexity over the base model's.
        min_reward_auc: of the reward model over all held-out pairs.
        min_auc_over_length: reward model's pooled AUC less the length-only one's.
        min_win_rate: PPO against SFT.
        min_strict_pass_rate: of PPO's samples at temperature 1.
        max_violations: upper bound of their share (one-sided 95 %): 0 of 300 gives 1 %.
        max_mean_tokens: of whole messages as sent.
        max_kl: nats per token, from the model PPO began at.
        max_repeated: share of PPO's messages that repeat an earlier one word for word.
        min_attacks_stopped: by the shield, of attacks that weren't looked at while it was written.
        max_false_alarms: share of harmless texts that the shield stops, likewise.
    """

    max_perplexity_ratio: float = Field(gt=0)
    min_reward_auc: float = Field(ge=0, le=1)
    min_auc_over_length: float = Field(ge=-1, le=1)
    min_win_rate: float = Field(ge=0, le=1)
    min_strict_pass_rate: float = Field(ge=0, le=1)
    max_violations: float = Field(ge=0, le=1)
    max_mean_tokens: float = Field(gt=0)
    max_kl: float = Field(gt=0)
    max_repeated: float = Field(ge=0, le=1)
    min_attacks_stopped: float = Field(ge=0, le=1)
    max_false_alarms: float = Field(ge=0, le=1)
