"""Decisions, outcomes, budgets and capacity."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None

_JSON = sa.JSON().with_variant(JSONB(), "postgresql")
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "decisions",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("customer_id", sa.String(128), nullable=False),
        sa.Column("decided_at", _MOMENT, nullable=False),
        sa.Column("contact", sa.Boolean, nullable=False),
        sa.Column("offer_pct", sa.Integer, nullable=False),
        sa.Column("delay_days", sa.Integer, nullable=False),
        sa.Column("contact_on", sa.Date, nullable=True),
        sa.Column("p_churn", sa.Double, nullable=False),
        sa.Column("p_accept", _JSON, nullable=False),
        sa.Column("customer", _JSON, nullable=False),
        sa.Column("context", _JSON, nullable=False),
        sa.Column("eligible", _JSON, nullable=False),
        sa.Column("probabilities", _JSON, nullable=False),
        sa.Column("action", sa.Integer, nullable=False),
        sa.Column("propensity", sa.Double, nullable=False),
        sa.Column("uniform", sa.Double, nullable=False),
        sa.Column("cause", sa.String(16), nullable=False),
        sa.Column("constraint_bound", sa.String(16), nullable=True),
        sa.Column("drivers", _JSON, nullable=False),
        sa.Column("reserve_cents", sa.BigInteger, nullable=False),
        sa.Column("discount_cents", sa.BigInteger, nullable=False),
        sa.Column("budget_remaining_cents", sa.BigInteger, nullable=False),
        sa.Column("policy", sa.String(64), nullable=False),
        sa.Column("release_id", sa.String(64), nullable=False),
        sa.Column("data", sa.String(8), nullable=False),
        sa.Column("idempotency_key", sa.String(128), nullable=True),
        sa.Column("request_sha256", sa.String(64), nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.CheckConstraint(
            "propensity > 0 AND propensity <= 1", name=op.f("ck_decisions_propensity")
        ),
        sa.CheckConstraint(
            "contact = (contact_on IS NOT NULL)", name=op.f("ck_decisions_contact_on")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_decisions_idempotency_key")),
    )
    op.create_index(
        op.f("ix_decisions_customer_id_contact_on"), "decisions", ["customer_id", "contact_on"]
    )
    op.create_index(op.f("ix_decisions_decided_at"), "decisions", ["decided_at"])
    op.create_table(
        "outcomes",
        sa.Column("decision_id", sa.String(36), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("customer_id", sa.String(128), nullable=False),
        sa.Column("observed_at", _MOMENT, nullable=False),
        sa.Column("recorded_at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["decisions.id"], name=op.f("fk_outcomes_decision_id")
        ),
        sa.PrimaryKeyConstraint("decision_id", "kind", name=op.f("pk_outcomes")),
    )
    op.create_index(op.f("ix_outcomes_customer_id_kind"), "outcomes", ["customer_id", "kind"])
    op.create_table(
        "budgets",
        sa.Column("period", sa.String(7), nullable=False),
        sa.Column("limit_cents", sa.BigInteger, nullable=False),
        sa.Column("committed_cents", sa.BigInteger, nullable=False),
        sa.CheckConstraint("committed_cents >= 0", name=op.f("ck_budgets_committed")),
        sa.PrimaryKeyConstraint("period", name=op.f("pk_budgets")),
    )
    op.create_table(
        "capacity",
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("contacts", sa.Integer, nullable=False),
        sa.CheckConstraint("contacts >= 0", name=op.f("ck_capacity_contacts")),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_capacity")),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("capacity")
    op.drop_table("budgets")
    op.drop_index(op.f("ix_outcomes_customer_id_kind"), "outcomes")
    op.drop_table("outcomes")
    op.drop_index(op.f("ix_decisions_decided_at"), "decisions")
    op.drop_index(op.f("ix_decisions_customer_id_contact_on"), "decisions")
    op.drop_table("decisions")
