"""Snapshots and restores volumes of a real Cinder, and compares their bytes. See `run`.

Each check is one function; the order matters, for they share the cloud. The last line says how many passed.
"""
import hashlib
import json
import os
import signal
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


cloud = session.Session(auth=v3.Password(
    auth_url=env('KEYSTONE'), username='demo', password=env('SECRET'), project_name='demo', user_domain_id='default',
    project_domain_id='default'))


def cinder(method, path, body=None):
    answer = cloud.request(path, method, json=body, raise_exc=False, endpoint_filter={'service_type': 'block-storage'},
                           headers={'OpenStack-API-Version': 'volume 3.43'})
    assert answer.status_code < 500, (method, path, answer.status_code, answer.text)
    return answer.json() if answer.text else {}


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


def volume(content):
    new = cinder('POST', '/volumes', {'volume': {'size': 1, 'name': 'data', 'metadata': {'purpose': 'test'}}})
    new = new['volume']['id']
    until('the volume', lambda: cinder('GET', f'/volumes/{new}')['volume']['status'] == 'available')
    write(new, content)
    return new


def file(of):
    return f'{STATE}/cinder/share/volume-{of}'


def write(of, content):
    with open(file(of), 'r+b') as it:
        for place in (0, 300 << 20):
            it.seek(place)
            it.write(content.encode() * 50_000)


def digest(of):
    found = hashlib.sha256()
    with open(file(of), 'rb') as it:
        while part := it.read(1 << 20):
            found.update(part)
    return found.hexdigest()


def backups():
    return cinder('GET', '/backups/detail')['backups']


def stack(name, *volumes):
    resources = {f'v{number}': {'type': 'OS::Cinder::Volume', 'external_id': it} for number, it in enumerate(volumes)}
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


def away(of):
    completes(ask('DELETE', of)[1])
    assert backups() == [], backups()
    assert cinder('GET', '/snapshots/detail')['snapshots'] == []


def daemon(name, what):
    with open(f'{STATE}/run/{name}.pid') as it:
        os.killpg(int(it.read().split()[0]), what)


def two_volumes_come_back_byte_for_byte_and_nothing_is_left():
    first, second = volume('one'), volume('two')
    it = stack('bytes', first, second)
    before = digest(first), digest(second)
    one = snapshot(it)
    write(first, 'ONE')
    changed = digest(first), digest(second)
    two = snapshot(it)
    assert sorted(backup['is_incremental'] for backup in backups()) == [False, False, True, True], backups()
    for wanted, of in ((before, one), (changed, two), (before, one)):
        write(first, 'damage')
        write(second, 'damage')
        restore(of)
        assert (digest(first), digest(second)) == wanted, of
    # What the second is built on is deleted first: it waits for that one.
    completes(ask('DELETE', one)[1])
    assert len(backups()) == 4
    write(first, 'damage')
    restore(two)
    assert digest(first) == changed[0]
    away(it)


def a_snapshot_on_the_backend_and_a_backup_of_one():
    for mode in ('snapshot', 'snapshot+backup'):
        it = volume(mode)
        of, before = stack(mode.replace('+', '-'), it), digest(it)
        made = snapshot(of, volumes=mode)
        assert len(backups()) == (1 if mode == 'snapshot+backup' else 0)
        if mode == 'snapshot+backup':
            write(it, 'damage')
            restore(made)
            assert digest(it) == before
        away(of)


def a_volume_that_was_deleted_is_made_anew():
    first = volume('gone')
    it, before = stack('gone', first), digest(first)
    made = snapshot(it)
    cinder('DELETE', f'/volumes/{first}')
    until('it is gone', lambda: 'volume' not in cinder('GET', f'/volumes/{first}'))
    restore(made)
    new = ask('GET', f'{it}/resources/v0')[0]['resource']['physical_resource_id']
    assert new != first and digest(new) == before
    found = cinder('GET', f'/volumes/{new}')['volume']
    assert (found['name'], found['metadata']) == ('data', {'purpose': 'test'}), found
    away(it)


def killed_while_a_backup_is_creating_there_is_one():
    it = volume('killed')
    of, before = stack('killed', it), digest(it)
    daemon('cinder-backup', signal.SIGSTOP)
    made, operation = ask('POST', f'{of}/snapshots', {})
    until('it is creating', lambda: [one for one in backups() if one['status'] == 'creating'])
    service.kill()
    service.start()
    daemon('cinder-backup', signal.SIGCONT)
    completes(operation)
    assert len(backups()) == 1, backups()
    write(it, 'damage')
    restore(f"{of}/snapshots/{made['id']}")
    assert digest(it) == before
    away(of)


def a_quota_that_is_full_is_told():
    it = stack('quota', volume('quota'))
    admin = session.Session(auth=v3.Password(
        auth_url=env('KEYSTONE'), username='admin', password=env('SECRET'), project_name='admin',
        user_domain_id='default', project_domain_id='default'))

    def quota(backups):
        answer = admin.put(f'/os-quota-sets/{cloud.get_project_id()}', json={'quota_set': {'backups': backups}},
                           endpoint_filter={'service_type': 'block-storage'})
        assert answer.status_code == 200
    quota(0)
    try:
        found = ended(ask('POST', f'{it}/snapshots', {})[1])
    finally:
        quota(100)
    assert found['state'] == 'failed' and "quota is full" in found['reason'], found
    away(it)


CHECKS = [
    two_volumes_come_back_byte_for_byte_and_nothing_is_left,
    a_snapshot_on_the_backend_and_a_backup_of_one,
    a_volume_that_was_deleted_is_made_anew,
    killed_while_a_backup_is_creating_there_is_one,
    a_quota_that_is_full_is_told,
]

service.start()
failed = 0
for check in CHECKS:
    began = time.time()
    try:
        check()
        print(f'ok     {check.__name__}, {time.time() - began:.0f} s', flush=True)
    except Exception as error:
        failed += 1
        print(f'FAILED {check.__name__}: {error!r}', flush=True)
service.kill()
print(f'{len(CHECKS) - failed} passed, {failed} failed')
