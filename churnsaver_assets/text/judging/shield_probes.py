"""The shield on hand-written probes: share of attacks stopped, and false alarms."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import Literal

import msgspec
import pandas as pd

from churnsaver_assets.common.estimates import CONFIDENCE
from churnsaver_serving.runtime.context import (
    MESSAGE_CHANNELS,
    SERVICES,
    STANDINGS,
    TONES,
    MessageContext,
)
from churnsaver_serving.runtime.messages.wording import Wording, default_wording
from churnsaver_serving.runtime.shield.shield import Shield
from churnsaver_serving.runtime.verdict import Verdict

Part = Literal["dev", "held"]


class ShieldProbe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One text that the shield is tried on.

    Attributes:
        id: Identifier, unique in its file.
        kind: The shield's check that it is given to; a `field` is a first name.
        text: The text to check; for a `message` the body, unless `render` is false.
        context: Key of its `MessageContext`; empty for a field.
        rule: The rule that an attack breaks; empty for a benign text.
        first_name: First name of the customer.
        render: Whether the packaged wording is put around a message's text; else it is checked
            as it stands.
        held: Whether it was written first and not looked at while the rules were written.
    """

    id: str
    kind: Literal["body", "message", "field"]
    text: str
    context: str = ""
    rule: str = ""
    first_name: str | None = None
    render: bool = True
    held: bool = False

    @property
    def part(self) -> Part:
        """Return the part of the set that it is in."""
        return "held" if self.held else "dev"


class Rate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A share with its 95 % Wilson score interval (Wilson 1927).

    Attributes:
        count: Number of successes.
        total: Number of trials.
        mean: `count / total`.
        low: Lower end of the interval.
        high: Upper end of the interval.
    """

    count: int
    total: int
    mean: float
    low: float
    high: float


class RuleFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule's figures on one part of the probes.

    Attributes:
        named: Attacks on the rule whose verdict names it.
        stopped: Attacks on the rule that any rule stopped.
        false_alarms: Benign texts whose verdict names the rule.
    """

    named: Rate
    stopped: Rate
    false_alarms: Rate


class PartFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Figures of one part of the probes.

    Attributes:
        stopped: Attacks that didn't pass.
        named: Attacks whose verdict names the rule that they were written for.
        false_alarms: Benign texts that didn't pass.
        rules: Figures of each rule that attacks were written for.
        passed_attacks: Ids of the attacks that passed.
        unnamed_attacks: Ids of the attacks that only other rules stopped.
        stopped_benign: Ids of the benign texts that didn't pass, with the rules named.
    """

    stopped: Rate
    named: Rate
    false_alarms: Rate
    rules: dict[str, RuleFigures]
    passed_attacks: tuple[str, ...]
    unnamed_attacks: tuple[str, ...]
    stopped_benign: dict[str, tuple[str, ...]]


class ProbeReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One shield's figures on the probes.

    Attributes:
        shield: The sha256 of its rules.
        version: Version of its rules.
        parts: Figures of each part: "dev" was looked at while the rules were written, "held"
            wasn't.
    """

    shield: str
    version: str
    parts: dict[Part, PartFigures]


def wilson(count: int, total: int) -> Rate:
    """Return a share with its Wilson score interval at 95 %.

    Args:
        count: Number of successes.
        total: Number of trials; with none, the interval is all of [0, 1] and the mean not a number.
    """
    from scipy.stats import binomtest

    if not total:
        return Rate(0, 0, math.nan, 0.0, 1.0)
    interval = binomtest(count, total).proportion_ci(CONFIDENCE, method="wilson")
    return Rate(count, total, count / total, float(interval.low), float(interval.high))


def _probes(name: str) -> list[ShieldProbe]:
    data = (resources.files("churnsaver_assets.text.judging") / "probes" / name).read_bytes()
    return [msgspec.json.decode(line, type=ShieldProbe) for line in data.splitlines()]


def attacks() -> list[ShieldProbe]:
    """Read the texts that must not be sent."""
    return _probes("attacks.jsonl")


def benign() -> list[ShieldProbe]:
    """Read the genuine texts and names, which must not be stopped."""
    return _probes("benign.jsonl")


def context_of_key(key: str) -> MessageContext:
    """Return the context of a `MessageContext.key`.

    Args:
        key: The key, such as `fiber/new/10/warm/email`.

    Raises:
        ValueError: It is no context's key.
    """
    parts = key.split("/")
    allowed = (SERVICES, STANDINGS, None, TONES, MESSAGE_CHANNELS)
    if len(parts) != len(allowed) or any(
        part not in values if values else not part.isdecimal()
        for part, values in zip(parts, allowed, strict=True)
    ):
        raise ValueError(f"{key!r} is no context's key: expected fiber/new/10/warm/email or such")
    return msgspec.convert(
        dict(zip(MessageContext.__struct_fields__, parts, strict=True)),
        MessageContext,
        strict=False,
    )


def verdict_on(probe: ShieldProbe, shield: Shield, wording: Wording) -> Verdict:
    """Return the shield's verdict on a probe.

    Args:
        probe: The probe to check.
        shield: The shield to try.
        wording: The text that code writes around a message's body.
    """
    if probe.kind == "field":
        return shield.check_field("first_name", probe.text)
    context = context_of_key(probe.context)
    if probe.kind == "body":
        return shield.check_body(probe.text, context)
    facts = wording.facts(context, probe.first_name)
    text = wording.render(probe.text, facts, context.channel) if probe.render else probe.text
    return shield.check_message(text, facts, context.channel)


def _figures(
    bad: Sequence[tuple[ShieldProbe, Verdict]],
    good: Sequence[tuple[ShieldProbe, Verdict]],
    rules: Iterable[str],
) -> PartFigures:
    alarms = Counter(rule for _, verdict in good for rule in verdict.rules)

    def named(pairs: Sequence[tuple[ShieldProbe, Verdict]]) -> Rate:
        return wilson(sum(probe.rule in verdict.rules for probe, verdict in pairs), len(pairs))

    def stopped(pairs: Sequence[tuple[ShieldProbe, Verdict]]) -> Rate:
        return wilson(sum(not verdict.passed for _, verdict in pairs), len(pairs))

    by_rule = {rule: [pair for pair in bad if pair[0].rule == rule] for rule in rules}
    return PartFigures(
        stopped=stopped(bad),
        named=named(bad),
        false_alarms=stopped(good),
        rules={
            rule: RuleFigures(named(pairs), stopped(pairs), wilson(alarms[rule], len(good)))
            for rule, pairs in by_rule.items()
        },
        passed_attacks=tuple(probe.id for probe, verdict in bad if verdict.passed),
        unnamed_attacks=tuple(
            probe.id
            for probe, verdict in bad
            if not verdict.passed and probe.rule not in verdict.rules
        ),
        stopped_benign={probe.id: verdict.rules for probe, verdict in good if not verdict.passed},
    )


def probe_report(shield: Shield) -> ProbeReport:
    """Try a shield on every probe.

    Args:
        shield: The shield to try.
    """
    wording = msgspec.json.decode(default_wording(), type=Wording)
    bad = [(probe, verdict_on(probe, shield, wording)) for probe in attacks()]
    good = [(probe, verdict_on(probe, shield, wording)) for probe in benign()]
    rules = list(dict.fromkeys(probe.rule for probe, _ in bad))
    parts: tuple[Part, ...] = ("dev", "held")
    return ProbeReport(
        shield=shield.sha256,
        version=shield.version,
        parts={
            part: _figures(
                [pair for pair in bad if pair[0].part == part],
                [pair for pair in good if pair[0].part == part],
                rules,
            )
            for part in parts
        },
    )


def probe_table(report: ProbeReport) -> pd.DataFrame:
    """Lay the figures out as a table, one row for each part and rule.

    Args:
        report: The report of `probe_report`.

    Returns:
        Columns `part`, `rule`, `attacks`, then `named`, `stopped` and `false_alarms` with their
        `_low` and `_high`, shares; and `benign`.
    """
    rows = []
    for part, figures in report.parts.items():
        for rule, of in figures.rules.items():
            row = {"part": part, "rule": rule, "attacks": of.named.total}
            for name in ("named", "stopped", "false_alarms"):
                rate: Rate = getattr(of, name)
                row |= {name: rate.mean, f"{name}_low": rate.low, f"{name}_high": rate.high}
            rows.append(row | {"benign": of.false_alarms.total})
    return pd.DataFrame(rows)
