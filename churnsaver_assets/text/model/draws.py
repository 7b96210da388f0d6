"""Many completions drawn from one model directory, kept on disk as they come."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from churnsaver_assets.common.progress import Progress
from churnsaver_assets.common.resume import ChunkStore, Row
from churnsaver_assets.experiments.text_spec import HardwareSpec, SamplingSpec
from churnsaver_assets.text.model.generation import generate
from churnsaver_assets.text.model.loading import directory_sha256, load_model, load_tokenizer
from churnsaver_assets.text.records import Completion

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def draw_completions(
    model_dir: Path,
    prompts: Sequence[str],
    sampling: SamplingSpec,
    hardware: HardwareSpec,
    *,
    seed: int,
    chunk: int,
    checkpoints: Path,
    progress: Progress | None = None,
) -> list[Completion]:
    """One completion of each prompt; a killed run goes on at the chunk it was in.

    A finished run started again reads the chunks and loads no model.

    Args:
        model_dir: of the model; generation is in bf16 where the hardware settings say so.
        prompts: chat-formatted.
        sampling: temperature, longest completion, batch.
        hardware: to run on.
        seed: each chunk has its own, derived from this one.
        chunk: prompts between checkpoints.
        checkpoints: folder of the chunks; those of another model, prompts or settings are removed.
        progress: called after each batch.
    """
    digest = hashlib.sha256("\x00".join(prompts).encode()).hexdigest()
    store = ChunkStore(
        checkpoints,
        {
            "model": directory_sha256(model_dir),
            "prompts": digest,
            "sampling": sampling.model_dump(mode="json"),
            "bf16": hardware.bf16,
            "device": hardware.device,
            "seed": seed,
            "chunk": chunk,
        },
    )
    tokenizer = load_tokenizer(model_dir)
    loaded: list[PreTrainedModel] = []

    def draw(index: int, positions: range) -> list[Row]:
        if not loaded:
            loaded.append(load_model(model_dir, hardware, dtype=hardware.frozen_dtype))

        def told(done: int, _: int, line: str) -> None:
            if progress is not None:
                progress(positions.start + done, len(prompts), line)

        completions = generate(
            loaded[0],
            tokenizer,
            [prompts[position] for position in positions],
            sampling=sampling,
            seed=int(np.random.SeedSequence([seed, index]).generate_state(1)[0]),
            progress=told,
        )
        return [
            {"text": one.text, "tokens": one.tokens, "finished": one.finished}
            for one in completions
        ]

    return [Completion(**row) for row in store.collect(len(prompts), chunk, draw)]
