"""Trains a reward model from preference pairs, measures it and writes its directory."""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from churnsaver_assets.common.progress import Progress
from churnsaver_assets.experiments.text_spec import HardwareSpec, LoraSpec, RewardModelSpec
from churnsaver_assets.text.model.loading import load_model, load_tokenizer
from churnsaver_assets.text.records import PreferencePair
from churnsaver_assets.text.reward.baselines import length_slope
from churnsaver_assets.text.reward.evaluation import SourceFigures, evaluate, fit_baselines
from churnsaver_assets.text.reward.features import Features, extract
from churnsaver_assets.text.reward.fitting import FittedProbe, fit
from churnsaver_assets.text.reward.lora import train_lora
from churnsaver_assets.text.reward.model import (
    ADAPTER_FOLDER,
    RewardCard,
    RewardModel,
    base_model_sha256,
    reward_sha256,
    write_card,
    write_probe,
)
from churnsaver_assets.text.reward.pairs import Pairs, check_apart, draw, encode_pairs
from churnsaver_assets.text.reward.report import LengthControl, RewardReport
from churnsaver_assets.text.reward.sequences import Encoded, truncation
from churnsaver_assets.text.tuning.training import first_process, from_first
from churnsaver_serving.runtime.arrays import Floats


def train_reward_model(  # noqa: PLR0917 - as the other trainings of models take them
    base_model: Path,
    pairs: Sequence[PreferencePair],
    held_out: Sequence[PreferencePair],
    spec: RewardModelSpec,
    lora: LoraSpec,
    hardware: HardwareSpec,
    seed: int,
    *,
    target: Path,
    checkpoints: Path,
    progress: Progress,
    length_controlled: bool = False,
    curve_pairs: int = 200,
    batch_rows: int = 16,
    chunk: int = 512,
) -> RewardReport:
    """Fit the probe, train LoRA from it if `spec.kind` says so, measure both, write the directory.

    Goes on where a killed run was: features are cached by chunk, LoRA has its checkpoints. Under
    `accelerate launch` every process calls this; LoRA's batch is shared out, rank 0 does the rest,
    all return the report.

    Args:
        base_model: a model directory.
        pairs: to train on; `spec.pairs` are drawn.
        held_out: of other prompts; `spec.evaluated_pairs` of each source are drawn.
        spec: settings of the reward model.
        lora: settings of the adapters.
        hardware: what to run on.
        seed: of draws, folds, adapters, batches and bootstrap.
        target: directory to write; replaced whole when all is done.
        checkpoints: folder of this training alone.
        progress: told of features, steps and scores, each with its own total.
        length_controlled: take the reply's length out of the scores, for a judge. The slope is that
            of held-out pairs whichever reply was preferred, so it sees no label.
        curve_pairs: most held-out pairs of LoRA's learning curve.
        batch_rows: rows in one forward pass of scoring.
        chunk: rows of features that a kill can lose.

    Raises:
        ValueError: no pairs, a prompt on both sides, fewer than two prompts in a source, or replies
            that the features can't tell apart.
        CheckpointError: the checkpoints are of another training.
        HardwareError: as of `prepare` and `load_for_training`.
    """
    check_apart(pairs, held_out)
    laps, first = _Laps(), first_process()
    tokenizer = load_tokenizer(base_model)
    base_sha256 = base_model_sha256(base_model)
    train = encode_pairs(tokenizer, draw(pairs, most=spec.pairs, seed=seed), spec.max_tokens)
    drawn = draw(held_out, most=spec.evaluated_pairs, seed=seed, of_each_source=True)
    test = encode_pairs(tokenizer, drawn, spec.max_tokens)

    def fitted_probe() -> tuple[FittedProbe, float | None]:
        features = _features(
            base_model,
            train.rows + test.rows,
            hardware,
            pad_id=int(tokenizer.pad_token_id or 0),
            batch_rows=batch_rows,
            chunk=chunk,
            cache=checkpoints / "features",
            base_sha256=base_sha256,
            progress=progress,
        )
        laps.end("features")
        fitted = fit(features, train, test, spec.ridge, seed=seed)
        laps.end("probe")
        return fitted, features.per_second

    fitted, features_per_second = from_first(fitted_probe() if first else None)
    card = RewardCard(
        kind=spec.kind,
        pooling=fitted.choice.best.pooling,
        max_tokens=spec.max_tokens,
        base_sha256=base_sha256,
        seed=seed,
        length_control=None,
        figures={},
    )
    folder = target.with_name(f".{target.name}.partial")
    if first:
        _start(folder, card, fitted)
    curves, gaps = None, fitted.gaps
    if spec.kind == "lora":
        curves = train_lora(
            base_model,
            train,
            watched=test.take(np.arange(min(curve_pairs, len(test)))),
            probe=fitted.probe,
            pooling=card.pooling,
            tokenizer=tokenizer,
            spec=spec,
            lora=lora,
            hardware=hardware,
            seed=seed,
            base_sha256=base_sha256,
            batch_rows=batch_rows,
            adapter=folder / ADAPTER_FOLDER,
            checkpoints=checkpoints / "lora",
            progress=progress,
        )
        laps.end("lora")
    if not first:
        return from_first(None)
    if spec.kind == "lora":
        model = RewardModel.load(folder, base_model, hardware)
        gaps = _gaps(model.score_rows(test.rows, batch_rows=batch_rows, progress=progress))
    control = _length_control(test, gaps) if length_controlled else None
    figures, probe_figures = _figures(
        train, test, fitted, gaps, control=control, kind=spec.kind, seed=seed
    )
    card = msgspec.structs.replace(card, length_control=control, figures=figures)
    _finish(folder, card, target)
    laps.end("evaluation")
    report = RewardReport(
        kind=spec.kind,
        sha256=reward_sha256(target, card),
        base_sha256=base_sha256,
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


def _features(
    base_model: Path,
    rows: Sequence[Encoded],
    hardware: HardwareSpec,
    *,
    pad_id: int,
    batch_rows: int,
    chunk: int,
    cache: Path,
    base_sha256: str,
    progress: Progress,
) -> Features:
    model = load_model(base_model, hardware, dtype=hardware.frozen_dtype)
    return extract(
        model.base_model,
        rows,
        pad_id=pad_id,
        batch_rows=batch_rows,
        chunk=chunk,
        cache=cache,
        base_sha256=base_sha256,
        progress=progress,
    )


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
    """Figures of what is handed on, and of the probe."""
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
    return LengthControl(length_slope(gaps, test.token_differences), float(np.mean(tokens)))


def _gaps(scores: Floats) -> Floats:
    """Chosen less rejected, from scores of `Pairs.rows`."""
    chosen, rejected = np.split(scores, 2)
    return np.asarray(chosen - rejected)


def _start(folder: Path, card: RewardCard, fitted: FittedProbe) -> None:
    """What LoRA's evaluation loads, where nobody takes it for a finished model."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_probe(folder, fitted.probe)
    write_card(folder, card)


def _finish(folder: Path, card: RewardCard, target: Path) -> None:
    write_card(folder, card)
    shutil.rmtree(target, ignore_errors=True)
    folder.replace(target)


class _Laps:
    """Seconds of each stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._began = time.perf_counter()

    def end(self, stage: str) -> None:
        """The stage ends, the next begins."""
        now = time.perf_counter()
        self.seconds[stage], self._began = now - self._began, now
