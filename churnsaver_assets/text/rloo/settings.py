"""Settings of the RLOO baseline; no experiment file has them, as no release is made with it."""

from pydantic import BaseModel, ConfigDict, Field

from churnsaver_assets.experiments.text_spec import Count, Rate


class RlooSpec(BaseModel):
    """TRL's RLOO with the same rewards as PPO (Ahmadian et al. 2024).

    Attributes:
        steps: Number of optimiser steps.
        batch_rows: Sequences per step.
        generations: Samples of each prompt.
        learning_rate: Peak rate of the adapters.
        beta: Fixed weight of the KL penalty.
        save_every: Steps between checkpoints.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: Count
    batch_rows: Count
    generations: int = Field(ge=2)
    learning_rate: Rate
    beta: float = Field(ge=0)
    save_every: Count
