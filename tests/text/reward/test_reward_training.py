from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from churnsaver_assets.common.checkpoint_file import CheckpointError
from churnsaver_assets.common.progress import Progress
from churnsaver_assets.experiments.text_spec import HardwareSpec, RewardModelSpec
from churnsaver_assets.text.model.loading import load_model, load_tokenizer, save_model
from churnsaver_assets.text.records import PreferencePair
from churnsaver_assets.text.reward.model import RewardModel, RewardModelError
from churnsaver_assets.text.reward.plots import learning_curves_png
from churnsaver_assets.text.reward.report import RewardReport
from churnsaver_assets.text.reward.training import train_reward_model
from churnsaver_assets.text.run import Run
from tests.support.text.reward import (
    HARDWARE,
    LORA,
    names_in,
    preferences,
    reward_spec,
    swapped,
)

TRAIN = preferences(60)
HELD_OUT = preferences(30, seed=43, first=1000) + preferences(
    10, seed=44, first=1000, source="other"
)
# Such a ridge penalty leaves a probe with the right direction and next to no size.
LORA_SPEC = reward_spec(kind="lora", ridge=(12_000.0,), learning_rate=5e-3)


def train_in(
    tiny_model: Path,
    folder: Path,
    *,
    pairs: list[PreferencePair] = TRAIN,
    held_out: list[PreferencePair] = HELD_OUT,
    spec: RewardModelSpec,
    hardware: HardwareSpec = HARDWARE,
    progress: Progress | None = None,
    length_controlled: bool = False,
) -> RewardReport:
    return train_reward_model(
        tiny_model,
        pairs,
        held_out,
        spec,
        LORA,
        run=Run(hardware, 42, folder / "checkpoints", progress),
        target=folder / "reward_model",
        length_controlled=length_controlled,
    )


@pytest.fixture(scope="module")
def probe_folder(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("probe")
    train_in(tiny_model, folder, spec=reward_spec())
    return folder / "reward_model"


@pytest.fixture(scope="module")
def lora_run(
    tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[RewardReport, Path]:
    folder = tmp_path_factory.mktemp("lora")
    report = train_in(tiny_model, folder, spec=LORA_SPEC)
    return report, folder / "reward_model"


def rewards(directory: Path, base: Path, pairs: list[PreferencePair]) -> np.ndarray:
    model = RewardModel.load(directory, base, HARDWARE)
    prompts = [pair.prompt for pair in pairs]
    chosen = model.score(prompts, [pair.chosen for pair in pairs])
    return chosen - model.score(prompts, [pair.rejected for pair in pairs])


def test_probe_and_lora_learn_what_can_be_learnt(lora_run: tuple[RewardReport, Path]) -> None:
    report, _ = lora_run
    assert set(report.probe) == {"manners", "other", "all"}
    assert report.probe["all"].auc > 0.95
    assert report.lora is not None
    assert report.lora["all"].auc > 0.95
    assert report.lora["all"].accuracy.low > report.lora["all"].length_only_interval.high
    assert report.training_pairs == {"manners": 120}
    assert [point.share for point in report.size_curve] == [0.1, 0.25, 0.5, 1.0]
    assert report.size_curve[-1].pairs == 120


def test_lora_starts_at_the_probe_and_goes_on(lora_run: tuple[RewardReport, Path]) -> None:
    report, directory = lora_run
    assert report.curves is not None
    points = report.curves.held_out
    assert [point.step for point in points] == [0, 4, 8, 12]
    assert points[0].accuracy == pytest.approx(report.probe["all"].accuracy.mean)
    assert points[0].loss > 0.6
    assert points[-1].loss < 0.8 * points[0].loss
    adapters = load_file(directory / "adapter" / "adapter_model.safetensors")
    assert all(np.any(tensor) for tensor in adapters.values())  # lora_B begins at 0
    assert [step.step for step in report.curves.train] == list(range(1, 13))


def test_directory_has_open_files_only(
    probe_folder: Path, lora_run: tuple[RewardReport, Path]
) -> None:
    assert names_in(probe_folder) == {"reward.json", "probe.safetensors"}
    assert names_in(lora_run[1]) == {
        "reward.json",
        "probe.safetensors",
        "adapter/adapter_config.json",
        "adapter/adapter_model.safetensors",
    }
    assert str(probe_folder.parent) not in (lora_run[1] / "adapter/adapter_config.json").read_text()


def test_scores_come_back_after_reload(
    probe_folder: Path, lora_run: tuple[RewardReport, Path], tiny_model: Path
) -> None:
    for directory in (probe_folder, lora_run[1]):
        first = rewards(directory, tiny_model, HELD_OUT)
        np.testing.assert_array_equal(first, rewards(directory, tiny_model, HELD_OUT))
        card = RewardModel.load(directory, tiny_model, HARDWARE).card
        assert card.figures["all"].accuracy.mean == np.mean(first > 0)
    sha256 = RewardModel.load(probe_folder, tiny_model, HARDWARE).sha256
    (probe_folder / "report.json").write_text("{}")  # as the stages leave it
    assert RewardModel.load(probe_folder, tiny_model, HARDWARE).sha256 == sha256
    (probe_folder / "report.json").unlink()
    assert lora_run[0].sha256 == RewardModel.load(lora_run[1], tiny_model, HARDWARE).sha256


def test_scores_are_in_the_callers_order(probe_folder: Path, tiny_model: Path) -> None:
    model = RewardModel.load(probe_folder, tiny_model, HARDWARE)
    prompts = [pair.prompt for pair in HELD_OUT]
    replies = [pair.chosen for pair in HELD_OUT]
    ahead = model.score(prompts, replies, batch_rows=7)
    back = model.score(prompts[::-1], replies[::-1], batch_rows=5)[::-1]
    np.testing.assert_allclose(ahead, back, atol=1e-4)
    assert model.score([], []).shape == (0,)
    with pytest.raises(ValueError, match="one reply for each prompt"):
        model.score(prompts, replies[:-1])


def test_value_direction_is_the_head_on_hidden_states(
    lora_run: tuple[RewardReport, Path], probe_folder: Path, tiny_model: Path
) -> None:
    import torch

    model = RewardModel.load(probe_folder, tiny_model, HARDWARE)
    weight, bias = model.value_direction()
    backbone = load_model(tiny_model, HARDWARE, dtype="float32").base_model
    tokenizer = load_tokenizer(tiny_model)
    prompt, reply = HELD_OUT[0].prompt, HELD_OUT[0].chosen
    head = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    ids = head + tokenizer(reply + "<|im_end|>", add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        states = backbone(torch.tensor([ids])).last_hidden_state[0].double().numpy()
    kept = {
        "reply": states[len(head) :],
        "sequence": states,
        "last": states[-1:],
    }[model.card.pooling]
    expected = kept.mean(axis=0) @ weight + bias
    assert model.score([prompt], [reply])[0] == pytest.approx(expected, abs=1e-4)
    tuned, _ = RewardModel.load(lora_run[1], tiny_model, HARDWARE).value_direction()
    assert not np.array_equal(tuned, weight)


def test_other_base_model_is_refused(probe_folder: Path, tiny_model: Path, tmp_path: Path) -> None:
    import torch

    other = load_model(tiny_model, HARDWARE, dtype="float32")
    with torch.no_grad():
        other.lm_head.weight[0, 0] += 1.0
    save_model(other, load_tokenizer(tiny_model), tmp_path / "other")
    with pytest.raises(RewardModelError, match="was trained on the base model"):
        RewardModel.load(probe_folder, tmp_path / "other", HARDWARE)
    with pytest.raises(RewardModelError, match=r"has no reward\.json"):
        RewardModel.load(tmp_path, tiny_model, HARDWARE)


def test_swapped_labels_mirror_the_probe(
    probe_folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    report = train_in(
        tiny_model, tmp_path, pairs=swapped(TRAIN), spec=reward_spec(), length_controlled=False
    )
    mirrored = load_file(tmp_path / "reward_model" / "probe.safetensors")["weight"]
    weight = load_file(probe_folder / "probe.safetensors")["weight"]
    np.testing.assert_allclose(mirrored, -weight, rtol=1e-3, atol=1e-4 * np.abs(weight).max())
    right = np.mean(rewards(probe_folder, tiny_model, HELD_OUT) > 0)
    assert report.probe["all"].ties == 0
    assert report.probe["all"].accuracy.mean == pytest.approx(1 - right)


class Killed(Exception):
    pass


def test_killed_lora_goes_on_from_its_checkpoint(
    lora_run: tuple[RewardReport, Path], tiny_model: Path, tmp_path: Path
) -> None:
    def kill(done: int, total: int, line: str) -> None:
        if line.startswith("loss") and done == 10:
            raise Killed

    spec = LORA_SPEC
    with pytest.raises(Killed):
        train_in(tiny_model, tmp_path, spec=spec, progress=kill)
    broken = tmp_path / "checkpoints" / "lora" / "checkpoint-9"
    broken.mkdir()  # killed while it was written
    (broken / "trainer_state.json").write_text("{}")
    whole, directory = lora_run
    report = train_in(tiny_model, tmp_path, spec=spec)
    assert not (tmp_path / ".reward_model.partial").exists()
    assert report.features_per_second is None
    assert report.curves is not None
    assert whole.curves is not None
    assert report.curves.resumed_from == 8
    assert report.curves.held_out == whole.curves.held_out
    assert report.curves.train == whole.curves.train
    name = "adapter/adapter_model.safetensors"
    uninterrupted = load_file(directory / name)
    for key, tensor in load_file(tmp_path / "reward_model" / name).items():
        np.testing.assert_array_equal(tensor, uninterrupted[key])


def test_finished_lora_is_not_trained_on_and_not_taken_for_another(
    tiny_model: Path, tmp_path: Path
) -> None:
    spec = reward_spec(kind="lora", steps=4)
    first = train_in(tiny_model, tmp_path, spec=spec)
    again = train_in(tiny_model, tmp_path, spec=spec)
    assert again.sha256 == first.sha256
    assert again.curves is not None
    assert again.curves.resumed_from == 4
    assert again.curves.seconds_per_step is None
    with pytest.raises(CheckpointError, match="other data, settings or seed"):
        train_in(tiny_model, tmp_path, spec=reward_spec(kind="lora", steps=4, centre=0.0))


def test_judge_has_no_length_left_within_prompts(tiny_model: Path, tmp_path: Path) -> None:
    report = train_in(tiny_model, tmp_path, spec=reward_spec(), length_controlled=True)
    directory = tmp_path / "reward_model"
    control = report.length_control
    assert control is not None
    model = RewardModel.load(directory, tiny_model, HARDWARE)
    assert model.card.length_control == control
    tokenizer = load_tokenizer(tiny_model)
    lengths = np.array(
        [
            len(tokenizer(p.chosen).input_ids) - len(tokenizer(p.rejected).input_ids)
            for p in HELD_OUT
        ]
    )
    gaps = rewards(directory, tiny_model, HELD_OUT)
    raw = gaps + control.slope * lengths
    assert control.slope != 0.0
    assert abs(raw @ lengths) > 1.0
    assert gaps @ lengths == pytest.approx(0.0, abs=1e-2)
    assert report.figures["all"].accuracy.mean == np.mean(gaps > 0)


def test_straddling_prompts_and_equal_replies_are_errors(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="split the pairs by prompt_id"):
        train_in(tiny_model, tmp_path, held_out=TRAIN[:4], spec=reward_spec())
    same = [
        PreferencePair(pair.prompt_id, pair.source, pair.prompt, "We thank you.", "We thank you.")
        for pair in TRAIN[:12]
    ]
    with pytest.raises(ValueError, match="nothing to learn"):
        train_in(tiny_model, tmp_path, pairs=same, spec=reward_spec())


def test_curves_are_drawn(lora_run: tuple[RewardReport, Path]) -> None:
    picture = learning_curves_png(lora_run[0])
    assert picture.startswith(b"\x89PNG")
    assert picture == learning_curves_png(lora_run[0])


def test_bf16_moves_scores_a_little_and_ties_none(
    lora_run: tuple[RewardReport, Path], probe_folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    halved = HARDWARE.model_copy(update={"bf16": True})
    prompts, replies = [p.prompt for p in HELD_OUT], [p.chosen for p in HELD_OUT]
    for directory in (probe_folder, lora_run[1]):
        exact = RewardModel.load(directory, tiny_model, HARDWARE).score(prompts, replies)
        rough = RewardModel.load(directory, tiny_model, halved).score(prompts, replies)
        assert np.corrcoef(exact, rough)[0, 1] > 0.99
        different = len({p.chosen + p.prompt for p in HELD_OUT})
        assert len(np.unique(rough)) > 0.9 * different
    report = train_in(tiny_model, tmp_path, spec=reward_spec(kind="lora", steps=2), hardware=halved)
    assert report.figures["all"].auc > 0.95
