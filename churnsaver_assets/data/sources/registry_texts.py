"""Facts about the text data sets: what each is, where its files lie, the hashes that pin them."""

from collections.abc import Mapping
from types import MappingProxyType

from churnsaver_assets.data.sources.source import File, Format, Part, Source

_HUB = "https://huggingface.co/datasets"


def _mirrored(path: str, sha256: str, layout: Format, unpacked: str | None = None) -> File:
    return File(name=path, at=path, sha256=sha256, unpacked_sha256=unpacked, format=layout)


_OASST_TREES = Part(
    part="all 10,364 trees that were ready for export, their English messages",
    kind="human",
    files=(
        File(
            name="oasst1-ready.trees.jsonl.gz",
            at=(
                f"{_HUB}/OpenAssistant/oasst1/resolve/fdf72ae0827c1cda404aff25b6603abec9e3399b/"
                "2023-04-12_oasst_ready.trees.jsonl.gz"
            ),
            sha256="2a9a8fd343e9b28e04a895a669d3253f82d93e9c174d440199ae19d5fafbdff7",
            format="oasst_trees",
        ),
    ),
    rows=(10_364, 10_364),
)
_OASST_LICENCE = "Apache-2.0"
_OASST_PAGE = f"{_HUB}/OpenAssistant/oasst1"
_OASST_CITATION = (
    "Köpf et al. (2023): OpenAssistant Conversations - democratizing large language model "
    "alignment. arXiv:2304.07327"
)

_OASST1 = Source(
    name="oasst1",
    table="sft_pairs",
    mirror=Part(
        part=(
            "PARTIAL: the English part of the validation split and an export of 100 English trees"
        ),
        kind="human",
        files=(
            _mirrored(
                "oasst1_en/oasst1_en_pairs.parquet",
                "cf68dfb75cf0a594fe245c6201e3e628933cda8db407a73426d3dd3fbe229f32",
                "oasst_pairs",
            ),
        ),
        rows=(700, 700),
    ),
    remote=_OASST_TREES,
    licence=_OASST_LICENCE,
    upstream=_OASST_PAGE,
    citation=_OASST_CITATION,
)

_OASST1_RANKS = Source(
    name="oasst1_ranks",
    table="preference_pairs",
    mirror=Part(
        part="PARTIAL: ranked siblings of the same trees as oasst1's part",
        kind="human",
        files=(
            _mirrored(
                "oasst1_en/oasst1_en_preferences.parquet",
                "c117299b5ee9238899f52b3382b89f9959aef1d89aac2d31865a1895fe191d37",
                "oasst_preferences",
            ),
        ),
        rows=(1_718, 1_718),
    ),
    remote=_OASST_TREES,
    licence=_OASST_LICENCE,
    upstream=_OASST_PAGE,
    citation=_OASST_CITATION,
)

_OASST1_INFERRED = Source(
    name="oasst1_inferred",
    table="sft_pairs",
    mirror=Part(
        part=(
            "INFERRED: messages of the English train split that a classifier took for prompt and "
            "direct reply (about 96 % are); that the reply is the best one is assumed"
        ),
        kind="inferred",
        files=(
            _mirrored(
                "oasst1_en/oasst1_en_train_pairs_INFERRED.parquet",
                "69f861fc73bc584012c399425954f7eff40e026db7e465ea99c92bc1c7e29263",
                "oasst_inferred",
            ),
        ),
        rows=(3_251, 3_251),
    ),
    licence=_OASST_LICENCE,
    upstream=_OASST_PAGE,
    citation=_OASST_CITATION,
)

_HH_BASE = f"{_HUB}/Anthropic/hh-rlhf/resolve/09be8c5bbc57cb3887f3a9732ad6aa7ec602a1fa"
_HH_TEST_SHA256 = "ebfaaed21162a4de120ae85366075b34425e2a6303fac59b99555002f7016f03"
_HH_TEST_UNPACKED = "14d765196c9f18d84f9bb3a78bac608c8f2915110ebcbd74ec95db7b7198b008"
_HH_FILES: Mapping[str, str | None] = {
    "harmless-base/train": None,
    "harmless-base/test": _HH_TEST_SHA256,
    "helpful-base/train": "518a5bf288456fc9f3b7c980c54116fba0c52f274d3f4d344675d83e4058f6f4",
    "helpful-base/test": "8be3fc1a13b27901631696f2be6f184c799f1baeaf145f53ac5db24960adc37b",
}

_HH_RLHF = Source(
    name="hh_rlhf",
    table="preference_pairs",
    mirror=Part(
        part="PARTIAL: harmless-base, test",
        kind="human",
        files=(
            _mirrored(
                "hh_rlhf/harmless-base.test.jsonl.gz", _HH_TEST_SHA256, "hh_rlhf", _HH_TEST_UNPACKED
            ),
        ),
        rows=(2_312, 2_312),
    ),
    remote=Part(
        part="harmless-base and helpful-base, train and test",
        kind="human",
        files=tuple(
            File(
                name=f"hh_rlhf-{path.replace('/', '.')}.jsonl.gz",
                at=f"{_HH_BASE}/{path}.jsonl.gz",
                sha256=sha256,
                unpacked_sha256=_HH_TEST_UNPACKED if sha256 == _HH_TEST_SHA256 else None,
                format="hh_rlhf",
            )
            for path, sha256 in _HH_FILES.items()
        ),
        rows=(90_000, 92_000),
    ),
    licence="MIT",
    upstream=f"{_HUB}/Anthropic/hh-rlhf",
    citation=(
        "Bai et al. (2022): Training a helpful and harmless assistant with reinforcement learning "
        "from human feedback. arXiv:2204.05862"
    ),
)

_SHP_DOMAINS = (
    "reddit/askculinary",
    "stackexchange/stack_academia",
    "stackexchange/stack_ell",
    "stackexchange/stack_softwarerecs",
)

_SHP2 = Source(
    name="shp2",
    table="preference_pairs",
    remote=Part(
        part=f"train of {len(_SHP_DOMAINS)} of 129 domains: {', '.join(_SHP_DOMAINS)}",
        kind="human",
        files=tuple(
            File(
                name=f"shp2-{domain.replace('/', '.')}.train.jsonl",
                at=(
                    f"{_HUB}/stanfordnlp/SHP-2/resolve/628803d8055d947439f381e9877e9b4b69fb0d35/"
                    f"{domain}/train.json"
                ),
                sha256=None,
                format="shp2",
            )
            for domain in _SHP_DOMAINS
        ),
        rows=(5_000, 1_000_000),
    ),
    licence="Reddit user content under Reddit's API terms; Stack Exchange content CC BY-SA",
    upstream=f"{_HUB}/stanfordnlp/SHP-2",
    citation=(
        "Ethayarajh, Choi & Swayamdipta (2022): Understanding dataset difficulty with V-usable "
        "information. ICML. Data: Stanford Human Preferences, version 2."
    ),
)

_QA_BASE = (
    "https://raw.githubusercontent.com/allenai/FineGrainedRLHF/"
    "a1469d4eba0b3754bcb343beb88f0aca24bf4848/tasks/qa_feedback/data"
)

_QA_FEEDBACK = Source(
    name="qa_feedback",
    table="preference_pairs",
    mirror=Part(
        part="PARTIAL: dev, ties and identical outputs left out",
        kind="human",
        files=(
            _mirrored(
                "human_prefs_extra/qa_feedback_dev_preferences.parquet",
                "c6efca20b857b226e7a95a581a30938e0a1c61ed0f4bffb79be66658aab0c218",
                "qa_preferences",
            ),
        ),
        rows=(2_616, 2_616),
    ),
    remote=Part(
        part="train and dev questions with feedback",
        kind="human",
        files=tuple(
            File(
                name=f"qa_feedback-{split}.json",
                at=f"{_QA_BASE}/{split}_feedback.json",
                sha256=None,
                format="qa_feedback",
            )
            for split in ("train", "dev")
        ),
        rows=(3_353, 3_353),
    ),
    licence="Apache-2.0",
    upstream="https://github.com/allenai/FineGrainedRLHF",
    citation=(
        "Wu et al. (2023): Fine-grained human feedback gives better rewards for language model "
        "training. arXiv:2306.01693"
    ),
)

_DOLLY = Source(
    name="dolly",
    table="sft_pairs",
    mirror=Part(
        part=(
            "DEGRADED: the first 6,400 rows, without context and category; replies that may have "
            "been cut are dropped"
        ),
        kind="degraded",
        files=(
            _mirrored(
                "dolly_subset/dolly_first6400_instruction_response.parquet",
                "70aac1f541e7ba776e43d657f2798745d6a960160470d3a4e94fc4b58676edaf",
                "dolly_cut",
            ),
        ),
        rows=(6_400, 6_400),
    ),
    remote=Part(
        part="all rows",
        kind="human",
        files=(
            File(
                name="dolly-15k.jsonl",
                at=(
                    f"{_HUB}/databricks/databricks-dolly-15k/resolve/"
                    "bdd27f4d94b9c1f951818a7da7fd7aeea5dbff1a/databricks-dolly-15k.jsonl"
                ),
                sha256="2df9083338b4abd6bceb5635764dab5d833b393b55759dffb0959b6fcbf794ec",
                format="dolly",
            ),
        ),
        rows=(15_000, 15_100),
    ),
    licence="CC BY-SA 3.0",
    upstream=f"{_HUB}/databricks/databricks-dolly-15k",
    citation="Conover et al. (2023): Free Dolly. Databricks.",
)

TEXT_SOURCES: Mapping[str, Source] = MappingProxyType(
    {
        source.name: source
        for source in (
            _OASST1,
            _OASST1_RANKS,
            _HH_RLHF,
            _SHP2,
            _QA_FEEDBACK,
            _OASST1_INFERRED,
            _DOLLY,
        )
    }
)
"""Used only where a profile names them; the last two hold what is not upstream's own labelling."""
