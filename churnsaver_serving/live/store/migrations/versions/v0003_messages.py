"""Messages: what was to be sent with each decision, and what said that it may be."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"

_JSON = sa.JSON().with_variant(JSONB(), "postgresql")

_COLUMNS: dict[str, sa.String | sa.JSON] = {
    "message_rung": sa.String(16),
    "message_id": sa.String(16),
    "message_context": sa.String(64),
    "message_verdicts": _JSON,
    "message_checkpoint": sa.String(64),
    "bank_checkpoint": sa.String(64),
    "shield_sha256": sa.String(64),
    "templates_sha256": sa.String(64),
}


def upgrade() -> None:
    """Add the columns. Decisions made before have no message."""
    for name, kind in _COLUMNS.items():
        op.add_column("decisions", sa.Column(name, kind, nullable=True))


def downgrade() -> None:
    """Take them away again."""
    for name in reversed(_COLUMNS):
        op.drop_column("decisions", name)
