"""Settings of the text assets, of the message bank and of the checks on both."""

from typing import Annotated

from churnsaver_assets.defs.settings.decision import Offers, SimulatorSettings
from churnsaver_assets.defs.settings.stage import At, Seed
from churnsaver_assets.experiments.strict import Strict
from churnsaver_assets.experiments.text_gates import RewardGate, SftGate, ShieldGate, WriterGate
from churnsaver_assets.experiments.text_spec import (
    BankSpec,
    BaseModelSpec,
    FineTuneSpec,
    HardwareSpec,
    JudgeSpec,
    LoraSpec,
    PromptsSpec,
    RejectionSpec,
    RewardModelSpec,
    RewardSpec,
    SamplingSpec,
    TextDataSpec,
    TextPpoSpec,
    TextScale,
)

Hardware = Annotated[HardwareSpec, At("text.hardware")]
Lora = Annotated[LoraSpec, At("text.lora")]
Prompts = Annotated[PromptsSpec, At("text.prompts")]
Sampling = Annotated[SamplingSpec, At("text.sampling")]
Scale = Annotated[TextScale, At("text.scale")]


class PairsSettings(Strict):
    """Settings of `sft_pairs` and `preference_pairs`."""

    seed: Seed
    data: Annotated[TextDataSpec, At("text.data")]


class BaseModelSettings(Strict):
    """Settings of `base_model`."""

    base_model: Annotated[BaseModelSpec, At("text.base_model")]


class SftSettings(Strict):
    """Settings of `sft_model`."""

    seed: Seed
    hardware: Hardware
    lora: Lora
    sft: Annotated[FineTuneSpec, At("text.sft")]


class RewardModelSettings(Strict):
    """Settings of `reward_model` and `gold_judge`."""

    seed: Seed
    hardware: Hardware
    lora: Lora
    reward_model: Annotated[RewardModelSpec, At("text.reward_model")]


class PromptsSettings(SimulatorSettings):
    """Settings of `retention_prompts`, whose offers the policy decides in the simulator."""

    prompts: Prompts


class RejectionSettings(Strict):
    """Settings of `rejection_model`, and of `reward_scale`, which samples it as it was sampled."""

    seed: Seed
    hardware: Hardware
    lora: Lora
    sampling: Sampling
    prompts: Prompts
    rejection: Annotated[RejectionSpec, At("text.rejection")]


class RewardedSettings(Strict):
    """Settings of whatever is scored by `MessageReward`."""

    seed: Seed
    hardware: Hardware
    sampling: Sampling
    reward: Annotated[RewardSpec, At("text.reward")]


class PpoSettings(RewardedSettings):
    """Settings of `ppo_text_model`; its offers are those that it may be asked for live."""

    offers_pct: Offers
    ppo: Annotated[TextPpoSpec, At("text.ppo")]


class JudgingSettings(RewardedSettings):
    """Settings of `text_evaluation`."""

    scale: Scale
    judge: Annotated[JudgeSpec, At("text.judge")]


class BankSettings(Strict):
    """Settings of `message_bank`."""

    seed: Seed
    offers_pct: Offers
    scale: Scale
    hardware: Hardware
    sampling: Sampling
    bank: Annotated[BankSpec, At("text.bank")]


class SftGates(Strict):
    """Bounds that `sft_model` is checked against."""

    gate: Annotated[SftGate, At("text_gate")]


class RewardGates(Strict):
    """Bounds that `reward_model` is checked against."""

    gate: Annotated[RewardGate, At("text_gate")]


class WriterGates(Strict):
    """Bounds that `text_evaluation` is checked against."""

    gate: Annotated[WriterGate, At("text_gate")]


class ShieldGates(Strict):
    """Bounds that `shield_report` is checked against."""

    gate: Annotated[ShieldGate, At("text_gate")]
