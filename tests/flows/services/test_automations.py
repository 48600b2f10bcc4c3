"""What the Prefect server does by itself, against a real one: created once, and a webhook on loopback really called."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import yaml
from prefect.automations import AutomationCore
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import get_client
from prefect.states import Failed

from flows.execution.events import CHAMPION_CHANGED
from flows.services.deployments import AUTOMATIONS, WEBHOOK, put_automations
from flows.services.servers import HEARTBEAT_SECONDS
from vocabsem.errors import BadInput

pytestmark = pytest.mark.medium

ENTRIES = yaml.safe_load(AUTOMATIONS.read_text())


class Hook:
    """An HTTP server on loopback that keeps what is posted to it."""

    def __init__(self):
        self.calls = []
        calls = self.calls

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_POST(self):
                calls.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(200)
                self.end_headers()

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"

    def wait(self, condition, seconds=60):
        deadline = time.monotonic() + seconds
        while not (result := [call for call in self.calls if condition(call)]):
            assert time.monotonic() < deadline, f"not called; these came: {self.calls}"
            time.sleep(0.1)
        return result

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def hook():
    hook = Hook()
    yield hook
    hook.close()


@pytest.fixture
def client(recorded, tmp_path):
    """A client of the server of all tests, which has no automation of ours before and after."""
    from warehouse.home import Home

    with recorded(Home(tmp_path)), get_client(sync_client=True) as client:
        yield client
        for automation in ours(client):
            client.delete_automation(automation.id)


def ours(client):
    return [result for result in client.read_automations() if result.name.startswith("vocabsem: ")]


def updated(client):
    return {one["name"]: one["updated"] for one in client._client.post("/automations/filter", json={}).json()}


def emit(payload):
    from prefect.events import emit_event
    from prefect.events.worker import EventsWorker

    emit_event(CHAMPION_CHANGED, {"prefect.resource.id": "vocabsem.champion.vocabsem-made"}, payload=payload)
    EventsWorker.drain_all()


CHAMPION = {"model": "vocabsem-made@champion", "method": 'cent"roid\n', "shots": "all", "version": "7"}


def test_a_webhook_is_reported_of_a_new_champion(client, hook):
    put_automations(client, hook.url)
    emit(CHAMPION)
    (call,) = hook.wait(lambda call: call["champion"] == CHAMPION)
    assert call["text"] == 'vocabsem-made@champion is now cent"roid  with all shots, version 7'


def test_registered_again_nothing_is_touched_and_nobody_forgotten(client, hook):
    put_automations(client, hook.url)
    first = updated(client)
    assert len(ours(client)) == 3
    put_automations(client, None)
    put_automations(client, hook.url)
    assert updated(client) == first, "an updated automation forgets the heartbeats it has seen"
    assert client.read_block_document_by_name(WEBHOOK, "webhook").data["url"] == hook.url


def test_another_version_of_ours_is_updated_and_a_users_switch_kept(client):
    silent = next(entry for entry in ENTRIES if "silent" in entry["name"])
    old = AutomationCore.model_validate(silent | {"description": "of old", "enabled": False})
    client.create_automation(old)
    put_automations(client, None)
    (now,) = ours(client)
    assert now.description == silent["description"]
    assert not now.enabled


def test_what_is_expected_is_what_runs_and_flows_emit():
    silent, failed, champions = (entry["trigger"] for entry in ENTRIES)
    assert silent["within"] == 3 * HEARTBEAT_SECONDS
    assert champions["expect"] == [CHAMPION_CHANGED]
    assert set(failed["expect"]) < set(silent["expect"])
    sent = {event.removeprefix("prefect.flow-run.") for event in silent["expect"]}
    assert sent == {"heartbeat", "Completed", "Failed", "TimedOut", "Crashed", "Cancelled"}


def test_a_block_that_prefect_keeps_is_reported_by_its_name(client, hook):
    block = CustomWebhookNotificationBlock(name="mine", url=hook.url, json_data={"said": "{{body}}"})
    block.save("mine", overwrite=True)
    put_automations(client, "custom-webhook/mine")
    emit(CHAMPION)
    (call,) = hook.wait(lambda call: "said" in call)
    assert call == {"said": 'vocabsem-made@champion is now cent"roid  with all shots, version 7'}


HOSTILE = "row 5: '<!channel> [a](http://x) *b* `c`' &amp;"
ESCAPED = "row 5: '&lt;!channel&gt; [a\\](http://x) \\*b\\* \\`c\\`' \\&amp;"


@pytest.fixture
def fails(client, monkeypatch):
    """A call that lets a deployed run fail with a message that quotes a row of a data set."""

    def fail():
        flow = client.create_flow_from_name("fails")
        deployment = client.create_deployment(flow, name="fails")
        run = client.create_flow_run_from_deployment(deployment)
        client.set_flow_run_state(run.id, Failed(message=HOSTILE), force=True)

    return fail


def test_texts_of_a_data_set_are_escaped_in_a_webhooks_text_and_whole_in_its_data(client, hook, fails):
    put_automations(client, hook.url)
    fails()
    (call,) = hook.wait(lambda call: call.get("deployment") == "fails")
    assert call["message"] == HOSTILE
    assert call["text"].endswith(f" is Failed: {ESCAPED}")


def test_texts_of_a_data_set_are_escaped_in_notifications(client, hook, fails):
    CustomWebhookNotificationBlock(name="mine", url=hook.url, json_data={"said": "{{body}}"}).save(
        "mine", overwrite=True
    )
    put_automations(client, "custom-webhook/mine")
    fails()
    (call,) = hook.wait(lambda call: "said" in call)
    assert call["said"].startswith("fails: run ")
    assert call["said"].endswith(f" is Failed: {ESCAPED}")


@pytest.mark.parametrize("webhook", ["nowhere", "webhook/nowhere", "no-such-type/x", "ftp://127.0.0.1/"])
def test_what_is_no_webhook_is_refused(client, webhook):
    with pytest.raises(BadInput, match=f"--webhook '{webhook}' is no address and no block .*prefect block ls"):
        put_automations(client, webhook)
