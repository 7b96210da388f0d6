"""Pacing: the day's multiplier, and what each decision was told of it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"

_JSON = sa.JSON().with_variant(JSONB(), "postgresql")

# p(accept) of the offer that was made, out of those of all offers.
_OFFERED = {
    "sqlite": """json_extract(p_accept, '$."' || offer_pct || '"')""",
    "postgresql": "CAST(p_accept ->> CAST(offer_pct AS TEXT) AS DOUBLE PRECISION)",
}


def upgrade() -> None:
    """Add table, columns and indexes. Decisions made before had a multiplier of 0 and no belief."""
    op.create_table(
        "pacing",
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("release_id", sa.String(64), nullable=False),
        sa.Column("policy", sa.String(64), nullable=False),
        sa.Column("period", sa.String(7), nullable=False),
        sa.Column("multiplier", sa.Double, nullable=False),
        sa.Column("remaining_cents", sa.BigInteger, nullable=False),
        sa.Column("customers", sa.Integer, nullable=False),
        sa.Column("observed", _JSON, nullable=False),
        sa.Column("expected", _JSON, nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("multiplier >= 0", name=op.f("ck_pacing_multiplier")),
        sa.PrimaryKeyConstraint("day", "release_id", "policy", name=op.f("pk_pacing")),
    )
    op.add_column(
        "decisions", sa.Column("multiplier", sa.Double, nullable=False, server_default="0")
    )
    op.add_column(
        "decisions",
        sa.Column("belief", _JSON, nullable=False, server_default="[0.0, 0.0, 0.0]"),
    )
    op.add_column("decisions", sa.Column("p_accept_offered", sa.Double, nullable=True))
    offered = _OFFERED[op.get_bind().dialect.name]
    op.execute(f"UPDATE decisions SET p_accept_offered = {offered} WHERE contact")  # noqa: S608
    op.drop_index(op.f("ix_decisions_decided_at"), "decisions")
    op.create_index(
        op.f("ix_decisions_decided_at_customer_id_contact_on_p_churn"),
        "decisions",
        ["decided_at", "customer_id", "contact_on", "p_churn"],
    )
    op.create_index(op.f("ix_outcomes_kind_observed_at"), "outcomes", ["kind", "observed_at"])


def downgrade() -> None:
    """Take them away again."""
    op.drop_index(op.f("ix_outcomes_kind_observed_at"), "outcomes")
    op.drop_index(op.f("ix_decisions_decided_at_customer_id_contact_on_p_churn"), "decisions")
    op.create_index(op.f("ix_decisions_decided_at"), "decisions", ["decided_at"])
    for column in ("p_accept_offered", "belief", "multiplier"):
        op.drop_column("decisions", column)
    op.drop_table("pacing")
