"""Settings of the text models and of the message bank, and nothing else."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from churnsaver_assets.experiments.strict import OnHardware, Scaled, Strict
from churnsaver_serving.runtime.context import MessageChannel, Tone

TextScale = Literal["demo", "full"]
"""How far the text models are trained: so that the loop is seen to work, or in earnest."""

Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0)]


class BaseModelSpec(Strict):
    """Source of the base language model.

    Attributes:
        source: `package` for a GGUF file inside an installed package, `hub` for a Hugging Face id,
            `directory` for a folder that `save_pretrained` wrote.
        name: `package_name/file.gguf`, `owner/model`, or a path.
    """

    source: Scaled[Literal["package", "hub", "directory"]]
    name: Scaled[str] = Field(min_length=1)


class HardwareSpec(Strict):
    """Hardware that the text models run on.

    Attributes:
        device: `auto` takes CUDA where it is there.
        threads: Threads of torch on a CPU; more than there are free cores is slower.
        bf16: Autocast in training and scoring, bf16 copies in generation.
        gradient_checkpointing: Recompute activations to save memory.
        quantisation: Quantisation of frozen base weights in training, where CUDA is there (QLoRA).
    """

    device: OnHardware[Literal["auto", "cpu", "cuda"]]
    threads: OnHardware[Count]
    bf16: bool
    gradient_checkpointing: OnHardware[bool]
    quantisation: OnHardware[Literal["none", "8bit", "4bit"]]

    @property
    def frozen_dtype(self) -> Literal["float32", "bfloat16"]:
        """Return the type of weights that are only read: to generate and to score."""
        return "bfloat16" if self.bf16 else "float32"


class LoraSpec(Strict):
    """Low-rank adapters (Hu et al. 2022)."""

    r: Count
    alpha: Count
    dropout: float = Field(ge=0, lt=1)


class TextDataSpec(Strict):
    """Sources of text, and the most that is used of them.

    Attributes:
        sft_sources: Names from the registry of text sources; inferred pairs only if named here.
        preference_sources: Names from the same registry.
        max_sft_pairs: Cap after cleaning.
        max_preference_pairs: Cap after cleaning, over all sources.
        holdout_share: Share of the prompts that is held out.
        gold_share: Share of the prompts whose pairs train the judge alone.
    """

    sft_sources: Scaled[tuple[str, ...]] = Field(min_length=1)
    preference_sources: Scaled[tuple[str, ...]] = Field(min_length=1)
    max_sft_pairs: int = Field(ge=1, le=18_440)
    max_preference_pairs: int = Field(ge=1, le=100_000)
    holdout_share: float = Field(gt=0, lt=0.5)
    gold_share: float = Field(gt=0, lt=0.5)


class FineTuneSpec(Strict):
    """Supervised fine-tuning with LoRA.

    Attributes:
        rows: Most rows used; rows over `max_tokens` are dropped, never cut.
        max_tokens: Most tokens of prompt and reply.
        steps: Optimiser steps.
        batch_rows: Rows per step.
        learning_rate: Peak, after a linear warm-up over a tenth of the steps; cosine to 0.
        save_every: Steps between checkpoints.
        evaluated_rows: Held-out rows for the perplexity.
    """

    rows: Scaled[Count]
    max_tokens: Scaled[int] = Field(ge=16)
    steps: Scaled[Count]
    batch_rows: Scaled[Count]
    learning_rate: Rate
    save_every: Scaled[Count]
    evaluated_rows: Scaled[Count]


class RewardModelSpec(Strict):
    """The reward model: a linear probe on frozen features, then LoRA from there.

    Attributes:
        kind: The model that is handed on; `lora` is warm-started from the probe.
        pairs: Most training pairs, over all sources.
        gold_pairs: Most training pairs of the judge.
        evaluated_pairs: Most held-out pairs of each source.
        max_tokens: Most tokens of prompt and reply; longer prompts lose their beginning, longer
            replies their end, the counts are reported.
        batch_pairs: Pairs per step.
        steps: LoRA's optimiser steps.
        learning_rate: LoRA's peak.
        centre: Weight of the squared mean of rewards (centred Bradley-Terry).
        ridge: L2 penalties that the probe's cross-validation chooses from.
        save_every: Steps between checkpoints.
        evaluate_every: Steps between points of the learning curve.
    """

    kind: Scaled[Literal["probe", "lora"]]
    pairs: Scaled[Count]
    gold_pairs: Scaled[Count]
    evaluated_pairs: Scaled[Count]
    max_tokens: Scaled[int] = Field(ge=16)
    batch_pairs: Scaled[Count]
    steps: Scaled[Count]
    learning_rate: Rate
    centre: float = Field(ge=0)
    ridge: tuple[Rate, ...] = Field(min_length=1)
    save_every: Scaled[Count]
    evaluate_every: Scaled[Count]


class PromptsSpec(Strict):
    """Prompts from real customers and decided offers.

    Attributes:
        train: Prompts for rejection sampling and PPO.
        holdout: Prompts of held-out customers, for the judge.
        scale: Training prompts whose messages set the unit of the reward model's reward.
        explored: Share of training customers whose offer is drawn evenly over all offers.
    """

    train: Scaled[Count]
    holdout: Scaled[Count]
    scale: Scaled[int] = Field(ge=2)
    explored: float = Field(ge=0, le=1)


class SamplingSpec(Strict):
    """Sampling of messages.

    Attributes:
        max_new_tokens: Longest body, end token included.
        temperature: Temperature of the softmax.
        batch_rows: Sequences generated together.
    """

    max_new_tokens: int = Field(ge=8, le=180)
    temperature: Rate
    batch_rows: Scaled[Count]


class RejectionSpec(Strict):
    """Fine-tuning on own samples that pass the strict rules (Dong et al. 2023, RAFT).

    Attributes:
        rounds: Rounds; the first samples with an example in the prompt, later ones without.
        samples: Samples drawn in each round.
        least_passing: Fewer than this is an error: there is nothing to learn from.
        temperature: Temperature of the draws.
        chunk: Samples between checkpoints.
        fine_tune: Fine-tuning on the samples that passed.
    """

    rounds: Scaled[Count]
    samples: Scaled[Count]
    least_passing: Scaled[int] = Field(ge=4)
    temperature: Rate
    chunk: Scaled[Count]
    fine_tune: FineTuneSpec


class KlSpec(Strict):
    """Adaptive KL penalty (Ziegler et al. 2019, section 2.2), per token.

    Attributes:
        target: Nats per token.
        beta: Weight at the start.
        horizon: Iterations after which a constant error of 20 % has moved beta by a factor e^0.2.
        stop_at: An iteration's epochs end early once the policy has moved this far in it, nats per
            token (approximate KL to the sampling policy).
    """

    target: Rate
    beta: Rate
    horizon: Rate
    stop_at: Rate


class RewardSpec(Strict):
    """The reward of a message: weighted sum of three parts.

    Attributes:
        reward_model: Weight of the reward model's normalised and clipped score.
        safety: Weight of the shield's part.
        brevity: Weight of the brevity part.
        clip: The normalised score is kept within plus and minus this many standard deviations.
        brief_tokens: Up to here brevity is 1; from there it falls to 0 at `max_new_tokens`.
    """

    reward_model: float = Field(ge=0)
    safety: float = Field(ge=0)
    brevity: float = Field(ge=0)
    clip: Rate
    brief_tokens: Count


class TextPpoSpec(Strict):
    """PPO on text (Ziegler et al. 2019; Ouyang et al. 2022).

    Attributes:
        iterations: Iterations, each of which samples, scores and learns.
        batch_rows: Sequences sampled per iteration.
        minibatch_rows: Sequences per gradient step.
        epochs: Passes over the samples.
        learning_rate: Learning rate of the adapters; it decays linearly to a tenth.
        value_learning_rate: Learning rate of the value head.
        discount: Discount per token.
        gae_lambda: Lambda of generalised advantage estimation, per token.
        clip: Clip of the probability ratio.
        value_clip: Clip of the value's change.
        value_weight: Weight of the value loss.
        max_grad_norm: Greatest gradient norm of each step.
        whiten: Bring advantages of a batch to mean 0 and standard deviation 1.
        place_breaches: Take what a broken rule costs at the token that breaks it; else at the last.
        lora: Fresh adapters on the merged model.
        kl: The penalty.
        save_every: Iterations between checkpoints.
    """

    iterations: Scaled[Count]
    batch_rows: Scaled[Count]
    minibatch_rows: Scaled[Count]
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
    save_every: Scaled[Count]


class JudgeSpec(Strict):
    """Comparison of messages.

    Attributes:
        prompts: Held-out prompts, one message of each policy for each.
        best_of: Sizes n of best-of-n.
        resamples: Resamples of the bootstrap by prompt.
        chunk: Prompts between checkpoints.
        toxicity_threshold: Probability from which the linear classifier's word is taken; chosen on
            harmless messages.
    """

    prompts: Scaled[Count]
    best_of: Scaled[tuple[int, ...]]
    resamples: int = Field(ge=100)
    chunk: Count
    toxicity_threshold: float = Field(gt=0, lt=1)


class BankSpec(Strict):
    """Settings of the message bank.

    Attributes:
        tones: Tones for which messages are written.
        channels: Channels for which messages are written.
        candidates: Candidates drawn for each context.
        temperature: Temperature of the draws; below that of training, as a slip costs more here
            than variety.
        least_usable: Fewer than this, and the context falls back to templates.
        keep: Most messages kept for each context.
        chunk: Candidates between checkpoints.
    """

    tones: Scaled[tuple[Tone, ...]] = Field(min_length=1)
    channels: Scaled[tuple[MessageChannel, ...]] = Field(min_length=1)
    candidates: Scaled[Count]
    temperature: Rate
    least_usable: Count
    keep: Count
    chunk: Scaled[Count]

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if not self.least_usable <= self.keep:
            raise ValueError(
                f"expected least_usable <= keep, got {self.least_usable} and {self.keep}"
            )
        return self


class TextSpec(Strict):
    """Settings of the whole text pipeline.

    Attributes:
        scale: Scale of training. It chooses the gate and stands in the release, so that nobody
            takes a demo's messages for the trained ones.
    """

    scale: Scaled[TextScale]
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
