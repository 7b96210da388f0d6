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
    """

    hidden: tuple[int, ...] = Field(min_length=1)
    activation: Literal["relu", "tanh"]
    input_clip: float = Field(gt=0)
    multiplier_input: bool
    belief_input: bool


class MultiplierSpec(Strict):
    """The multipliers met in training: 0 for a share of the groups, else log-uniform.

    Attributes:
        low: Least above 0, dollars of value per dollar of budget.
        high: Greatest, in the same unit.
        zero_share: Share of the groups whose multiplier is 0.
    """

    low: float = Field(gt=0)
    high: float = Field(gt=0)
    zero_share: float = Field(ge=0, le=1)

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"expected low < high, got {self.low} and {self.high}")
        return self


class RolloutSpec(Strict):
    """What one update is learnt from: a whole period of every group.

    Attributes:
        groups: Groups, each with its own true world and multiplier.
        customers: Customers, drawn anew for each update, the same in every group.
        population: Customers that a group stands for in the counts behind the belief.
        nominal_share: Share of the groups whose true world is the nominal one; 1 is no domain
            randomisation. The others' are drawn from the priors.
        history_share: Share of the groups whose customers may have had contacts before the period.
        random_start_share: Share of the updates whose period starts on any day of `start_dates`;
            the others' starts as the setting's does.
        start_dates: First and last of these days.
        multipliers: Distribution of the groups' multipliers.
    """

    groups: Scaled[int] = Field(ge=1)
    customers: Scaled[int] = Field(ge=1)
    population: int = Field(ge=1)
    nominal_share: float = Field(ge=0, le=1)
    history_share: float = Field(ge=0, le=1)
    random_start_share: float = Field(ge=0, le=1)
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


class DistillationSpec(OptimiserSpec):
    """Warm start: cross-entropy to a teacher's actions.

    Attributes:
        teacher: The planner's dynamic programme, or the best single contact.
        nominal_share: Share of nominal worlds, in place of the rollout's. The teacher knows the
            true world and the actor doesn't, so teachers of many worlds leave it with a vote.
        smoothing: Share of each label spread evenly over the actions allowed, so that the actor
            still explores afterwards.
    """

    teacher: Literal["programme", "greedy"]
    nominal_share: float = Field(ge=0, le=1)
    smoothing: float = Field(ge=0, lt=1)


class PPOSpec(OptimiserSpec):
    """Proximal policy optimisation (Schulman et al. 2017).

    Attributes:
        clip: Epsilon of the clipped objective.
        gae_lambda: Lambda of generalised advantage estimation.
        entropy: Weight of the entropy bonus at the phase's start; it falls linearly to 0.
        value_weight: Weight of the critics' loss.
        value_scale_usd: Unit that the critics predict in, USD.
        least_group_spread: Advantages count in units of the spread usual at their multiplier;
            a group's is taken to be at least this share of the spread within all.
        privileged_critic: Shows the critics the true world. The actor never sees it.
    """

    clip: float = Field(gt=0)
    gae_lambda: float = Field(ge=0, le=1)
    entropy: float = Field(ge=0)
    value_weight: float = Field(ge=0)
    value_scale_usd: float = Field(gt=0)
    least_group_spread: float = Field(gt=0)
    privileged_critic: bool


class PIDSpec(Strict):
    """One multiplier, controlled at one budget (Stooke, Achiam and Abbeel 2020, algorithm 2).

    Attributes:
        budget_per_customer: Expected spend aimed at, USD.
        proportional: Gain on the relative overspend.
        integral: Gain on its sum.
        derivative: Gain on its rise.
        initial: The multiplier to begin with.
    """

    budget_per_customer: float = Field(gt=0)
    proportional: float = Field(ge=0)
    integral: float = Field(ge=0)
    derivative: float = Field(ge=0)
    initial: float = Field(ge=0)


class ProbeSpec(Strict):
    """Points of the learning curves: the greedy policy in the nominal world.

    Attributes:
        every: Updates between two probes.
        customers: Number of customers, from the first.
        multipliers: Multipliers, each of which is probed.
    """

    every: int = Field(ge=1)
    customers: int = Field(ge=1)
    multipliers: tuple[float, ...] = Field(min_length=1)


class PolicySpec(Strict):
    """Training of the learned policy, whole.

    Attributes:
        network: Actor and critics.
        rollout: Rollouts that updates are learnt from.
        distillation: The warm start.
        ppo: PPO after the warm start; its critics' settings hold in both.
        pid: Control the multiplier in place of conditioning on it; None to condition.
        probe: Points of the learning curves.
        checkpoint_every: Updates between two checkpoints.
        threads: Threads of torch.
        device: Device of torch, such as cpu or cuda.
    """

    network: NetworkSpec
    rollout: RolloutSpec
    distillation: DistillationSpec
    ppo: PPOSpec
    pid: PIDSpec | None = None
    probe: ProbeSpec
    checkpoint_every: Scaled[int] = Field(ge=1)
    threads: OnHardware[int] = Field(ge=1)
    device: OnHardware[str]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.pid is not None and self.network.multiplier_input:
            raise ValueError("network.multiplier_input: must be false where pid is set")
        if self.distillation.updates + self.ppo.updates == 0:
            raise ValueError("distillation.updates, ppo.updates: at least one must be above 0")
        return self
