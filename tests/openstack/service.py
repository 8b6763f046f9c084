"""stacksnap, started on its embedded default and asked over HTTP, and the cloud beside it: `drive.py`, `swift.py`.

Of whoever imports it: BINARY CONFIG URL STATE are the program, its configuration, where it answers, and tests/openstack/up's
folder.
"""
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request

from keystoneauth1 import session
from keystoneauth1.identity import v3

BINARY, CONFIG, URL, STATE = sys.argv[1:]
WAIT = 600  # seconds, for anything: two cores may have a lot to do


def env(name):
    with open(f'{STATE}/env') as lines:
        return dict(line.strip().split('=', 1) for line in lines)[name]


def user(name):
    """Of the project of the same name."""
    return session.Session(auth=v3.Password(
        auth_url=env('KEYSTONE'), username=name, password=env('SECRET'), project_name=name, user_domain_id='default',
        project_domain_id='default'))


cloud = user('demo')


def ask(method, path, body=None):
    """Of stacksnap: the body, and the operation that it names."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(URL + path, data, {'Content-Type': 'application/json'}, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        text = answer.read().decode()
        return json.loads(text) if text.startswith('{') else None, answer.headers.get('x-stacksnap-operation')


def until(what, holds):
    end = time.time() + WAIT
    while time.time() < end:
        found = holds()
        if found:
            return found
        time.sleep(0.3)
    raise AssertionError(f'never: {what}')


def ended(operation):
    def over():
        found = ask('GET', f'/operations/{operation}')[0]['operation']
        return found if found['state'] in ('complete', 'failed', 'cancelled') else None
    return until(f'the end of {operation}', over)


def completes(operation):
    found = ended(operation)
    assert found['state'] == 'complete', found
    return found


class Service:
    """stacksnap, all in one process."""

    def __init__(self):
        self.process = None

    def start(self):
        log = open(os.path.dirname(CONFIG) + '/stacksnap.log', 'a')
        self.process = subprocess.Popen([BINARY, 'serve', '--config', CONFIG], stderr=log, stdout=log)

        def up():
            try:
                return ask('GET', '/stacks')
            except (urllib.error.URLError, ConnectionError):
                return None
        until('stacksnap answers', up)

    def kill(self):
        self.process.kill()
        self.process.wait()


service = Service()


def stack(name, resources):
    made, operation = ask('POST', '/stacks', {
        'stack_name': name, 'template': {'heat_template_version': '2018-08-31', 'resources': resources}})
    completes(operation)
    return f"/stacks/{name}/{made['stack']['id']}"


def snapshot(of, **body):
    made, operation = ask('POST', f'{of}/snapshots', body)
    completes(operation)
    return f"{of}/snapshots/{made['id']}"


def restore(of):
    # Without a safety snapshot: each backup takes its time here.
    completes(ask('POST', f'{of}/restore', {'safety': False})[1])


def run(checks):
    """One after the other; the last line says how many passed."""
    service.start()
    failed = 0
    for check in checks:
        began = time.time()
        try:
            check()
            print(f'ok     {check.__name__}, {time.time() - began:.0f} s', flush=True)
        except Exception as error:
            failed += 1
            print(f'FAILED {check.__name__}: {error!r}', flush=True)
    service.kill()
    print(f'{len(checks) - failed} passed, {failed} failed')
