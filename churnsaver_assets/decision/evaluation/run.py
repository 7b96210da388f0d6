"""The evaluation, whole: every policy under every budget, capacity and scenario."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from churnsaver_assets.decision.evaluation.assemble import (
    ablation_result,
    budget_result,
    misspecified_result,
    scenario_result,
)
from churnsaver_assets.decision.evaluation.ceilings import ceiling_under
from churnsaver_assets.decision.evaluation.contenders import Contender, Paced
from churnsaver_assets.decision.evaluation.gains import Point
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
    Ceiling,
    Conditions,
    Trial,
    run_trial,
)
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
        contender: the policy.
        conditions: what it is played in.
    """

    contender: Contender
    conditions: Conditions


def run_job(job: Job) -> Trial:
    """Play it."""
    return run_trial(job.contender, job.conditions)


# How jobs are run: the built-in `map`, or a process pool's.
Each = Callable[[Callable[[Job], Trial], Iterable[Job]], Iterable[Trial]]
Progress = Callable[[str], None]


def evaluate(
    contenders: Sequence[Contender],
    setting: Setting,
    spec: EvaluationSpec,
    *,
    unconstrained_spend: float,
    data: DataLabel,
    seed: int,
    ablated: Mapping[Part, Contender] | None = None,
    each: Each = map,
    progress: Progress = lambda _: None,
) -> PolicyEvaluation:
    """Play every policy under every set of conditions, on the same luck.

    Args:
        contenders: the policies; distinct names.
        setting: held-out customers, rules, days and the nominal world.
        spec: budgets, capacity, scenarios, ablations.
        unconstrained_spend: what budgets are shares of, USD per customer.
        data: real or sample.
        seed: of the luck.
        ablated: the learned policy without a part, for each part that `spec.ablations` names.
        each: runs jobs.
        progress: told what is being played.

    Raises:
        ValueError: two contenders of one name, or a policy that the spec names is missing.
    """
    by_name = {contender.name: contender for contender in contenders}
    variants = ablated or {}
    needed = {spec.learned, spec.reference, *spec.goals.seed_baselines, *spec.pacing_compared}
    if len(by_name) != len(contenders):
        raise ValueError(f"contenders: names must be distinct, got {[c.name for c in contenders]}")
    if missing := sorted(needed - set(by_name)):
        raise ValueError(f"contenders: missing {missing}, got {sorted(by_name)}")
    if lacking := sorted({one.part for one in spec.ablations} - set(variants)):
        raise ValueError(f"ablated: missing {lacking}, got {sorted(variants)}")
    stage = _Stage(
        contenders=by_name,
        setting=setting,
        spec=spec,
        unconstrained_spend=unconstrained_spend,
        seed=seed,
        each=each,
        progress=progress,
    )
    budgets, capacity = stage.budgets()
    stress, misspecified = stage.scenarios()
    starting = setting.cohort.monthly_charge_usd * setting.nominal.horizon_months
    nominal = stage.conditions(NOMINAL, spec.budget_shares[0])
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
        roles={contender.name: contender.role for contender in contenders},
        budgets=budgets,
        capacity=capacity,
        stress=stress,
        misspecified=Misspecified(reference=spec.reference, worlds=misspecified),
        ablations={
            ablation.part: stage.ablation(ablation, variants[ablation.part])
            for ablation in spec.ablations
        },
    )


@dataclass(frozen=True, slots=True)
class _Stage:
    """Sets conditions up and has the policies play; attributes as `evaluate`'s arguments."""

    contenders: Mapping[str, Contender]
    setting: Setting
    spec: EvaluationSpec
    unconstrained_spend: float
    seed: int
    each: Each
    progress: Progress

    def conditions(
        self, scenario: str, share: float, daily_capacity: int | None = None
    ) -> Conditions:
        """Of one scenario and budget."""
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
        """Every budget in the nominal world, and the one with a daily capacity."""
        spec = self.spec
        played: dict[float, tuple[dict[str, Trial], Conditions, Ceiling]] = {}
        for share in spec.budget_shares:
            self.progress(f"budget of {share:.0%} of the unconstrained spend")
            conditions = self.conditions(NOMINAL, share)
            trials = self._play(conditions)
            played[share] = trials, conditions, ceiling_under(conditions)
        curve = [Point.of(trials[spec.learned], ceiling) for trials, _, ceiling in played.values()]
        baselines = [one.name for one in self.contenders.values() if one.role == "baseline"]
        results = tuple(
            budget_result(share, *found, baselines=baselines, curve=curve, spec=spec)
            for share, found in played.items()
        )
        return results, self._under_capacity(baselines)

    def _under_capacity(self, baselines: Sequence[str]) -> BudgetResult:
        """The budget with a daily capacity."""
        spec = self.spec
        share = spec.capacity.budget_share
        contacts = max(round(spec.capacity.daily_contacts * len(self.setting.cohort)), 1)
        self.progress(f"budget of {share:.0%}, at most {contacts} contacts a day")
        conditions = self.conditions(NOMINAL, share, contacts)
        ceiling = ceiling_under(conditions)
        trials = self._play(conditions)
        curve = [Point.of(trials[spec.learned], ceiling)]
        for less in sorted((one for one in spec.budget_shares if one < share), reverse=True):
            lower = self.conditions(NOMINAL, less, contacts)
            trial = run_trial(self.contenders[spec.learned], lower)
            curve.insert(0, Point.of(trial, ceiling_under(lower)))
        return budget_result(
            share, trials, conditions, ceiling, baselines=baselines, curve=curve, spec=spec
        )

    def scenarios(self) -> tuple[tuple[ScenarioResult, ...], tuple[MisspecifiedResult, ...]]:
        """Every scenario under every budget that scenarios are played at."""
        spec = self.spec
        stress, misspecified = [], []
        for scenario in spec.scenarios:
            self.progress(f"scenario: {scenario.says}")
            for share in spec.scenario_shares:
                conditions = self.conditions(scenario.name, share)
                ceiling = ceiling_under(conditions)
                trials = self._play(conditions)
                stress.append(scenario_result(share, scenario, trials, conditions, ceiling))
                if not scenario.misspecified:
                    continue
                misspecified.append(
                    misspecified_result(
                        share,
                        scenario,
                        trials,
                        self._unpaced(conditions),
                        ceiling,
                        reference=spec.reference,
                    )
                )
        return tuple(stress), tuple(misspecified)

    def ablation(self, ablation: AblationSpec, variant: Contender) -> AblationResult:
        """One part taken away."""
        self.progress(f"ablation: without {ablation.part.replace('_', ' ')}")
        conditions = self.conditions(ablation.scenario, ablation.budget_share)
        blind = replace(conditions, setting=without(ablation.part, self.setting))
        whole, ablated = self.each(
            run_job,
            [Job(self.contenders[self.spec.learned], conditions), Job(variant, blind)],
        )
        return ablation_result(ablation, whole, ablated, ceiling_under(conditions))

    def _play(self, conditions: Conditions) -> dict[str, Trial]:
        jobs = [Job(one, conditions) for one in self.contenders.values()]
        return {trial.policy: trial for trial in self.each(run_job, jobs)}

    def _unpaced(self, conditions: Conditions) -> dict[str, Trial]:
        """Policies without pacing, by the name of the policy with it."""
        jobs = []
        for name in self.spec.pacing_compared:
            contender = self.contenders[name]
            if not isinstance(contender, Paced):
                raise TypeError(f"pacing_compared: {name} has no pacing to be played without")
            jobs.append(Job(contender.unpaced(), conditions))
        played = self.each(run_job, jobs)
        return dict(zip(self.spec.pacing_compared, played, strict=True))
