"""Answers stored by earlier versions are read as they were meant."""

import msgspec
import pytest

from churnsaver_serving.schemas import RetainAnswer, decode_answer

# As the version before wrote it, byte for byte but for the message.
EARLIER = (
    '{"decision_id":"019a9d3c-2f4e-7b1a-9c3d-5e6f7a8b9c0d","customer_id":"example-at-risk",'
    '"decided_at":"2026-11-28T15:00:00Z","decision":{"contact":true,"offer_pct":10,"delay_days":3,'
    '"contact_on":"2026-12-01"},"scores":{"p_churn":0.84,"p_accept":{"0":0.08,"5":0.13,"10":0.19,'
    '"20":0.39}},"reasons":{"risk":[{"code":"tenure_months","value":2,"effect":"raises",'
    '"contribution":1.38}],"cause":"policy","constraint":%s},"policy":"learned",'
    '"propensity":0.98,"release":{"id":"a","churn_risk":"b","offer_acceptance":"c",'
    '"messages":null},"data":"real","pacing":{"multiplier":0.5,"belief":{"acceptance":0.1,'
    '"churn_after_refusal":0.0,"churn_untouched":0.0}},"message":null}'
)


@pytest.mark.parametrize(
    ("stored", "constraints"),
    [
        ("null", ()),
        *((f'"{rule}"', (rule,)) for rule in ("opt_out", "active_offer", "contact_days")),
        *((f'"{rule}"', (rule,)) for rule in ("cooldown", "fatigue", "capacity", "budget")),
    ],
)
def test_one_constraint_becomes_the_only_one(stored: str, constraints: tuple[str, ...]) -> None:
    answer = decode_answer(EARLIER % stored)
    assert answer.reasons.constraints == constraints
    assert answer.reasons.only_no_contact is None  # it wasn't said then
    assert answer.reasons.risk[0].code == "tenure_months"
    assert (answer.decision.delay_days, answer.pacing.multiplier) == (3, 0.5)


def test_an_answer_of_today_is_read_as_it_is() -> None:
    earlier = decode_answer(EARLIER % "null")
    reasons = msgspec.structs.replace(
        earlier.reasons, constraints=("contact_days", "cooldown"), only_no_contact=False
    )
    today = msgspec.structs.replace(earlier, reasons=reasons)
    assert decode_answer(msgspec.json.encode(today)) == today
    assert isinstance(decode_answer(msgspec.json.encode(today)), RetainAnswer)
