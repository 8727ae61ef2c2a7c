"""API keys and feedback."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the tables."""
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(100), nullable=False, unique=True),
        sa.Column("sha256", sa.String(64), nullable=False, unique=True),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("per_minute", sa.Integer, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
    )
    op.create_table(
        "feedback",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key_id", sa.String(16)),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("attribute", sa.String(100), nullable=False),
        sa.Column("value", sa.Float, nullable=False),
        sa.Column("begin", sa.Integer),
        sa.Column("end", sa.Integer),
        sa.Column("languages", sa.JSON, nullable=False),
        sa.Column("comment_id", sa.String(256)),
        sa.Column("reply_to", sa.String(256)),
        sa.Column("story_url", sa.Text),
        sa.Column("context", sa.JSON),
        sa.Column("community_id", sa.String(256)),
        sa.Column("session_id", sa.String(256)),
        sa.Column("client_token", sa.String(256)),
    )
    op.create_index("ix_feedback_comment_id", "feedback", ["comment_id"])


def downgrade() -> None:
    """Drops them."""
    op.drop_table("feedback")
    op.drop_table("api_keys")
