"""Text data assets: sources, pairs to learn from, prompts of real customers, and their checks."""

from collections.abc import Mapping

import msgspec
import pandas as pd
from dagster import (
    AssetCheckResult,
    AssetChecksDefinition,
    AssetIn,
    AssetsDefinition,
    DataVersion,
    MaterializeResult,
    MetadataValue,
    asset,
    asset_check,
)

from churnsaver_assets.defs.environment import holdout_setting, training_setting
from churnsaver_assets.defs.lib import metadata
from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.defs.lib.labels import LABEL, label_of
from churnsaver_assets.defs.lib.sources import READS_FILES
from churnsaver_assets.defs.lib.versions import code_version, frame_version
from churnsaver_assets.defs.settings.data import TextSourcesSettings
from churnsaver_assets.defs.settings.stage import read_stage
from churnsaver_assets.defs.settings.text import PairsSettings, PromptsSettings
from churnsaver_assets.defs.text.shared import OWNERS


@asset(
    ins={"settings": AssetIn("text_sources_settings")},
    group_name="text",
    kinds={"parquet"},
    owners=OWNERS,
    code_version=code_version(__name__, "text_sources"),
    io_manager_key="files",
    tags=READS_FILES,
)
def text_sources(settings: Files) -> MaterializeResult[Files]:
    """Load the raw text data sets that the experiment names, and verify each.

    They come from the local mirror (of most only a part), else from the public address; the
    generated sample only where asked for by name.
    """
    from churnsaver_assets.data.load import load_sources
    from churnsaver_assets.data.sources.raw import pack_sources

    spec = read_stage(settings, TextSourcesSettings)
    sources = load_sources([*spec.sft_sources, *spec.preference_sources])
    files = pack_sources(sources)
    return MaterializeResult(
        value=files,
        data_version=DataVersion(
            "-".join(f"{name}:{raw.label}:{raw.sha256}" for name, raw in sorted(sources.items()))
        ),
        metadata={
            "sources": metadata.table(
                [
                    {
                        "source": name,
                        "data": raw.label,
                        "part": raw.part,
                        "origin": raw.origin,
                        "licence": raw.licence,
                        "sha256": raw.sha256,
                    }
                    for name, raw in sources.items()
                ]
            )
        },
    )


def _by_split(frame: pd.DataFrame) -> list[Mapping[str, str | int]]:
    counts = frame.groupby(["source", "split"]).size()
    return [
        {"source": str(source), "split": str(split), "rows": int(rows)}
        for (source, split), rows in counts.items()
    ]


def _pairs_asset(name: str, description: str) -> AssetsDefinition:
    @asset(
        name=name,
        ins={"sources": AssetIn("text_sources"), "settings": AssetIn("pairs_settings")},
        group_name="text",
        kinds={"pandas", "parquet"},
        owners=OWNERS,
        code_version=code_version(__name__, "_pairs_asset"),
        io_manager_key="tables",
        description=description,
    )
    def pairs(sources: Files, settings: Files) -> MaterializeResult[pd.DataFrame]:
        from churnsaver_assets.data.sources.raw import unpack_sources
        from churnsaver_assets.data.text import tables

        parsed = read_stage(settings, PairsSettings)
        build = {"sft_pairs": tables.sft_pairs, "preference_pairs": tables.preference_pairs}[name]
        frame = build(unpack_sources(sources), parsed.data, parsed.seed)
        return MaterializeResult(
            value=frame,
            data_version=frame_version(frame),
            metadata={
                "data": label_of(frame),
                "rows by source": metadata.table(_by_split(frame)),
                "parts and what was dropped": MetadataValue.json(
                    msgspec.json.decode(frame.attrs["parts"])
                ),
                **metadata.frame_metadata(frame),
            },
        )

    return pairs


def _pairs_check(name: str) -> AssetChecksDefinition:
    @asset_check(
        asset=name,
        name="schema_and_disjoint",
        blocking=True,
        description="Columns and values fit the schema; no prompt is on two sides of a split.",
    )
    def check(frame: pd.DataFrame) -> AssetCheckResult:
        from churnsaver_assets.data.text.schemas import validate_text
        from churnsaver_assets.data.text.splits import straddling_prompts

        report = validate_text(name, frame, label_of(frame))
        straddling = straddling_prompts(frame)
        return AssetCheckResult(
            passed=report.passed and not straddling,
            metadata={
                "rows": len(frame),
                "straddling": len(straddling),
                "failures": metadata.table(report.failures.astype(str).to_dict("records")),
            },
        )

    return check


@asset(
    ins={
        "policy": AssetIn("ppo_policy"),
        "environment": AssetIn("retention_environment"),
        "customers": AssetIn("telco_customers"),
        "settings": AssetIn("prompts_settings"),
    },
    group_name="text",
    kinds={"pandas", "parquet"},
    owners=OWNERS,
    code_version=code_version(__name__, "retention_prompts"),
    io_manager_key="tables",
)
def retention_prompts(
    policy: Files,
    environment: Files,
    customers: pd.DataFrame,
    settings: Files,
) -> MaterializeResult[pd.DataFrame]:
    """Ask for messages to real customers with the offers that the policy decided for them.

    Training prompts are of training customers, held-out ones of held-out customers. Some of the
    training offers are drawn evenly, as exploration draws them; held-out ones are as decided.
    """
    from churnsaver_assets.text.prompts.offers import (
        decided_offers,
        explored_offers,
        message_requests,
    )
    from churnsaver_serving.runtime.policies.learned import LearnedPolicy

    parsed = read_stage(settings, PromptsSettings)
    spec = parsed.prompts
    served = LearnedPolicy.from_files(policy)
    parts = []
    for split, setting, count, explored in (
        ("train", training_setting(environment, parsed), spec.train, spec.explored),
        ("holdout", holdout_setting(environment, parsed), spec.holdout, 0.0),
    ):
        decided = decided_offers(served, setting, seed=parsed.seed)
        offers = explored_offers(
            decided, setting.space.offers_pct, share=explored, seed=parsed.seed
        )
        requests = message_requests(customers, offers, count=count, seed=parsed.seed)
        parts.append(requests.assign(split=split))
    frame = pd.concat(parts, ignore_index=True)
    frame.attrs[LABEL] = label_of(customers)
    offers_by_split = frame.groupby(["split", "offer_pct"]).size()
    return MaterializeResult(
        value=frame,
        data_version=frame_version(frame),
        metadata={
            "data": label_of(frame),
            "prompts by offer": metadata.table(
                [
                    {"split": str(split), "offer, %": int(offer), "prompts": int(rows)}
                    for (split, offer), rows in offers_by_split.items()
                ]
            ),
            **metadata.frame_metadata(frame),
        },
    )


@asset_check(asset="retention_prompts", name="disjoint_and_offered", blocking=True)
def disjoint_and_offered(frame: pd.DataFrame) -> AssetCheckResult:
    """Check that no customer is on both sides, prompts are distinct, and each side has some."""
    sides = frame.groupby("customer_id")["split"].nunique()
    both = int((sides > 1).sum())
    repeated = int(frame["prompt_id"].duplicated().sum())
    counts = frame["split"].value_counts()
    return AssetCheckResult(
        passed=both == 0 and repeated == 0 and {"train", "holdout"} <= set(counts.index),
        metadata={"customers on both sides": both, "repeated prompts": repeated},
    )


pairs_assets = [
    _pairs_asset(
        "sft_pairs",
        "Prompts with the reply that people ranked best, cleaned, split by prompt.",
    ),
    _pairs_asset(
        "preference_pairs",
        "Two replies to a prompt, the better one first: for the reward model, for the judge "
        "(other prompts) and held out. Split by prompt.",
    ),
]
pairs_checks = [_pairs_check("sft_pairs"), _pairs_check("preference_pairs")]
