"""Hyperparameters of the learned policy's training, and nothing else."""

from datetime import date
from typing import Literal, Self

from pydantic import Field, model_validator

from churnsaver_assets.experiments.strict import OnHardware, Scaled, Strict


class NetworkSpec(Strict):
    """Actor and critics: two multilayer perceptrons of the same hidden sizes.

    Attributes:
        hidden: Units of each hidden layer.
        activation: Activation between the layers.
        input_clip: Inputs are kept within plus and minus this many standard deviations.
        multiplier_input: Shows the actor the multiplier, and values net of it.
        belief_input: Shows the actor observed over expected counts.
        base: The policy that the actor corrects, at the mean of the priors; None to learn all.
        unit_usd: Unit in which the base's values count as logits, USD: what differs by less is
            explored.
    """

    hidden: tuple[int, ...] = Field(min_length=1)
    activation: Literal["relu", "tanh"]
    input_clip: float = Field(gt=0)
    multiplier_input: bool
    belief_input: bool
    base: Literal["one_step"] | None
    unit_usd: float = Field(gt=0)


class MultiplierSpec(Strict):
    """The multipliers met in training: 0 for a share of the groups, else uniform.

    They are the nominal world's. In another, a group's is that at which the same budget lasts.

    Attributes:
        high: Greatest, dollars of value per dollar of budget.
        zero_share: Share of the groups whose multiplier is 0.
    """

    high: float = Field(gt=0)
    zero_share: float = Field(ge=0, le=1)


class RolloutSpec(Strict):
    """Episodes: some weeks of every group's life, in parts, from each of which an update learns.

    Attributes:
        groups: Groups, each with its own true world and multiplier.
        customers: Customers, drawn anew for each episode, the same in every group.
        parts: Parts of an episode, one update each.
        part_days: Days of a part. What would follow an episode is the critics' estimate.
        history_days: Most days that an episode has lived, at other multipliers, before it teaches.
        counted: Customers that a group stands for in the counts behind the belief.
        nominal_share: Share of the groups whose true world is the nominal one; 1 is no domain
            randomisation. The others' are drawn from the priors.
        start_dates: First and last day on which an episode may start.
        multipliers: Distribution of the groups' multipliers.
    """

    groups: Scaled[int] = Field(ge=1)
    customers: Scaled[int] = Field(ge=1)
    parts: int = Field(ge=1)
    part_days: int = Field(ge=7)  # a week has a day on which contacts are made
    history_days: int = Field(ge=0)
    counted: int = Field(ge=1)
    nominal_share: float = Field(ge=0, le=1)
    start_dates: tuple[date, date]
    multipliers: MultiplierSpec

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if self.start_dates[0] > self.start_dates[1]:
            raise ValueError(f"start_dates: expected first <= last, got {self.start_dates}")
        return self


class OptimiserSpec(Strict):
    """Adam over the minibatches of one phase; the learning rate falls linearly.

    Attributes:
        updates: Rollouts learnt from; 0 leaves the phase out.
        epochs: Passes over each rollout.
        minibatch: Decisions a gradient step.
        learning_rate: Learning rate at the phase's start.
        final_learning_rate: Learning rate at its end.
        max_grad_norm: Longer gradients are shortened to this.
    """

    updates: Scaled[int] = Field(ge=0)
    epochs: int = Field(ge=1)
    minibatch: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    final_learning_rate: float = Field(ge=0)
    max_grad_norm: float = Field(gt=0)


class PPOSpec(OptimiserSpec):
    """Proximal policy optimisation (Schulman et al. 2017).

    Attributes:
        clip: Epsilon of the clipped objective.
        gae_lambda: Lambda of generalised advantage estimation.
        entropy: Weight of the entropy bonus at the phase's start; it falls linearly to 0.
        correction_weight: Weight of the corrections' mean square, so that the actor departs from
            its base only where that pays.
        value_weight: Weight of the critics' loss.
        sure: Probability from which on an action taken counts as sure: nothing is to be learnt from
            it but the critics' value.
        sure_share: Share of the sure decisions that are learnt from, standing for all of them.
        value_scale_usd: Unit that the critics predict in, USD.
        least_group_spread: Advantages count in units of the spread usual at their multiplier;
            a group's is taken to be at least this share of the spread within all.
        privileged_critic: Shows the critics the true world. The actor never sees it.
    """

    clip: float = Field(gt=0)
    gae_lambda: float = Field(ge=0, le=1)
    entropy: float = Field(ge=0)
    correction_weight: float = Field(ge=0)
    value_weight: float = Field(ge=0)
    sure: float = Field(gt=0, le=1)
    sure_share: float = Field(gt=0, le=1)
    value_scale_usd: float = Field(gt=0)
    least_group_spread: float = Field(gt=0)
    privileged_critic: bool


class ProbeSpec(Strict):
    """Points of the learning curves: the greedy policy in the nominal world.

    Attributes:
        every: Updates between two probes.
        customers: Number of customers, from the first.
        days: Days played, from the setting's first.
        multipliers: Multipliers, each of which is probed.
    """

    every: int = Field(ge=1)
    customers: int = Field(ge=1)
    days: int = Field(ge=7)
    multipliers: tuple[float, ...] = Field(min_length=1)


class PolicySpec(Strict):
    """Training of the learned policy, whole.

    Attributes:
        network: Actor and critics.
        rollout: Rollouts that updates are learnt from.
        warm_up: The critics' warm-up, while the actor's base plays.
        ppo: PPO after the warm-up; its critics' settings hold in both.
        probe: Points of the learning curves.
        checkpoint_every: Least number of updates between two checkpoints, at an episode's end.
        threads: Threads of torch.
        device: Device of torch, such as cpu or cuda.
    """

    network: NetworkSpec
    rollout: RolloutSpec
    warm_up: OptimiserSpec
    ppo: PPOSpec
    probe: ProbeSpec
    checkpoint_every: Scaled[int] = Field(ge=1)
    threads: OnHardware[int] = Field(ge=1)
    device: OnHardware[str]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.warm_up.updates + self.ppo.updates == 0:
            raise ValueError("warm_up.updates, ppo.updates: at least one must be above 0")
        return self
