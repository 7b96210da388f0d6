"""The raw data sets and the hashes that pin them. Facts only; fetching is in `sources`."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Dataset = Literal["telco", "bank", "hillstrom"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One data set: where it lies, what its bytes must be, whom to cite.

    Attributes:
        name: the data set.
        table: the canonical table built from it.
        sha256: of the canonical file, the uncompressed CSV.
        bytes: size of the canonical file.
        rows: data rows of the canonical file, header not counted.
        table_rows: rows of the canonical table; fewer where upstream rows are unusable.
        separator: between the fields of a line.
        mirror_path: relative to the mirror folder; `.gz` is unpacked.
        mirror_sha256: of the mirror file as it lies there.
        mirror_bytes: size of the mirror file as it lies there.
        url: pinned public address.
        archive_members: way through nested zip archives to the CSV; empty where `url` is the CSV.
        download_sha256: of the CSV found at `url`. Where it is not `sha256`, upstream's line ends
            are CRLF and the canonical file's LF.
        licence: as upstream states it.
        upstream: the publisher's page.
        citation: how to cite it.
    """

    name: Dataset
    table: str
    sha256: str
    bytes: int
    rows: int
    table_rows: int
    separator: str
    mirror_path: str
    mirror_sha256: str
    mirror_bytes: int
    url: str
    archive_members: tuple[str, ...] = ()
    download_sha256: str
    licence: str
    upstream: str
    citation: str

    @property
    def cache_name(self) -> str:
        """Name of its download in the cache."""
        return f"{self.name}-{self.download_sha256[:12]}.csv"


_TELCO = Source(
    name="telco",
    table="telco_customers",
    sha256="16320c9c1ec72448db59aa0a26a0b95401046bef5d02fd3aeb906448e3055e91",
    bytes=970_457,
    rows=7_043,
    table_rows=7_032,
    separator=",",
    mirror_path="telco_churn/WA_Fn-UseC_-Telco-Customer-Churn.csv",
    mirror_sha256="16320c9c1ec72448db59aa0a26a0b95401046bef5d02fd3aeb906448e3055e91",
    mirror_bytes=970_457,
    url=(
        "https://raw.githubusercontent.com/IBM/telco-customer-churn-on-icp4d/"
        "d5371f5d83a446ad5673cbcca3b814b926491f8a/data/Telco-Customer-Churn.csv"
    ),
    download_sha256="16320c9c1ec72448db59aa0a26a0b95401046bef5d02fd3aeb906448e3055e91",
    licence="Repository Apache-2.0; no separate data licence stated",
    upstream="https://github.com/IBM/telco-customer-churn-on-icp4d",
    citation="IBM: Telco Customer Churn, sample data of a fictional company.",
)

_BANK = Source(
    name="bank",
    table="bank_contacts",
    sha256="74adfc578bf77a7ff4bb1ba4a9f8709d9e3c6907342959c2c8416847e0afb4d8",
    bytes=5_834_924,
    rows=41_188,
    table_rows=41_188,
    separator=";",
    mirror_path="bank_marketing/bank-additional-full.csv.gz",
    mirror_sha256="19d160205359e3f748931d09c670c755e4e66be9bf59e2f894f4f274ece9ce00",
    mirror_bytes=353_504,
    url="https://archive.ics.uci.edu/static/public/222/bank+marketing.zip",
    archive_members=("bank-additional.zip", "bank-additional/bank-additional-full.csv"),
    download_sha256="74adfc578bf77a7ff4bb1ba4a9f8709d9e3c6907342959c2c8416847e0afb4d8",
    licence="CC BY 4.0",
    upstream="https://archive.ics.uci.edu/dataset/222/bank+marketing",
    citation=(
        "Moro, Cortez & Rita (2014): A data-driven approach to predict the success of bank "
        "telemarketing. Decision Support Systems 62. doi:10.24432/C5K306"
    ),
)

_HILLSTROM = Source(
    name="hillstrom",
    table="hillstrom_emails",
    sha256="27bab8c5d3669f26ec08ebb50a0a78317542f29501156f2e2af6781fab4cd7e2",
    bytes=3_900_976,
    rows=64_000,
    table_rows=64_000,
    separator=",",
    mirror_path="hillstrom_email/hillstrom_email.csv.gz",
    mirror_sha256="02139d05802b84229c7231e8808258d2c64829b1d2069e4e3499a5f0c31f1769",
    mirror_bytes=439_306,
    # The host serves this file over plain HTTP only; the hash below is what makes it trustworthy.
    url=(
        "http://www.minethatdata.com/"
        "Kevin_Hillstrom_MineThatData_E-MailAnalytics_DataMiningChallenge_2008.03.20.csv"
    ),
    download_sha256="0e5893329d8b93cefecc571777672028290ab69865718020c78c7284f291aece",
    licence="None stated; published by its author for a public challenge",
    upstream=("https://blog.minethatdata.com/2008/03/minethatdata-e-mail-analytics-and-data.html"),
    citation="Hillstrom (2008): The MineThatData e-mail analytics and data mining challenge.",
)

SOURCES: Mapping[Dataset, Source] = MappingProxyType(
    {source.name: source for source in (_TELCO, _BANK, _HILLSTROM)}
)
