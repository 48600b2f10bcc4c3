"""Pages of strangers, in the browser of somebody who uses `vocabsem up`: what they try, and what the own pages may."""

import json
import os
import re
import shutil
import signal
import threading
from base64 import b64encode
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from flows.services.access import secret
from flows.services.process import HOST
from flows.services.servers import live_api
from tests.flows.chromium import BROWSERS, browser
from tests.flows.services.test_up import start
from warehouse.home import Home

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not any(map(shutil.which, BROWSERS)), reason="no Chromium is installed"),
]
NAMES = ("evil.test", "10.evil.test")  # MLflow takes every host that begins with 10. for a private address
RULES = ", ".join([*(f"MAP {name} {HOST}" for name in NAMES), "MAP * ~NOTFOUND", f"EXCLUDE {HOST}"])
LINK = re.compile(r"(?:Prefect|MLflow): .* (http\S+)")

# Runs in a page: everything it can do to both servers. Returns what it could read.
ATTACK = """(async (api, mlflow, name) => {
  const got = []
  const json = {'content-type': 'application/json'}
  for (const credentials of ['omit', 'include']) {
    const read = async (what, url, body, how) => {
      const reply = await fetch(url, {method: body ? 'POST' : 'GET', body, credentials, ...how}).catch(() => 0)
      const text = reply && reply.ok ? await reply.text() : ''
      if (text) got.push(what)
      try { return JSON.parse(text) } catch { return {} }
    }
    await read('flows', `${api}/flows/filter`, '{}', {headers: json})
    const flow = await read('new flow', `${api}/flows/`, JSON.stringify({name}), {headers: json})
    const pull_steps = [{'prefect.deployments.steps.run_shell_script': {script: 'true'}}]
    const deployment = JSON.stringify({name, flow_id: flow.id, entrypoint: 'a.py:f', pull_steps})
    const {id} = await read('new deployment', `${api}/deployments/`, deployment, {headers: json})
    const run = `${api}/deployments/${id}/create_flow_run`
    await read('new run', run, '{"state": {"type": "SCHEDULED"}}', {headers: json})
    await read('version', `${api}/admin/version`)
    await read('settings of the pages', new URL('/ui-settings', api).href)
    const search = 'ajax-api/2.0/mlflow/experiments/search?max_results=9'
    const create = 'ajax-api/2.0/mlflow/experiments/create'
    await read('experiments', `${mlflow}/${search}`)
    await read('new experiment', `${mlflow}/${create}`, JSON.stringify({name}), {headers: json})
    await read('graphql', `${mlflow}/graphql`, '{"query": "{__typename}"}', {headers: json})
    // requests without a preflight: nothing is read, something may be done
    for (const headers of [{}, {'content-type': 'text/plain'}]) {
      const body = () => new Blob([JSON.stringify({name: `${name}-${Math.random()}`})])
      await read('', `${api}/flows/`, body(), {mode: 'no-cors', headers})
      await read('', `${mlflow}/${create}`, body(), {mode: 'no-cors', headers})
    }
  }
  const socket = new WebSocket(`${api.replace('http', 'ws')}/events/in`)
  const event = {id: '11111111-1111-4111-8111-111111111111', occurred: new Date().toISOString(), event: name,
    resource: {'prefect.resource.id': name}}
  await new Promise(done => {
    socket.onopen = () => { got.push('socket'); socket.send(JSON.stringify(event)); setTimeout(done, 1000) }
    socket.onerror = socket.onclose = done
  })
  return got
})"""
REFUSED = "performance.getEntriesByType('resource').filter(e => [401, 403].includes(e.responseStatus)).map(e => e.name)"


@dataclass
class Served:
    home: Home
    api: str
    mlflow: str
    links: list[str]

    def ask(self, url, **body):
        user, _, password = secret(self.home).partition(":")
        answer = httpx.post(url, json=body, auth=(user, password), trust_env=False, timeout=60)
        return answer.raise_for_status().json()

    def kept(self):
        """The names of all that could have been left in the two stores."""
        flows = [one["name"] for one in self.ask(f"{self.api}/flows/filter")]
        deployments = [one["name"] for one in self.ask(f"{self.api}/deployments/filter")]
        runs = [one["name"] for one in self.ask(f"{self.api}/flow_runs/filter")]
        events = [one["event"] for one in self.ask(f"{self.api}/events/filter", filter={})["events"]]
        search = f"{self.mlflow}/api/2.0/mlflow/experiments/search"
        experiments = [one["name"] for one in self.ask(search, max_results=99)["experiments"]]
        return [name for name in [*flows, *deployments, *runs, *events, *experiments] if "evil" in name]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("up") / "home")
    running_up = start(home)
    try:
        printed = "".join(iter(running_up.stdout.readline, "Ctrl-C stops all of it.\n"))
        addresses = json.loads((home.root / "servers.json").read_text())
        yield Served(home, addresses["prefect"], addresses["mlflow"], LINK.findall(printed))
    finally:
        os.killpg(running_up.pid, signal.SIGINT)
        running_up.communicate(timeout=60)


@pytest.fixture(scope="module")
def page(served):
    """A tab of a browser that has opened the printed links."""
    with browser(f"--host-resolver-rules={RULES}") as page:
        page.open(served.links[0])
        page.wait("localStorage.length && document.body.innerText.includes('Dashboard')", "Prefect's pages")
        page.open(served.links[1])
        page.wait("document.body.innerText.includes('Experiments')", "MLflow's pages")
        yield page


@pytest.fixture(scope="module")
def stranger():
    """The port of a server with an empty page."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>hello</title><p>hello")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer((HOST, 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", [*NAMES, HOST])
def test_a_page_of_another_origin_reads_nothing_and_leaves_nothing(page, served, stranger, name):
    page.open(f"http://{name}:{stranger}/")
    page.wait("document.title === 'hello'", "the stranger's page")
    assert page.js(f"{ATTACK}('{served.api}', '{served.mlflow}', 'evil')") == []
    assert served.kept() == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("server", ["api", "mlflow"])
def test_a_name_that_an_attacker_points_to_this_machine_is_no_way_in(page, served, name, server):
    """DNS rebinding: page and server are of one origin for the browser."""
    api, mlflow = (address.replace(HOST, name) for address in (served.api, served.mlflow))
    page.open(urlsplit({"api": api, "mlflow": mlflow}[server])._replace(path="/").geturl())
    page.wait(f"location.hostname === '{name}' && document.body.innerText", "the server's answer")
    assert page.js(f"{ATTACK}('{api}', '{mlflow}', 'evil')") == []
    assert served.kept() == []


def test_a_form_and_a_frame_of_a_stranger_do_nothing(page, served, stranger):
    page.open(f"http://{NAMES[0]}:{stranger}/")
    page.wait("document.title === 'hello'", "the stranger's page")
    body = json.dumps({"name": "evil-form", "x": "="}).partition("=")
    page.js(
        f"document.body.innerHTML = `<iframe name=f></iframe><form method=post enctype=text/plain target=f"
        f" action='{served.api}/flows/'><input name='{body[0]}' value='{body[2]}'></form>`;"
        "new Promise(done => { frames.f.frameElement.onload = done; document.forms[0].submit() })"
    )
    page.js(
        f"new Promise(done => {{ frames.f.frameElement.onload = done; frames.f.frameElement.src = '{served.mlflow}' }})"
    )
    assert served.kept() == []


@pytest.mark.parametrize("version", ["", "/v2"])
def test_prefects_pages_work_in_the_browser_that_opened_the_link(page, served, version):
    flow = served.ask(f"{served.api}/flows/", name="mine")
    page.open(f"{served.api.removesuffix('/api')}{version}/flows/flow/{flow['id']}")
    page.wait("document.body.innerText.includes('mine')", "the flow")
    assert page.js(REFUSED) == []
    page.open(f"{served.api.removesuffix('/api')}{version}/dashboard")
    page.wait("document.body.innerText.includes('Run a task or flow to get started')", "the dashboard")
    assert page.js(REFUSED) == []


@pytest.mark.parametrize("path", ["prefect/", "prefect/docs", "mlflow/"])
def test_a_script_of_another_server_does_not_run_in_a_page(page, served, stranger, path):
    server, _, rest = path.partition("/")
    page.open({"prefect": served.api.removesuffix("/api"), "mlflow": served.mlflow}[server] + f"/{rest}")
    page.wait("document.readyState === 'complete' && document.scripts.length", "the page")
    load = f"""new Promise(done => {{
      addEventListener('securitypolicyviolation', event => done(event.effectiveDirective))
      const script = document.createElement('script')
      script.onload = script.onerror = () => setTimeout(() => done('loaded'), 1000)
      script.src = 'http://{HOST}:{stranger}/a.js'
      document.head.append(script)
    }})"""
    assert page.js(load) == "script-src-elem"


def test_mlflows_pages_work_in_the_browser_that_opened_the_link(page, served):
    page.open(f"{served.mlflow}/#/experiments?workflowType=machine_learning")
    page.wait("document.body.innerText.includes('Default')", "the experiment")
    assert page.js(REFUSED) == []


def test_another_browser_needs_a_link_of_its_own_which_a_second_start_prints(served):
    second = start(served.home)
    error = second.communicate(timeout=60)[1]
    assert second.returncode == 1
    assert f"run already ({served.api}, {served.mlflow})" in error
    links = LINK.findall(error)
    assert not set(links) & set(served.links)
    with browser() as page:
        page.open(served.links[1])
        page.wait("document.body.innerText.includes('run it once more for a new link')", "the refusal")
        page.open(served.links[0])
        page.wait("document.body.innerText.includes('Login') || location.href.includes('login')", "Prefect's login")
        for link, text in zip(links, ("Dashboard", "Experiments"), strict=True):
            page.open(link)
            page.wait(f"document.body.innerText.includes('{text}')", text)


def test_without_the_secret_nobody_of_this_machine_is_answered(served):
    for url in (f"{served.api}/flows/filter", f"{served.mlflow}/ajax-api/2.0/mlflow/experiments/search"):
        assert httpx.post(url, json={}, trust_env=False).status_code == 401
        assert httpx.post(url, json={}, auth=("vocabsem", "x"), trust_env=False).status_code == 401
    assert live_api(served.home) == served.api, "whether it lives may be asked"


def test_the_secret_is_in_no_log_and_no_command_line(served):
    word = secret(served.home).partition(":")[2]
    forms = [word.encode(), b64encode(secret(served.home).encode())]
    for file in (path for path in served.home.root.rglob("*") if path.is_file() and path.name != "secret"):
        assert not any(form in file.read_bytes() for form in forms), file
    lines = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    assert not any(word in line for line in lines)
    assert not any(word in link for link in served.links)
