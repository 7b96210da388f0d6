"""The evaluation, whole: every policy under every budget, capacity and scenario."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from churnsaver_assets.decision.evaluation.assemble import (
    ablation_result,
    budget_result,
    misspecified_result,
    scenario_result,
)
from churnsaver_assets.decision.evaluation.evaluated_policies import EvaluatedPolicy, PacedPolicy
from churnsaver_assets.decision.evaluation.gains import GainAndCost
from churnsaver_assets.decision.evaluation.results import (
    AblationResult,
    BudgetResult,
    Misspecified,
    MisspecifiedResult,
    PolicyEvaluation,
    ScenarioResult,
)
from churnsaver_assets.decision.evaluation.scenarios import true_world, without
from churnsaver_assets.decision.evaluation.trials import (
    Conditions,
    Trial,
    UpperBound,
    run_trial,
)
from churnsaver_assets.decision.evaluation.upper_bounds import upper_bound_under
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_assets.experiments.evaluation_spec import (
    NOMINAL,
    AblationSpec,
    EvaluationSpec,
    Part,
)
from churnsaver_serving.runtime.manifest import DataLabel


@dataclass(frozen=True, slots=True)
class Job:
    """One policy under one set of conditions.

    Attributes:
        policy: The policy that plays.
        conditions: Conditions that it plays in.
    """

    policy: EvaluatedPolicy
    conditions: Conditions


def run_job(job: Job) -> Trial:
    """Play the policy under the job's conditions."""
    return run_trial(job.policy, job.conditions)


MapJobs = Callable[[Callable[[Job], Trial], Iterable[Job]], Iterable[Trial]]


@dataclass(frozen=True, slots=True)
class Execution:
    """The way an evaluation's jobs run.

    Attributes:
        map_jobs: Runs jobs in order: the built-in `map`, or a process pool's.
        progress: Called with a line that says what is being played.
    """

    map_jobs: MapJobs = map
    progress: Callable[[str], None] = lambda _: None


_IN_PROCESS = Execution()


def evaluate(
    policies: Sequence[EvaluatedPolicy],
    setting: Setting,
    spec: EvaluationSpec,
    *,
    unconstrained_spend: float,
    data: DataLabel,
    seed: int,
    ablated: Mapping[Part, EvaluatedPolicy] | None = None,
    execution: Execution = _IN_PROCESS,
) -> PolicyEvaluation:
    """Play every policy under every set of conditions, on the same luck.

    Args:
        policies: The policies; names must be distinct.
        setting: Held-out customers, rules, days and the nominal world.
        spec: Budgets, capacity, scenarios and ablations.
        unconstrained_spend: Spend that budgets are shares of, USD per customer.
        data: Whether the customers are real or a sample.
        seed: Seed for the luck, the same for every policy.
        ablated: The learned policy without a part, for each part that `spec.ablations` names.
        execution: The way that jobs run; in this process, silently, where left out.

    Raises:
        ValueError: Two policies of one name, or a policy that the spec names is missing.
    """
    by_name = {policy.name: policy for policy in policies}
    variants = ablated or {}
    needed = {spec.learned, spec.reference, *spec.goals.seed_baselines, *spec.pacing_compared}
    if len(by_name) != len(policies):
        raise ValueError(f"policies: names must be distinct, got {[one.name for one in policies]}")
    if missing := sorted(needed - set(by_name)):
        raise ValueError(f"policies: missing {missing}, got {sorted(by_name)}")
    if lacking := sorted({one.part for one in spec.ablations} - set(variants)):
        raise ValueError(f"ablated: missing {lacking}, got {sorted(variants)}")
    whole = _Evaluation(
        policies=by_name,
        setting=setting,
        spec=spec,
        unconstrained_spend=unconstrained_spend,
        seed=seed,
        execution=execution,
    )
    budgets, capacity = whole.budgets()
    stress, misspecified = whole.scenarios()
    starting = setting.cohort.monthly_charge_usd * setting.nominal.horizon_months
    nominal = whole.conditions(NOMINAL, spec.budget_shares[0])
    return PolicyEvaluation(
        simulated=True,
        data=data,
        horizon_months=setting.nominal.horizon_months,
        period_days=setting.calendar.days,
        start_on=spec.start_on.isoformat(),
        customers=len(setting.cohort),
        replicates=spec.replicates,
        seed=seed,
        unconstrained_spend=unconstrained_spend,
        nothing_nrr=float(nominal.nothing_usd().sum() / starting.sum()),
        roles={policy.name: policy.role for policy in policies},
        budgets=budgets,
        capacity=capacity,
        stress=stress,
        misspecified=Misspecified(reference=spec.reference, worlds=misspecified),
        ablations={
            ablation.part: whole.ablation(ablation, variants[ablation.part])
            for ablation in spec.ablations
        },
    )


@dataclass(frozen=True, slots=True)
class _Evaluation:
    """An evaluation under way; attributes as `evaluate`'s arguments."""

    policies: Mapping[str, EvaluatedPolicy]
    setting: Setting
    spec: EvaluationSpec
    unconstrained_spend: float
    seed: int
    execution: Execution

    def conditions(
        self, scenario: str, share: float, daily_capacity: int | None = None
    ) -> Conditions:
        """Return the conditions of one scenario and budget."""
        spec = self.spec
        planned = share * self.unconstrained_spend
        found = spec.scenario(scenario)
        return Conditions(
            setting=self.setting,
            world=true_world(found, self.setting.nominal),
            planned_usd=planned,
            budget_usd=planned * (1.0 if found is None else found.budget_scale),
            daily_capacity=daily_capacity,
            replicates=spec.replicates,
            seed=self.seed,
        )

    def budgets(self) -> tuple[tuple[BudgetResult, ...], BudgetResult]:
        """Evaluate every budget in the nominal world, and the one with a daily capacity."""
        spec = self.spec
        played: dict[float, tuple[dict[str, Trial], Conditions, UpperBound]] = {}
        for share in spec.budget_shares:
            self.execution.progress(f"budget of {share:.0%} of the unconstrained spend")
            conditions = self.conditions(NOMINAL, share)
            trials = self._play(conditions)
            played[share] = trials, conditions, upper_bound_under(conditions)
        curve = [
            GainAndCost.of(trials[spec.learned], bound) for trials, _, bound in played.values()
        ]
        baselines = [one.name for one in self.policies.values() if one.role == "baseline"]
        results = tuple(
            budget_result(share, *found, baselines=baselines, curve=curve, spec=spec)
            for share, found in played.items()
        )
        return results, self._under_capacity(baselines)

    def _under_capacity(self, baselines: Sequence[str]) -> BudgetResult:
        """Evaluate the budget with a daily capacity."""
        spec = self.spec
        share = spec.capacity.budget_share
        contacts = max(round(spec.capacity.daily_contacts * len(self.setting.cohort)), 1)
        self.execution.progress(f"budget of {share:.0%}, at most {contacts} contacts a day")
        conditions = self.conditions(NOMINAL, share, contacts)
        bound = upper_bound_under(conditions)
        trials = self._play(conditions)
        curve = [GainAndCost.of(trials[spec.learned], bound)]
        for less in sorted((one for one in spec.budget_shares if one < share), reverse=True):
            lower = self.conditions(NOMINAL, less, contacts)
            trial = run_trial(self.policies[spec.learned], lower)
            curve.insert(0, GainAndCost.of(trial, upper_bound_under(lower)))
        return budget_result(
            share, trials, conditions, bound, baselines=baselines, curve=curve, spec=spec
        )

    def scenarios(self) -> tuple[tuple[ScenarioResult, ...], tuple[MisspecifiedResult, ...]]:
        """Evaluate every scenario under every budget that scenarios are played at."""
        spec = self.spec
        stress, misspecified = [], []
        for scenario in spec.scenarios:
            self.execution.progress(f"scenario: {scenario.says}")
            for share in spec.scenario_shares:
                conditions = self.conditions(scenario.name, share)
                bound = upper_bound_under(conditions)
                trials = self._play(conditions)
                stress.append(scenario_result(share, scenario, trials, conditions, bound))
                if not scenario.misspecified:
                    continue
                misspecified.append(
                    misspecified_result(
                        share,
                        scenario,
                        trials,
                        self._unpaced(conditions),
                        bound,
                        reference=spec.reference,
                    )
                )
        return tuple(stress), tuple(misspecified)

    def ablation(self, ablation: AblationSpec, variant: EvaluatedPolicy) -> AblationResult:
        """Evaluate the learned policy with one part taken away."""
        self.execution.progress(f"ablation: without {ablation.part.replace('_', ' ')}")
        conditions = self.conditions(ablation.scenario, ablation.budget_share)
        blind = replace(conditions, setting=without(ablation.part, self.setting))
        whole, ablated = self.execution.map_jobs(
            run_job,
            [Job(self.policies[self.spec.learned], conditions), Job(variant, blind)],
        )
        return ablation_result(ablation, whole, ablated, upper_bound_under(conditions))

    def _play(self, conditions: Conditions) -> dict[str, Trial]:
        jobs = [Job(one, conditions) for one in self.policies.values()]
        return {trial.policy: trial for trial in self.execution.map_jobs(run_job, jobs)}

    def _unpaced(self, conditions: Conditions) -> dict[str, Trial]:
        """Play policies without pacing; return trials by the name of the policy with it."""
        jobs = []
        for name in self.spec.pacing_compared:
            policy = self.policies[name]
            if not isinstance(policy, PacedPolicy):
                raise TypeError(f"pacing_compared: {name} has no pacing to be played without")
            jobs.append(Job(policy.unpaced(), conditions))
        played = self.execution.map_jobs(run_job, jobs)
        return dict(zip(self.spec.pacing_compared, played, strict=True))
