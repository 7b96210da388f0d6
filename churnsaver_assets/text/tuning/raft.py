"""Rounds of sampling, filtering and fine-tuning (RAFT, Dong et al. 2023, algorithm 1)."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pandas as pd

from churnsaver_assets.common.progress import Progress
from churnsaver_assets.experiments.text_spec import (
    HardwareSpec,
    LoraSpec,
    RejectionSpec,
    SamplingSpec,
)
from churnsaver_assets.text.records import Demonstration
from churnsaver_assets.text.tuning.rejection import draw_samples, pass_rates, select
from churnsaver_assets.text.tuning.sft import FineTuneReport, fine_tune
from churnsaver_serving.runtime.context import MessageContext

if TYPE_CHECKING:
    from churnsaver_serving.runtime.shield.shield import Shield


_LEAST_HELD_OUT = 2


class RaftRound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One round.

    Attributes:
        with_example: whether an example stood in the prompt.
        sampled: messages drawn.
        rates: share that passed, was copied, and broke each rule.
        learnt_from: messages that the fine-tuning was given, of this and all earlier rounds.
        fine_tuning: its report; the loss is over the messages that passed.
    """

    with_example: bool
    sampled: int
    rates: dict[str, float]
    learnt_from: int
    fine_tuning: FineTuneReport


class RaftReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All rounds, in order."""

    rounds: tuple[RaftRound, ...]


def raft(  # noqa: PLR0917 - in the order of all the trainings
    model_dir: Path,
    contexts: Mapping[str, MessageContext],
    spec: RejectionSpec,
    lora: LoraSpec,
    sampling: SamplingSpec,
    hardware: HardwareSpec,
    *,
    seed: int,
    shield: "Shield",
    target: Path,
    checkpoints: Path,
    progress: Progress,
) -> tuple[RaftReport, pd.DataFrame]:
    """Fine-tunes on own samples that pass, in rounds.

    Each round samples from the model of the one before and fine-tunes it further, on what has
    passed in all rounds so far: the last round's alone would narrow what is written.

    Args:
        model_dir: the starting model.
        contexts: of training prompts, by id.
        spec: rounds, samples, fine-tuning.
        lora: adapters.
        sampling: longest body and batch.
        hardware: to run on.
        seed: of draws and fine-tunings; each round has its own.
        shield: the one that serves.
        target: where the last round's model goes.
        checkpoints: folder of unfinished work; finished rounds are not run again.
        progress: called now and then.

    Returns:
        The report, and every sample of every round with its `round`.

    Raises:
        TooFewPassing: a round left too little to learn from.
    """
    rounds: list[RaftRound] = []
    samples: list[pd.DataFrame] = []
    model = model_dir
    for number in range(spec.rounds):
        folder = checkpoints / f"round-{number}"
        drawn = draw_samples(
            model,
            contexts,
            spec,
            sampling,
            hardware,
            seed=seed + number,
            shield=shield,
            first_round=number == 0,
            checkpoints=folder / "samples",
            progress=progress,
        ).assign(round=number)
        samples.append(drawn)
        chosen = select(pd.concat(samples, ignore_index=True), least_passing=spec.least_passing)
        train, held_out = _sides(chosen, spec.fine_tune.evaluated_rows)
        report = _learn(
            model,
            train,
            held_out,
            spec,
            lora,
            hardware,
            seed + number,
            folder / "model",
            progress,
        )
        model = folder / "model"
        rounds.append(
            RaftRound(
                with_example=number == 0,
                sampled=len(drawn),
                rates=pass_rates(drawn),
                learnt_from=len(train),
                fine_tuning=report,
            )
        )
    shutil.copytree(model, target, dirs_exist_ok=True)
    return RaftReport(tuple(rounds)), pd.concat(samples, ignore_index=True)


def _learn(  # noqa: PLR0917
    model_dir: Path,
    train: list[Demonstration],
    held_out: list[Demonstration],
    spec: RejectionSpec,
    lora: LoraSpec,
    hardware: HardwareSpec,
    seed: int,
    target: Path,
    progress: Progress,
) -> FineTuneReport:
    """Fine-tune, unless that was done before the run was cut."""
    done = target.with_name("fine-tuning.json")
    if done.exists() and (target / "config.json").exists():
        return msgspec.json.decode(done.read_bytes(), type=FineTuneReport)
    report = fine_tune(
        model_dir,
        train,
        held_out,
        spec.fine_tune,
        lora,
        hardware,
        seed,
        target=target,
        checkpoints=target.with_name("fine-tuning"),
        progress=progress,
    )
    draft = done.with_suffix(".draft")
    draft.write_bytes(msgspec.json.encode(report))
    draft.replace(done)
    return report


def _sides(
    chosen: list[Demonstration], held_out: int
) -> tuple[list[Demonstration], list[Demonstration]]:
    """Every k-th message is kept aside for the perplexity: at most a fifth, at least two."""
    aside = max(min(held_out, len(chosen) // 5), _LEAST_HELD_OUT)
    step = max(len(chosen) // aside, 1)
    places = set(range(0, step * aside, step))
    return (
        [row for place, row in enumerate(chosen) if place not in places],
        [row for place, row in enumerate(chosen) if place in places],
    )
