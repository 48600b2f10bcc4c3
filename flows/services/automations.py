"""What the Prefect server does by itself: runs whose heartbeat stopped are crashed, and a webhook is told of trouble
and of new champions."""

import contextlib
from datetime import timedelta
from typing import Any

from prefect.automations import AutomationCore, CallWebhook, ChangeFlowRunState, EventTrigger, Posture, SendNotification
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound

from flows.execution.events import CHAMPION_CHANGED
from flows.services.servers import HEARTBEAT_SECONDS
from vocabsem.errors import BadInput

SILENCE = timedelta(seconds=3 * HEARTBEAT_SECONDS)
RUN = {"prefect.resource.id": "prefect.flow-run.*"}
OF_A_DEPLOYMENT = {"prefect.resource.role": "deployment", "prefect.resource.id": "prefect.deployment.*"}
BEAT = "prefect.flow-run.heartbeat"
ENDS = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "TimedOut", "Crashed", "Cancelled")}
TROUBLE = ENDS - {"prefect.flow-run.Completed", "prefect.flow-run.Cancelled"}
WEBHOOK = "vocabsem"  # name of the block that keeps the address

# What is sent, as jinja over the event: text for people, and for chat services that show `text`; the rest for programs.
FAILED = "{{ deployment.name }}: run {{ flow_run.name }} is {{ flow_run.state.name }}: {{ flow_run.state.message }}"
CHANGED = (
    "{{ event.payload.model }} is now {{ event.payload.method }} with {{ event.payload.shots }} shots, version"
    " {{ event.payload.version }}"
)
MORE = {
    FAILED: '"deployment": {{ deployment.name | tojson }}, "run": {{ flow_run.name | tojson }},'
    ' "state": {{ flow_run.state.name | tojson }}, "message": {{ flow_run.state.message | tojson }},'
    ' "url": {{ (flow_run | ui_url) | tojson }}',
    CHANGED: '"champion": {{ event.payload | tojson }}',
}


def automate(client: SyncPrefectClient, webhook: str | None) -> None:
    """Create or bring up to date. Without `webhook` whoever was told before is told further. Raises BadInput."""
    _put(client, silent_runs_crash())
    if webhook:
        for automation in told(client, webhook):
            _put(client, automation)


def silent_runs_crash() -> AutomationCore:
    """A run that has beaten, and neither beat again nor ended for three beats, is dead: its machine or worker went."""
    return AutomationCore(
        name="vocabsem: runs whose heartbeat stopped",
        description="Marks them as crashed, so that they hold no place in a queue.",
        trigger=EventTrigger(
            after={BEAT},
            expect={BEAT, *ENDS},
            match=RUN,
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=SILENCE,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                message=f"No heartbeat for {SILENCE.seconds} s: its process is gone. Run it again: it goes on.",
            )
        ],
    )


def told(client: SyncPrefectClient, webhook: str) -> list[AutomationCore]:
    """Automations that tell `webhook`, an address or TYPE/NAME of a block that Prefect keeps, of a deployment's run
    that fails or crashes and of a champion that changes. Raises BadInput."""
    kind, block = _block(client, webhook)
    on_failure = EventTrigger(
        expect=TROUBLE, match=RUN, match_related=OF_A_DEPLOYMENT, posture=Posture.Reactive, threshold=1
    )
    on_change = EventTrigger(expect={CHAMPION_CHANGED}, posture=Posture.Reactive, threshold=1)

    def action(text: str) -> Any:
        if kind == "webhook":
            payload = f'{{"text": {{% set text %}}{text}{{% endset %}}{{{{ text | tojson }}}}, {MORE[text]}}}'
            return CallWebhook(block_document_id=block, payload=payload)
        return SendNotification(block_document_id=block, subject="vocabsem", body=text)

    return [
        AutomationCore(name="vocabsem: tell of failed runs", trigger=on_failure, actions=[action(FAILED)]),
        AutomationCore(name="vocabsem: tell of new champions", trigger=on_change, actions=[action(CHANGED)]),
    ]


def _block(client: SyncPrefectClient, webhook: str) -> tuple[str, Any]:
    """The type and the id of the block: the named one, or one made for the address."""
    if webhook.startswith(("http://", "https://")):
        headers: Any = {"content-type": "application/json"}
        return "webhook", Webhook(url=webhook, headers=headers).save(WEBHOOK, overwrite=True)
    kind, slash, name = webhook.partition("/")
    with contextlib.suppress(ObjectNotFound):
        if slash:
            return kind, client.read_block_document_by_name(name, kind).id
    raise BadInput(
        f"--webhook {webhook!r} is no address and no block of this home's Prefect: give http://…, or TYPE/NAME as"
        " `prefect block ls` shows it"
    )


def _put(client: SyncPrefectClient, automation: AutomationCore) -> None:
    """One that is as it should be is not touched: an update makes it forget the heartbeats that it has seen."""
    for known in client.read_automations_by_name(automation.name):
        wanted = automation.model_copy(update={"enabled": known.enabled})  # a user may have switched it off
        if known.model_dump(exclude={"id"}) != wanted.model_dump():
            client.update_automation(known.id, wanted)
        return
    client.create_automation(automation)
