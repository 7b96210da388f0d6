"""What an episode is played in, from the environment asset and the experiment."""

from churnsaver_assets.decision.simulator.calendar import Calendar
from churnsaver_assets.decision.simulator.cohort_files import Split, read_cohort
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.experiments.spec import Experiment
from churnsaver_serving.runtime.actions import ActionSpace


def build_setting(environment: Files, experiment: Experiment, split: Split) -> Setting:
    """The customers of a split in daily review: everyone is looked at each day.

    Deciding ahead (a delay) is never better than waiting and then deciding, so nothing is lost.
    """
    world = experiment.assumptions.nominal()
    return Setting(
        cohort=read_cohort(environment, split),
        space=ActionSpace(experiment.actions.offers_pct, (0,)),
        rules=experiment.rules,
        calendar=Calendar.starting(
            experiment.evaluation.start_on, round(world.period_days), experiment.rules
        ),
        nominal=world,
    )


def training_setting(environment: Files, experiment: Experiment) -> Setting:
    """What policies are trained and tuned in."""
    return build_setting(environment, experiment, "train")


def holdout_setting(environment: Files, experiment: Experiment) -> Setting:
    """What policies are compared in."""
    return build_setting(environment, experiment, "holdout")
