"""Training of a reward model on preference pairs, its figures, and its directory."""

import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from churnsaver_assets.common.atomic import new_folder
from churnsaver_assets.experiments.text_spec import LoraSpec, RewardModelSpec
from churnsaver_assets.text.records import PreferencePair
from churnsaver_assets.text.reward.evaluation import (
    SourceFigures,
    evaluate,
    fit_baselines,
    paired_length_slope,
)
from churnsaver_assets.text.reward.features import extract
from churnsaver_assets.text.reward.fitting import FittedProbe, fit
from churnsaver_assets.text.reward.lora import train_lora
from churnsaver_assets.text.reward.model import (
    ADAPTER_FOLDER,
    RewardCard,
    RewardModel,
    reward_sha256,
    write_card,
    write_probe,
)
from churnsaver_assets.text.reward.network import BaseModel
from churnsaver_assets.text.reward.pairs import Pairs, check_apart, draw, encode_pairs
from churnsaver_assets.text.reward.report import LengthControl, RewardReport
from churnsaver_assets.text.reward.sequences import truncation
from churnsaver_assets.text.run import Run
from churnsaver_assets.text.tuning.training import first_process, from_first
from churnsaver_serving.runtime.arrays import Floats

_WATCHED_PAIRS = 200  # most held-out pairs of LoRA's learning curve


def train_reward_model(
    base_model: Path,
    pairs: Sequence[PreferencePair],
    held_out: Sequence[PreferencePair],
    spec: RewardModelSpec,
    lora: LoraSpec,
    *,
    run: Run,
    target: Path,
    length_controlled: bool = False,
) -> RewardReport:
    """Fit the probe, train LoRA from it if `spec.kind` says so, measure both, write the directory.

    A killed run is gone on with: features are cached by chunk, LoRA has its checkpoints. Under
    `accelerate launch` every process calls this; LoRA's batch is shared out, rank 0 does the rest,
    all return the report.

    Args:
        base_model: A model directory.
        pairs: Pairs to train on; `spec.pairs` are drawn.
        held_out: Pairs of other prompts; `spec.evaluated_pairs` of each source are drawn.
        spec: Settings of the reward model.
        lora: Settings of the adapters.
        run: Hardware, the seed for draws, folds, adapters, batches and bootstrap, the folder of
            this training alone, and the progress of features, steps and scores, each with its own
            total.
        target: Directory to write; replaced whole when all is done.
        length_controlled: Whether to take the reply's length out of the scores, for a judge. The
            slope is that of held-out pairs whichever reply was preferred, so it sees no label.

    Raises:
        ValueError: There are no pairs, a prompt is on both sides, a source has fewer than two
            prompts, or the features can't tell replies apart.
        CheckpointError: The checkpoints are of another training.
        HardwareError: The machine lacks what the settings ask for.
    """
    check_apart(pairs, held_out)
    laps, first = _Laps(), first_process()
    base, seed = BaseModel.read(base_model), run.seed
    train = encode_pairs(base.tokenizer, draw(pairs, most=spec.pairs, seed=seed), spec.max_tokens)
    drawn = draw(held_out, most=spec.evaluated_pairs, seed=seed, of_each_source=True)
    test = encode_pairs(base.tokenizer, drawn, spec.max_tokens)

    def fitted_probe() -> tuple[FittedProbe, float | None]:
        features = extract(base, train.rows + test.rows, run.within("features"))
        laps.end("features")
        fitted = fit(features, train, test, spec.ridge, seed=seed)
        laps.end("probe")
        return fitted, features.per_second

    fitted, features_per_second = from_first(fitted_probe() if first else None)
    card = RewardCard(
        kind=spec.kind,
        pooling=fitted.choice.best.pooling,
        max_tokens=spec.max_tokens,
        base_sha256=base.sha256,
        seed=seed,
        length_control=None,
        figures={},
    )
    with new_folder(target) if first else nullcontext(target) as folder:
        if first:
            # What LoRA's evaluation loads.
            write_probe(folder, fitted.probe)
            write_card(folder, card)
        curves, gaps = None, fitted.gaps
        if spec.kind == "lora":
            curves = train_lora(
                base,
                train,
                test.take(np.arange(min(_WATCHED_PAIRS, len(test)))),
                spec,
                lora,
                run=run.within("lora"),
                start=fitted,
                adapter=folder / ADAPTER_FOLDER,
            )
            laps.end("lora")
        if not first:
            return from_first(None)
        if spec.kind == "lora":
            model = RewardModel.load(folder, base_model, run.hardware)
            gaps = _gaps(model.score_rows(test.rows, progress=run.progress))
        control = _length_control(test, gaps) if length_controlled else None
        figures, probe_figures = _figures(
            train, test, fitted, gaps, control=control, kind=spec.kind, seed=seed
        )
        card = msgspec.structs.replace(card, length_control=control, figures=figures)
        write_card(folder, card)
    laps.end("evaluation")
    report = RewardReport(
        kind=spec.kind,
        sha256=reward_sha256(target, card),
        base_sha256=base.sha256,
        seed=seed,
        training_pairs={name: len(at) for name, at in train.by_source().items()},
        truncation=truncation(train.rows + test.rows),
        best=fitted.choice.best,
        trials=fitted.choice.trials,
        probe=probe_figures,
        lora=figures if spec.kind == "lora" else None,
        size_curve=fitted.size_curve,
        curves=curves,
        length_control=control,
        seconds=laps.seconds,
        features_per_second=features_per_second,
    )
    return from_first(report)


def _figures(
    train: Pairs,
    test: Pairs,
    fitted: FittedProbe,
    gaps: Floats,
    *,
    control: LengthControl | None,
    kind: Literal["probe", "lora"],
    seed: int,
) -> tuple[dict[str, SourceFigures], dict[str, SourceFigures]]:
    """Return the figures of the model that is handed on, and of the probe."""
    baselines = fit_baselines(train, fitted.choice.margins)
    if control is not None:
        gaps = gaps - control.slope * test.token_differences
    # The weights of length and reward together are of the probe's rewards, with length left in.
    plain = kind == "probe" and control is None
    figures = evaluate(test, gaps, baselines, seed=seed, with_length=plain)
    if kind == "probe":
        return figures, figures
    return figures, evaluate(test, fitted.gaps, baselines, seed=seed, with_length=True)


def _length_control(test: Pairs, gaps: Floats) -> LengthControl:
    tokens = [row.reply_tokens for row in test.rows]
    return LengthControl(paired_length_slope(gaps, test.token_differences), float(np.mean(tokens)))


def _gaps(scores: Floats) -> Floats:
    """Return chosen less rejected, from scores of `Pairs.rows`."""
    chosen, rejected = np.split(scores, 2)
    return np.asarray(chosen - rejected)


class _Laps:
    """A clock of the stages' seconds."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._began = time.perf_counter()

    def end(self, stage: str) -> None:
        """End a stage and begin the next."""
        now = time.perf_counter()
        self.seconds[stage], self._began = now - self._began, now
