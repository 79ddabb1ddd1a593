"""What mail in and out needs.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "doors",
        sa.Column("mailbox", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("since", sa.DateTime(), nullable=False),
        sa.Column("seen_at", sa.DateTime(), nullable=False),
        sa.Column("detail", sa.LargeBinary(), nullable=True),
        sa.Column("login_ends", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("mailbox", name=op.f("pk_doors")),
    )
    op.create_table(
        "human_answers",
        sa.Column("message_id_mac", sa.String(), nullable=False),
        sa.Column("address_mac", sa.String(), nullable=False),
        sa.Column("found_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("message_id_mac", "address_mac", name=op.f("pk_human_answers")),
    )
    op.create_index(op.f("ix_human_answers_found_at"), "human_answers", ["found_at"], unique=False)
    with op.batch_alter_table("cursors", schema=None) as batch_op:
        batch_op.add_column(sa.Column("since", sa.DateTime(), nullable=True))
        batch_op.add_column(sa.Column("caught_up_at", sa.DateTime(), nullable=True))

    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.add_column(sa.Column("composed", sa.LargeBinary(), nullable=True))
        batch_op.add_column(sa.Column("bounced", sa.Boolean(), nullable=False, server_default=sa.false()))

    with op.batch_alter_table("drafts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("placed", sa.String(), nullable=True))
        batch_op.create_index(batch_op.f("ix_drafts_placed"), ["placed"], unique=False)

    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.add_column(sa.Column("filed", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("move_to", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("file", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("about_draft_id", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("about_action", sa.String(), nullable=True))
        batch_op.create_index(batch_op.f("ix_messages_about_draft_id"), ["about_draft_id"], unique=False)
        batch_op.create_index(
            "ix_messages_filed",
            ["mailbox", "filed", "state", "outcome"],
            unique=False,
            sqlite_where=sa.text("uid IS NOT NULL OR file IS NOT NULL"),
            postgresql_where=sa.text("uid IS NOT NULL OR file IS NOT NULL"),
        )


def downgrade() -> None:
    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.drop_index("ix_messages_filed")
        batch_op.drop_index(batch_op.f("ix_messages_about_draft_id"))
        batch_op.drop_column("about_action")
        batch_op.drop_column("about_draft_id")
        batch_op.drop_column("file")
        batch_op.drop_column("move_to")
        batch_op.drop_column("filed")

    with op.batch_alter_table("drafts", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_drafts_placed"))
        batch_op.drop_column("placed")

    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.drop_column("bounced")
        batch_op.drop_column("composed")

    with op.batch_alter_table("cursors", schema=None) as batch_op:
        batch_op.drop_column("caught_up_at")
        batch_op.drop_column("since")

    op.drop_index(op.f("ix_human_answers_found_at"), table_name="human_answers")
    op.drop_table("human_answers")
    op.drop_table("doors")
