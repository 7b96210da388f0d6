"""Settings of the data assets."""

from typing import Annotated

from churnsaver_assets.defs.settings.stage import At, Seed
from churnsaver_assets.experiments.strict import Strict


class SplitsSettings(Strict):
    """Settings of the splits of every table."""

    seed: Seed


class TextSourcesSettings(Strict):
    """Settings of `text_sources`: the data sets that are wanted."""

    sft_sources: Annotated[tuple[str, ...], At("text.data.sft_sources")]
    preference_sources: Annotated[tuple[str, ...], At("text.data.preference_sources")]
