"""The whole evaluation from the assets' values: variants trained, everybody played, pictures."""

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context

from churnsaver_assets.decision.evaluation.compared import ComparedPolicies, ablated, variants
from churnsaver_assets.decision.evaluation.pictures.decision_map import decision_map_png
from churnsaver_assets.decision.evaluation.pictures.plots import (
    days_png,
    gains_png,
    headroom_png,
    stress_png,
)
from churnsaver_assets.decision.evaluation.pictures.training_plots import (
    entropy_png,
    learning_curves_png,
)
from churnsaver_assets.decision.evaluation.results import PolicyEvaluation
from churnsaver_assets.decision.evaluation.run import Execution, evaluate
from churnsaver_assets.decision.evaluation.variants import (
    TrainedVariant,
    VariantTraining,
    ablation_variants,
    train_variant,
    training_variants,
)
from churnsaver_assets.decision.planning.budgets import Budgets
from churnsaver_assets.decision.ppo.curves import LearningCurves
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_assets.experiments.spec import Experiment
from churnsaver_serving.runtime.learned import LearnedPolicy
from churnsaver_serving.runtime.manifest import DataLabel

# Numerical libraries start as many threads as there are cores in every process.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class EvaluationInputs:
    """The inputs of a whole evaluation, from the values of the assets.

    Attributes:
        experiment: The experiment's settings.
        training: Training customers, rules and days.
        holdout: Held-out customers, rules and days.
        budgets: Budgets, and the spend that they are shares of.
        policy: The learned policy as it is served.
        curves: Learning curves of its training.
        baselines: The fitted baselines' files.
        data: Whether the customers are real or a sample.
    """

    experiment: Experiment
    training: Setting
    holdout: Setting
    budgets: Budgets
    policy: LearnedPolicy
    curves: LearningCurves
    baselines: Mapping[str, bytes]
    data: DataLabel


@dataclass(frozen=True, slots=True)
class WholeEvaluation:
    """The outcome of a whole evaluation.

    Attributes:
        evaluation: The figures.
        pictures: PNG by file name without its ending.
    """

    evaluation: PolicyEvaluation
    pictures: Mapping[str, bytes]


def evaluate_whole(
    inputs: EvaluationInputs, *, workers: int, progress: Progress
) -> WholeEvaluation:
    """Train the variants, play everybody under all conditions, draw.

    Args:
        inputs: The assets' values.
        workers: Number of processes.
        progress: Called with a line that says what is being done.
    """
    spec, seed = inputs.experiment.evaluation, inputs.experiment.seed
    with _pool(workers) as pool:
        progress("pacing tables of the learned policy and the planners")
        compared = _compared(inputs)
        own = pool.submit(compared.learned)
        planned = pool.submit(compared.planners, inputs.experiment.assumptions)
        trained = _train(inputs, pool, progress)
        whole = own.result()
        evaluation = evaluate(
            [whole, *variants(trained), *planned.result(), *compared.tuned_baselines()],
            inputs.holdout,
            spec,
            unconstrained_spend=inputs.budgets.unconstrained_spend,
            data=inputs.data,
            seed=seed,
            ablated=ablated(whole, trained),
            execution=Execution(pool.map, progress),
        )
    progress("pictures")
    return WholeEvaluation(evaluation, _pictures(inputs, evaluation, trained))


def _train(
    inputs: EvaluationInputs, pool: ProcessPoolExecutor, progress: Progress
) -> list[TrainedVariant]:
    experiment = inputs.experiment
    wanted = [
        *training_variants(
            experiment.policy,
            experiment.evaluation.pid,
            [bound.budget_per_customer for bound in inputs.budgets.plain],
        ),
        *ablation_variants(experiment.policy, experiment.evaluation.ablations),
    ]
    runs = [
        VariantTraining(
            one,
            inputs.training,
            experiment.assumptions,
            experiment.pacing,
            experiment.seed,
            inputs.budgets.customers,
        )
        for one in wanted
    ]
    progress(f"training of {len(runs)} variants")
    trained = []
    for done, one in enumerate(pool.map(train_variant, runs), start=1):
        trained.append(one)
        progress(f"trained {one.variant.name}, {done} of {len(runs)}")
    return trained


def _compared(inputs: EvaluationInputs) -> ComparedPolicies:
    experiment = inputs.experiment
    return ComparedPolicies(
        training=inputs.training,
        holdout=inputs.holdout,
        budgets=inputs.budgets,
        actor=inputs.policy.actor,
        learned_name=experiment.evaluation.learned,
        baselines=inputs.baselines,
        pacing=experiment.pacing,
        seed=experiment.seed,
    )


def _pictures(
    inputs: EvaluationInputs, evaluation: PolicyEvaluation, trained: list[TrainedVariant]
) -> dict[str, bytes]:
    spec, policy = inputs.experiment.evaluation, inputs.experiment.policy
    runs = {spec.learned: inputs.curves}
    for one in trained:
        if one.variant.part is None and one.variant.name != "distilled":
            budget = one.variant.budget_per_customer
            dollars = "" if budget is None else f", ${budget:.2f}"
            runs[f"{one.variant.name}{dollars}"] = one.curves
    middle = spec.scenario_shares[len(spec.scenario_shares) // 2]
    stress = {"stress": stress_png(evaluation, middle)} if evaluation.stress else {}
    return {
        "headroom": headroom_png(evaluation),
        "gains": gains_png(evaluation, spec.goals, learned=spec.learned),
        "days": days_png(evaluation, [spec.learned, spec.reference, *spec.goals.seed_baselines]),
        "decision_map": decision_map_png(
            {spec.learned: inputs.policy},
            inputs.holdout,
            [bound.multiplier for bound in inputs.budgets.plain],
        ),
        "learning_curves": learning_curves_png(
            runs, inputs.training, probed_customers=policy.probe.customers
        ),
        "entropy": entropy_png(runs),
        **stress,
    }


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Start processes with one thread each; fresh ones, because torch does not survive a fork."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            yield pool
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
