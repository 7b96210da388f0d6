"""Facts about the tables' raw files: where they lie, their columns, the hashes that pin them."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from churnsaver_assets.data.sources.source import CsvLayout, File, Part, Source

_TELCO_CSV = CsvLayout(
    separator=",",
    columns={
        "customerID": "33c02fa6",
        "gender": "a1f778bc",
        "SeniorCitizen": "2d0a1e78",
        "Partner": "b4ec9474",
        "Dependents": "902cebbf",
        "tenure": "78238f06",
        "PhoneService": "55fc44d8",
        "MultipleLines": "f5b78cf1",
        "InternetService": "0957d754",
        "OnlineSecurity": "b922e50a",
        "OnlineBackup": "ca9c8b7e",
        "DeviceProtection": "bf019615",
        "TechSupport": "0406a544",
        "StreamingTV": "b56190c6",
        "StreamingMovies": "aa65c579",
        "Contract": "47a86602",
        "PaperlessBilling": "4be9e226",
        "PaymentMethod": "14f546f8",
        "MonthlyCharges": "512969c1",
        "TotalCharges": "49b1069b",
        "Churn": "5f6af2f5",
    },
)

_TELCO_FILE = File(
    name="telco.csv",
    at="telco_churn/WA_Fn-UseC_-Telco-Customer-Churn.csv",
    format="csv",
    sha256="16320c9c1ec72448db59aa0a26a0b95401046bef5d02fd3aeb906448e3055e91",
)

_TELCO = Source(
    name="telco",
    table="telco_customers",
    mirror=Part(files=(_TELCO_FILE,), rows=(7_043, 7_043)),
    remote=Part(
        files=(
            replace(
                _TELCO_FILE,
                at=(
                    "https://raw.githubusercontent.com/IBM/telco-customer-churn-on-icp4d/"
                    "d5371f5d83a446ad5673cbcca3b814b926491f8a/data/Telco-Customer-Churn.csv"
                ),
            ),
        ),
        rows=(7_043, 7_043),
    ),
    csv=_TELCO_CSV,
    licence="Repository Apache-2.0; no separate data licence stated",
    upstream="https://github.com/IBM/telco-customer-churn-on-icp4d",
    citation="IBM: Telco Customer Churn, sample data of a fictional company.",
)

_BANK_CSV = CsvLayout(
    separator=";",
    columns={
        "age": "3578f71d",
        "job": "3ee51cb0",
        "marital": "8f88dc8a",
        "education": "ba02147f",
        "default": "7a7a329f",
        "housing": "79439ce9",
        "loan": "46556870",
        "contact": "aa88355c",
        "month": "b0c8d124",
        "day_of_week": "2307ac0e",
        "duration": "d649956b",
        "campaign": "858ae9ae",
        "pdays": "4091d606",
        "previous": "591bb3b8",
        "poutcome": "eb29871a",
        "emp.var.rate": "942d99f2",
        "cons.price.idx": "f95b2abc",
        "cons.conf.idx": "6355d9f3",
        "euribor3m": "ba8968d0",
        "nr.employed": "8d138164",
        "y": "32fb536d",
    },
)

_BANK_FILE = File(
    name="bank.csv",
    at="bank_marketing/bank-additional-full.csv.gz",
    format="csv",
    sha256="74adfc578bf77a7ff4bb1ba4a9f8709d9e3c6907342959c2c8416847e0afb4d8",
    members=("bank-additional.zip", "bank-additional/bank-additional-full.csv"),
    line_end=b"\r\n",
)

_BANK = Source(
    name="bank",
    table="bank_contacts",
    mirror=Part(files=(_BANK_FILE,), rows=(41_188, 41_188)),
    remote=Part(
        files=(
            replace(
                _BANK_FILE,
                at="https://archive.ics.uci.edu/static/public/222/bank+marketing.zip",
            ),
        ),
        rows=(41_188, 41_188),
    ),
    csv=_BANK_CSV,
    licence="CC BY 4.0",
    upstream="https://archive.ics.uci.edu/dataset/222/bank+marketing",
    citation=(
        "Moro, Cortez & Rita (2014): A data-driven approach to predict the success of bank "
        "telemarketing. Decision Support Systems 62. doi:10.24432/C5K306"
    ),
)

_HILLSTROM_CSV = CsvLayout(
    separator=",",
    columns={
        "recency": "2b5ead93",
        "history_segment": "6001e454",
        "history": "a8ac74fe",
        "mens": "689e53e1",
        "womens": "4a1793aa",
        "zip_code": "576c1059",
        "newbie": "5620a0be",
        "channel": "22a7dd49",
        "segment": "89ca8ccf",
        "visit": "14038ad0",
        "conversion": "ff81b9e1",
        "spend": "dfe8f607",
    },
)

_HILLSTROM_FILE = File(
    name="hillstrom.csv",
    at="hillstrom_email/hillstrom_email.csv.gz",
    format="csv",
    sha256="27bab8c5d3669f26ec08ebb50a0a78317542f29501156f2e2af6781fab4cd7e2",
)

_HILLSTROM = Source(
    name="hillstrom",
    table="hillstrom_emails",
    mirror=Part(files=(_HILLSTROM_FILE,), rows=(64_000, 64_000)),
    remote=Part(
        files=(
            replace(
                _HILLSTROM_FILE,
                at=(  # its host serves plain HTTP only; the hash is what makes it trustworthy
                    "http://www.minethatdata.com/"
                    "Kevin_Hillstrom_MineThatData_E-MailAnalytics_DataMiningChallenge_2008.03.20.csv"
                ),
            ),
        ),
        rows=(64_000, 64_000),
    ),
    csv=_HILLSTROM_CSV,
    licence="None stated; published by its author for a public challenge",
    upstream="https://blog.minethatdata.com/2008/03/minethatdata-e-mail-analytics-and-data.html",
    citation="Hillstrom (2008): The MineThatData e-mail analytics and data mining challenge.",
)

TABLE_SOURCES: Mapping[str, Source] = MappingProxyType(
    {source.name: source for source in (_TELCO, _BANK, _HILLSTROM)}
)

CSV_LAYOUTS: Mapping[str, CsvLayout] = MappingProxyType(
    {"telco": _TELCO_CSV, "bank": _BANK_CSV, "hillstrom": _HILLSTROM_CSV}
)
"""Layout of each table's file, by the source's name."""
