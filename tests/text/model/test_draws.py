"""Tests for churnsaver_assets.text.model.draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnsaver_assets.experiments.text_spec import HardwareSpec, SamplingSpec
from churnsaver_assets.text.model.draws import draw_completions
from churnsaver_assets.text.model.loading import load_tokenizer
from churnsaver_assets.text.prompts.requests import retention_prompts
from churnsaver_assets.text.run import Run
from churnsaver_serving.runtime.context import all_contexts

if TYPE_CHECKING:
    from pathlib import Path

SAMPLING = SamplingSpec(max_new_tokens=24, temperature=1.0, batch_rows=10)


def test_chunks_are_drawn_apart_and_another_seed_starts_anew(
    tiny_model: Path, hardware: HardwareSpec, tmp_path: Path
) -> None:
    contexts = {context.key: context for context in all_contexts((0,), ("warm",), ("sms",))}
    prompt = retention_prompts(load_tokenizer(tiny_model), contexts)[0].text

    def drawn(seed: int) -> list[str]:
        completions = draw_completions(
            tiny_model,
            [prompt] * 20,
            SAMPLING,
            Run(hardware, seed, tmp_path),
            chunk=10,
        )
        return [completion.text for completion in completions]

    first = drawn(42)
    assert first[:10] != first[10:]
    assert drawn(42) == first
    assert drawn(43) != first
    assert drawn(42) == first
