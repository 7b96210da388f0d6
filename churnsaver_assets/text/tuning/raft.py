"""Rounds of sampling, filtering and fine-tuning (RAFT, Dong et al. 2023, algorithm 1)."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pandas as pd

from churnsaver_assets.common.atomic import write_bytes
from churnsaver_assets.experiments.text_spec import LoraSpec, RejectionSpec, SamplingSpec
from churnsaver_assets.text.records import Demonstration
from churnsaver_assets.text.run import Run
from churnsaver_assets.text.tuning.rejection import draw_samples, pass_rates, select
from churnsaver_assets.text.tuning.sft import FineTuneReport, fine_tune
from churnsaver_serving.runtime.context import MessageContext

if TYPE_CHECKING:
    from churnsaver_serving.runtime.shield.shield import Shield


_LEAST_HELD_OUT = 2
_MODEL_FOLDER = "model"


class RaftRound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One round.

    Attributes:
        with_example: Whether an example stood in the prompt.
        sampled: Number of messages drawn.
        rates: Share that passed, was copied, and broke each rule.
        learnt_from: Number of messages given to the fine-tuning, of this and all earlier rounds.
        fine_tuning: Report of the fine-tuning; its loss is over the messages that passed.
    """

    with_example: bool
    sampled: int
    rates: dict[str, float]
    learnt_from: int
    fine_tuning: FineTuneReport


class RaftReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All rounds, in order."""

    rounds: tuple[RaftRound, ...]


def raft(
    model_dir: Path,
    contexts: Mapping[str, MessageContext],
    spec: RejectionSpec,
    lora: LoraSpec,
    sampling: SamplingSpec,
    *,
    run: Run,
    shield: "Shield",
    target: Path,
) -> tuple[RaftReport, pd.DataFrame]:
    """Fine-tune on own samples that pass, in rounds.

    Each round samples from the model of the one before and fine-tunes it further, on what has
    passed in all rounds so far: the last round's alone would narrow what is written.

    Args:
        model_dir: Directory of the starting model.
        contexts: Contexts of the training prompts, by id.
        spec: Rounds, samples, fine-tuning.
        lora: Size of the adapters.
        sampling: Longest body and batch.
        run: Hardware, progress, and the seed, to which each round adds its number. Rounds that are
            finished in its folder are not run again.
        shield: The rules of the server.
        target: Folder for the last round's model.

    Returns:
        The report, and every sample of every round with its `round`.

    Raises:
        TooFewPassing: A round left too little to learn from.
    """
    rounds: list[RaftRound] = []
    samples: list[pd.DataFrame] = []
    model = model_dir
    for number in range(spec.rounds):
        own = replace(run.within(f"round-{number}"), seed=run.seed + number)
        drawn = draw_samples(
            model,
            contexts,
            spec,
            sampling,
            own.within("samples"),
            shield=shield,
            first_round=number == 0,
        ).assign(round=number)
        samples.append(drawn)
        chosen = select(pd.concat(samples, ignore_index=True), least_passing=spec.least_passing)
        train, held_out = _sides(chosen, spec.fine_tune.evaluated_rows)
        report = _learn(model, train, held_out, spec, lora, run=own)
        model = own.folder / _MODEL_FOLDER
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


def _learn(
    model_dir: Path,
    train: list[Demonstration],
    held_out: list[Demonstration],
    spec: RejectionSpec,
    lora: LoraSpec,
    *,
    run: Run,
) -> FineTuneReport:
    """Fine-tune, unless that was done before the run was cut."""
    target, done = run.folder / _MODEL_FOLDER, run.folder / "fine-tuning.json"
    if done.exists() and (target / "config.json").exists():
        return msgspec.json.decode(done.read_bytes(), type=FineTuneReport)
    report = fine_tune(
        model_dir,
        train,
        held_out,
        spec.fine_tune,
        lora,
        run=run.within("fine-tuning"),
        target=target,
    )
    write_bytes(done, msgspec.json.encode(report))
    return report


def _sides(
    chosen: list[Demonstration], held_out: int
) -> tuple[list[Demonstration], list[Demonstration]]:
    """Keep every k-th message aside for the perplexity: at most a fifth, at least two."""
    aside = max(min(held_out, len(chosen) // 5), _LEAST_HELD_OUT)
    step = max(len(chosen) // aside, 1)
    places = set(range(0, step * aside, step))
    return (
        [row for place, row in enumerate(chosen) if place not in places],
        [row for place, row in enumerate(chosen) if place in places],
    )
