"""How the learned policy is trained: every hyperparameter, and nothing else."""

from datetime import date
from typing import Literal, Self

from pydantic import Field, model_validator

from churnsaver_assets.experiments.strict import OnHardware, Scaled, Strict


class NetworkSpec(Strict):
    """Actor and critics: two multilayer perceptrons of the same hidden sizes.

    Attributes:
        hidden: units of each hidden layer.
        activation: between the layers.
        input_clip: inputs are kept within plus and minus this many standard deviations.
        multiplier_input: whether the actor sees the multiplier and values net of it.
        belief_input: whether the actor sees observed over expected counts.
    """

    hidden: tuple[int, ...] = Field(min_length=1)
    activation: Literal["relu", "tanh"]
    input_clip: float = Field(gt=0)
    multiplier_input: bool
    belief_input: bool


class MultiplierSpec(Strict):
    """The multipliers met in training: 0 for a share of the groups, else log-uniform.

    Attributes:
        low: least above 0, dollars of value per dollar of budget.
        high: greatest.
        zero_share: of the groups.
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
        groups: each with its own true world and multiplier.
        customers: drawn anew for each update, the same in every group.
        population: customers that a group stands for in the counts behind the belief.
        nominal_share: of the groups whose true world is the nominal one; 1 is no domain
            randomisation. The others' are drawn from the priors.
        history_share: of the groups whose customers may have been contacted before the period.
        random_start_share: of the updates whose period starts on any day of `start_dates`; the
            others' starts as the setting's does.
        start_dates: first and last of them.
        multipliers: of the groups.
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
        updates: rollouts learnt from; 0 leaves the phase out.
        epochs: passes over each rollout.
        minibatch: decisions a gradient step.
        learning_rate: at the phase's start.
        final_learning_rate: at its end.
        max_grad_norm: longer gradients are shortened to this.
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
        teacher: the planner's dynamic programme, or the best single contact.
        nominal_share: in place of the rollout's. The teacher knows the true world and the actor
            doesn't, so teachers of many worlds leave it with a vote.
        smoothing: share of each label spread evenly over the actions allowed, so that the actor
            still explores afterwards.
    """

    teacher: Literal["programme", "greedy"]
    nominal_share: float = Field(ge=0, le=1)
    smoothing: float = Field(ge=0, lt=1)


class PPOSpec(OptimiserSpec):
    """Proximal policy optimisation (Schulman et al. 2017).

    Attributes:
        clip: epsilon of the clipped objective.
        gae_lambda: of generalised advantage estimation.
        entropy: weight of the entropy bonus at the phase's start; it falls linearly to 0.
        value_weight: of the critics' loss.
        value_scale_usd: the critics predict in units of this.
        least_group_spread: advantages count in units of the spread usual at their multiplier;
            a group's is taken to be at least this share of the spread within all.
        privileged_critic: whether the critics see the true world. The actor never does.
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
        budget_per_customer: expected spend aimed at, USD.
        proportional: gain on the relative overspend.
        integral: gain on its sum.
        derivative: gain on its rise.
        initial: the multiplier to begin with.
    """

    budget_per_customer: float = Field(gt=0)
    proportional: float = Field(ge=0)
    integral: float = Field(ge=0)
    derivative: float = Field(ge=0)
    initial: float = Field(ge=0)


class ProbeSpec(Strict):
    """Points of the learning curves: the greedy policy in the nominal world.

    Attributes:
        every: updates between two probes.
        customers: the first so many.
        multipliers: each probed.
    """

    every: int = Field(ge=1)
    customers: int = Field(ge=1)
    multipliers: tuple[float, ...] = Field(min_length=1)


class PolicySpec(Strict):
    """Training of the learned policy, whole.

    Attributes:
        network: actor and critics.
        rollout: what an update is learnt from.
        distillation: the warm start.
        ppo: what follows it; its critics' settings hold in both.
        pid: control the multiplier in place of conditioning on it; None to condition.
        probe: points of the learning curves.
        checkpoint_every: updates between two checkpoints.
        threads: of torch.
        device: of torch, such as cpu or cuda.
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
