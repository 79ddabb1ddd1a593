"""Takes stock at a start: whatever the rows say is unfinished has a workflow, whatever became of the one before."""

from sqlmodel import Session, col, select

from daemon.store import conversations, drafts
from daemon.store.engine import Store
from daemon.store.queue import Queue
from daemon.store.tables import Conversation, Delivery, Mail

_OPEN = ("approved", "applying", "ready", "sending", "sent")


def take(store: Store, queue: Queue) -> int:
    """Enqueue what nobody will take up otherwise; how much that was.

    A workflow that ended although its work had not (the engine's tables restored from elsewhere, a fault of ours) would
    leave its mail waiting for ever. Enqueueing one too many does no harm: it finds nothing to do.
    """
    turns, deliveries = store.read_now(_unfinished)
    alive = queue.alive([*turns, *deliveries])
    lost_turns = [identifier for workflow, identifier in turns.items() if workflow not in alive]
    lost_deliveries = [identifier for workflow, identifier in deliveries.items() if workflow not in alive]

    def again(session: Session) -> None:
        for identifier in lost_turns:
            conversation = session.get_one(Conversation, identifier)
            conversation.working_run = None
            conversations.enqueue(session, queue, conversation)
        for identifier in lost_deliveries:
            drafts.enqueue_delivery(session, queue, session.get_one(Delivery, identifier))

    if lost_turns or lost_deliveries:
        store.write_now(again)
    return len(lost_turns) + len(lost_deliveries)


def _unfinished(session: Session) -> tuple[dict[str, str], dict[str, str]]:
    """The workflow that should be at each unfinished turn and delivery, and the conversation or delivery."""
    undecided = select(Mail.conversation_id).where(col(Mail.state).in_(("screened", "working")))
    open_ = session.exec(select(Conversation).where(col(Conversation.id).in_(undecided))).all()
    deliveries = session.exec(select(Delivery).where(col(Delivery.state).in_(_OPEN))).all()
    return {_turn(each): each.id for each in open_}, {drafts.workflow_of(each): each.id for each in deliveries}


def _turn(conversation: Conversation) -> str:
    number = (conversation.working_run or f":{conversation.enqueued}").rpartition(":")[2]
    return f"triage:{conversation.id}:{number}"
