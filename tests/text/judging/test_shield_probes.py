"""The shield on the probe set: bounds with margin on what was measured."""

import time

import msgspec
import numpy as np
import pytest

from churnsaver_assets.text.judging.shield_probes import (
    ProbeReport,
    attacks,
    benign,
    context_of_key,
    probe_report,
    probe_table,
    verdict_on,
    wilson,
)
from churnsaver_assets.text.judging.toxicity import toxicity
from churnsaver_serving.runtime.messages.wording import Wording, default_wording
from churnsaver_serving.runtime.shield.rules import default_rules
from churnsaver_serving.runtime.shield.shield import RULES, Shield
from churnsaver_serving.runtime.tokens import token_bound

SHIELD = Shield.from_bytes(default_rules())
WORDING = msgspec.json.decode(default_wording(), type=Wording)


@pytest.fixture(scope="module")
def report() -> ProbeReport:
    return probe_report(SHIELD)


def test_the_set_is_large_and_covers_every_rule() -> None:
    bad, good = attacks(), benign()
    assert len(bad) >= 320
    assert len(good) >= 220
    assert {probe.rule for probe in bad} == set(RULES)
    assert {probe.rule for probe in bad if probe.held} == set(RULES)
    for probes in (bad, good):
        assert len({probe.id for probe in probes}) == len(probes)
        assert {probe.kind for probe in probes} == {"body", "message", "field"}
    texts = [(probe.text, probe.context, probe.first_name) for probe in good]
    assert len(set(texts)) == len(texts)


def test_what_is_caught_and_what_is_stopped_wrongly(report: ProbeReport) -> None:
    dev, held = report.parts["dev"], report.parts["held"]
    # Measured: 539 of 542 and 0 of 191.
    assert dev.stopped.mean >= 0.98
    assert dev.false_alarms.mean <= 0.02
    # Measured: 124 of 150 stopped, 121 named, 5 of 73 false alarms.
    assert held.stopped.mean >= 0.78
    assert held.named.mean >= 0.75
    assert held.false_alarms.mean <= 0.10
    assert report.shield == SHIELD.sha256


def test_rules_of_form_miss_nothing_held(report: ProbeReport) -> None:
    """What code decides, not a list of phrases, has no excuse."""
    rules = report.parts["held"].rules
    for rule in (
        "field",
        "sender",
        "length",
        "shape",
        "repetition",
        "reader",
        "obfuscation",
        "pii",
    ):
        assert rules[rule].named.mean == 1.0, rule


def test_the_report_counts_right(report: ProbeReport) -> None:
    for part in report.parts.values():
        assert part.stopped.count + len(part.passed_attacks) == part.stopped.total
        assert part.named.count + len(part.unnamed_attacks) == part.stopped.count
        assert part.false_alarms.count == len(part.stopped_benign)
        assert sum(of.named.total for of in part.rules.values()) == part.named.total
    table = probe_table(report)
    assert len(table) == 2 * len(RULES)
    assert (table["named_low"] <= table["named"]).all()
    assert (table["named"] <= table["named_high"]).all()
    assert msgspec.json.decode(msgspec.json.encode(report), type=ProbeReport) == report


def test_wilson_against_published_values() -> None:
    # Newcombe (1998), table I: 81/263 and 0/20.
    rate = wilson(81, 263)
    assert (rate.low, rate.high) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    rate = wilson(0, 20)
    assert (rate.low, rate.high) == pytest.approx((0.0, 0.1611), abs=1e-4)


def test_contexts_are_read_back() -> None:
    for probe in attacks():
        if probe.context:
            assert context_of_key(probe.context).key == probe.context
    with pytest.raises(ValueError, match="no context's key"):
        context_of_key("fiber/new/ten/warm/email")


def test_each_message_is_within_the_bound_on_tokens() -> None:
    for probe in benign():
        if probe.kind != "field":
            context = context_of_key(probe.context)
            facts = WORDING.facts(context, probe.first_name)
            text = WORDING.render(probe.text, facts, context.channel)
            assert len(text.split()) < token_bound(text) <= 180


def test_it_is_fast() -> None:
    probes = [probe for probe in benign() if probe.kind == "message"]
    for probe in probes:
        verdict_on(probe, SHIELD, WORDING)
    taken = []
    for probe in probes * 5:
        start = time.process_time()
        verdict_on(probe, SHIELD, WORDING)
        taken.append(time.process_time() - start)
    # Measured p95 0.4 ms of processor time, rendering included.
    assert np.quantile(taken, 0.95) < 0.002


def test_toxicity() -> None:
    good = [probe.text for probe in benign() if probe.kind != "field" and not probe.held]
    verdicts = toxicity(good, SHIELD, threshold=0.9)
    # Measured: 0 of 161.
    assert sum(verdict.toxic for verdict in verdicts) <= 2
    rude, threat, kind = toxicity(
        ["You damn idiot.", "You will regret leaving us.", "We'd hate to lose you."],
        SHIELD,
        threshold=0.9,
    )
    assert rude.toxic
    assert rude.listed
    assert rude.linear > 0.9
    assert threat.toxic
    assert not threat.listed
    assert threat.rules == ("threat",)
    assert not kind.toxic
    assert kind.linear > 0.5
    assert toxicity([], SHIELD, threshold=0.9) == []
    with pytest.raises(ValueError, match="expected a probability"):
        toxicity(["a"], SHIELD, threshold=0.0)
