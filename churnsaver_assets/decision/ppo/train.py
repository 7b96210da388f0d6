"""Training the learned policy, top to bottom: proximal policy optimisation of a correction.

The actor corrects its base, a one-step rule at the mean of the priors, and starts as it (residual
policy learning: Silver et al. 2018); so nothing of the base has to be learnt first. While the
critics warm up, the base plays.

Every update plays some weeks of many customers with the exploring actor and learns from them. The
advantage of reward net of the multiplier times cost is what both critics' estimates make it, so
one run learns to decide at every multiplier (Achiam et al. 2017 and Stooke et al. 2020 for cost
critics; Schulman et al. 2017 for the objective).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import nn

from churnsaver_assets.decision.ppo.checkpoint import (
    TrainingState,
    load_checkpoint,
    run_mark,
    save_checkpoint,
)
from churnsaver_assets.decision.ppo.curves import LearningCurves, UpdateFigures
from churnsaver_assets.decision.ppo.episodes import draw_episode, of_customers
from churnsaver_assets.decision.ppo.loss import clipped_loss, critic_loss
from churnsaver_assets.decision.ppo.network import ActorCritic, entropy
from churnsaver_assets.decision.ppo.policy_probe import probe_policy
from churnsaver_assets.decision.ppo.rollout import DecisionBatch, Rollout
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_assets.experiments.policy_spec import NetworkSpec, OptimiserSpec, PolicySpec
from churnsaver_serving.runtime.policies.actor import Actor, LearnedSpec
from churnsaver_serving.runtime.policies.learned import LearnedPolicy
from churnsaver_serving.runtime.policies.policy import OneStepPolicy
from churnsaver_serving.runtime.policies.policy_features import feature_names
from churnsaver_serving.runtime.world.assumptions import Assumptions

# A smaller deviation is no spread but a constant, such as the risk of customers all alike.
_LEAST_DEVIATION = 1e-3
_ADAM_EPSILON = 1e-5


@dataclass(frozen=True, slots=True)
class TrainedPolicy:
    """A trained policy.

    Attributes:
        actor: The network as it is served; its `to_files` go into the release.
        curves: Learning curves.
    """

    actor: Actor
    curves: LearningCurves


def train_policy(
    setting: Setting,
    assumptions: Assumptions,
    spec: PolicySpec,
    seed: int,
    *,
    checkpoint_dir: Path | None = None,
    progress: Callable[[UpdateFigures], None] | None = None,
) -> TrainedPolicy:
    """Train a policy. The same arguments give the same bytes, whether cut and resumed or not.

    Args:
        setting: Customers to train on, rules; its first day is the probes'. Where `believed` is
            given, the actor sees that and the environment goes by the truth.
        assumptions: The priors that true worlds are drawn from.
        spec: Every hyperparameter.
        seed: Seed for all random numbers.
        checkpoint_dir: Folder that keeps the run's state; a run goes on from what is found there.
            None to keep nothing.
        progress: Called after every update.

    Raises:
        CheckpointError: The checkpoint in `checkpoint_dir` is of another run.
    """
    torch.set_num_threads(spec.threads)
    rng = np.random.default_rng(seed)
    learned, model = _begin(setting, assumptions, spec, rng)
    run = TrainingState(model, _adam(model, spec.warm_up), rng, LearningCurves([], []))
    mark = run_mark(setting, assumptions, spec, seed)
    if checkpoint_dir is not None:
        load_checkpoint(checkpoint_dir, run, mark)
    probed = of_customers(setting, np.arange(min(spec.probe.customers, len(setting.cohort))))
    last = spec.warm_up.updates + spec.ppo.updates
    saved = run.update
    while run.update < last:
        episode = draw_episode(setting, assumptions, spec.rollout, rng)
        rollout = Rollout(model, learned, episode, spec.ppo, rng, device=spec.device)
        for _ in range(min(spec.rollout.parts, last - run.update)):
            if run.update == spec.warm_up.updates:
                run.optimiser = _adam(model, spec.ppo)
            figures = _update(run, rollout.part(spec.rollout.part_days), spec)
            run.curves.updates.append(figures)
            run.update += 1
            if run.update % spec.probe.every == 0 or run.update == last:
                run.curves.probes += probe_policy(
                    LearnedPolicy(model.export(learned)),
                    probed,
                    spec.probe.multipliers,
                    days=spec.probe.days,
                    update=run.update,
                    seed=seed,
                )
            if progress is not None:
                progress(figures)
        if checkpoint_dir is not None and run.update - saved >= spec.checkpoint_every:
            save_checkpoint(checkpoint_dir, run, mark)
            saved = run.update
    return TrainedPolicy(model.export(learned), run.curves)


def _begin(
    setting: Setting, assumptions: Assumptions, spec: PolicySpec, rng: np.random.Generator
) -> tuple[LearnedSpec, ActorCritic]:
    """Make the network with random weights, its inputs scaled to those met in an episode."""
    features = _features(setting.space.offers_pct, spec.network)
    plain = LearnedSpec(
        offers_pct=setting.space.offers_pct,
        features=features,
        mean=(0.0,) * len(features),
        scale=(1.0,) * len(features),
        clip=float(np.finfo(np.float32).max),
        hidden=spec.network.hidden,
        activation=spec.network.activation,
        base=None
        if spec.network.base is None
        else OneStepPolicy(spec.network.base, world=assumptions.prior_mean()),
        unit_usd=spec.network.unit_usd,
    )
    episode = draw_episode(setting, assumptions, spec.rollout, rng)
    context = 1 + episode.world.shape[1] if spec.ppo.privileged_critic else 0
    model = ActorCritic(plain, context, rng).to(spec.device)
    rollout = Rollout(model, plain, episode, spec.ppo, rng, device=spec.device)
    values = rollout.part(spec.rollout.part_days).inputs.cpu().numpy().astype(np.float64)
    deviation = values.std(axis=0)
    learned = msgspec.structs.replace(
        plain,
        mean=tuple(values.mean(axis=0).tolist()),
        scale=tuple(np.where(deviation > _LEAST_DEVIATION, deviation, 1.0).tolist()),
        clip=spec.network.input_clip,
    )
    return learned, model


def _features(offers_pct: tuple[int, ...], spec: NetworkSpec) -> tuple[str, ...]:
    left_out: tuple[str, ...] = ()
    if not spec.multiplier_input:
        left_out += ("multiplier_log", "net_value_")
    if not spec.belief_input:
        left_out += ("belief_",)
    return tuple(name for name in feature_names(offers_pct) if not name.startswith(left_out))


def _update(run: TrainingState, batch: DecisionBatch, spec: PolicySpec) -> UpdateFigures:
    """Learn from a part of an episode."""
    warming = run.update < spec.warm_up.updates
    phase: OptimiserSpec = spec.warm_up if warming else spec.ppo
    done = (run.update - (0 if warming else spec.warm_up.updates)) / phase.updates
    rate = phase.learning_rate + done * (phase.final_learning_rate - phase.learning_rate)
    for group in run.optimiser.param_groups:
        group["lr"] = rate
    bonus = spec.ppo.entropy * (1.0 - done)
    figures = [
        _gradient_step(run, part, spec, warming=warming, bonus=bonus)
        for _ in range(phase.epochs)
        for part in batch.minibatches(phase.minibatch, run.rng)
    ]
    policy_loss, critics, spread, kl, clipped = np.mean(figures, axis=0).tolist()
    return UpdateFigures(
        update=run.update + 1,
        phase="warm_up" if warming else "ppo",
        gain_usd=batch.gain_usd,
        cost_usd=batch.cost_usd,
        multiplier=batch.multiplier,
        entropy=spread,
        kl=kl,
        clip_share=clipped,
        policy_loss=policy_loss,
        critic_loss=critics,
        learning_rate=rate,
    )


def _gradient_step(
    run: TrainingState, part: DecisionBatch, spec: PolicySpec, *, warming: bool, bonus: float
) -> tuple[float, ...]:
    """Learn from one minibatch; return policy loss, critic loss, entropy, KL and clip share."""
    corrections = run.model.corrections(part.inputs)
    log_probabilities = torch.log_softmax(part.base + corrections, dim=1)
    spread = (entropy(log_probabilities) * part.weight).sum() / part.weight.sum()
    ppo = clipped_loss(
        log_probabilities.gather(1, part.action[:, None])[:, 0],
        part.log_probability,
        part.advantage,
        part.weight,
        spec.ppo.clip,
    )
    size = (corrections.square().mean(dim=1) * part.weight).sum() / part.weight.sum()
    policy_loss = ppo.loss - bonus * spread + spec.ppo.correction_weight * size
    values = run.model.values(part.inputs, part.context)
    critics = critic_loss(values, part.target, part.weight)
    phase: OptimiserSpec = spec.warm_up if warming else spec.ppo
    run.optimiser.zero_grad(set_to_none=True)
    loss = spec.ppo.value_weight * critics
    if not warming:
        loss = loss + policy_loss
    torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_(run.model.actor.parameters(), phase.max_grad_norm)
    nn.utils.clip_grad_norm_(run.model.critics.parameters(), phase.max_grad_norm)
    run.optimiser.step()
    return (policy_loss.item(), critics.item(), spread.item(), ppo.kl.item(), ppo.clip_share.item())


def _adam(model: ActorCritic, phase: OptimiserSpec) -> torch.optim.Adam:
    return torch.optim.Adam(model.parameters(), lr=phase.learning_rate, eps=_ADAM_EPSILON)
