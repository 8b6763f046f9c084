"""Snapshots and restores containers of a real Swift, and compares what anybody can see of them. See `run`.

Each check is one function with containers of its own. The last line says how many passed.
"""
import hashlib
import json
import os
import random
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

from keystoneauth1 import session
from keystoneauth1.identity import v3

BINARY, CONFIG, URL, STATE = sys.argv[1:]
WAIT = 600  # seconds, for anything: two cores may have a lot to do
KEPT = ('content-type', 'content-encoding', 'content-disposition', 'x-delete-at', 'x-object-manifest',
        'x-static-large-object', 'x-symlink-target', 'etag', 'content-length')


def env(name):
    with open(f'{STATE}/env') as lines:
        return dict(line.strip().split('=', 1) for line in lines)[name]


cloud = session.Session(auth=v3.Password(
    auth_url=env('KEYSTONE'), username='demo', password=env('SECRET'), project_name='demo', user_domain_id='default',
    project_domain_id='default'))


def swift(method, container, name=None, data=None, headers=None, query='', good=True):
    # One part, with its slashes escaped: an object named `..` would else lead out of its container.
    path = '/' + urllib.parse.quote(container if name is None else f'{container}/{name}', safe='')
    answer = cloud.request(path + query, method, data=data, headers=headers or {}, raise_exc=False,
                           endpoint_filter={'service_type': 'object-store'})
    assert not good or answer.status_code < 300, (method, path, answer.status_code, answer.text[:500])
    return answer


def put(container, name, data=b'', query='', **headers):
    swift('PUT', container, name, data, {key.replace('_', '-'): value for key, value in headers.items()}, query)


def slo(container, name, *segments):
    manifest = [{'path': f'/{place}'} for place in segments]
    put(container, name, json.dumps(manifest).encode(), '?multipart-manifest=put', content_type='image/x')


def listed(container):
    return swift('GET', container, query='?format=json').json()


def own(container):
    headers = swift('HEAD', container).headers
    return sorted((key.lower(), value) for key, value in headers.items()
                  if key.lower().startswith(('x-container-meta-', 'x-container-read', 'x-container-write', 'x-versions',
                                             'x-history')))


def shown(container):
    """All that anybody can see: names, bytes, headers."""
    found = {'': own(container)}
    for one in listed(container):
        answer = swift('GET', container, one['name'])
        itself = swift('HEAD', container, one['name'], query='?multipart-manifest=get&symlink=get')
        headers = sorted((key.lower(), value) for key, value in answer.headers.items()
                         if key.lower() in KEPT or key.lower().startswith('x-object-meta-'))
        kind = [itself.headers.get(key) for key in ('x-object-manifest', 'x-static-large-object', 'x-symlink-target')]
        # Where Swift keeps versions, an object is a link to its newest one.
        kind = [None if '?version-id=' in (it or '') else it for it in kind]
        found[one['name']] = (hashlib.sha256(answer.content).hexdigest(), headers, kind)
    return found


def times(container):
    return {one['name']: one['last_modified'] for one in listed(container)}


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
        time.sleep(0.1)
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


def stack(container):
    template = {'heat_template_version': '2018-08-31',
                'resources': {'files': {'type': 'OS::Swift::Container', 'external_id': container}}}
    made, operation = ask('POST', '/stacks', {'stack_name': container, 'template': template})
    completes(operation)
    return f"/stacks/{container}/{made['stack']['id']}"


def snapshot(of):
    made, operation = ask('POST', f'{of}/snapshots', {})
    completes(operation)
    return f"{of}/snapshots/{made['id']}"


def restore(of):
    completes(ask('POST', f'{of}/restore', {'safety': False})[1])


def artifact(of):
    return ask('GET', of)[0]['snapshot']['data']['resources']['files']['artifact']


NAMES = ['a', 'a.b', 'a/b', 'a0', 'dir/', '//', '..', '.', '%2F', 'ü/ö', 'sp ace?&#', 'z\n', 'empty']


def filled(container):
    swift('PUT', container, headers={'X-Container-Read': '.r:*, .rlistings', 'X-Container-Meta-Color': 'red'})
    for name in NAMES:
        put(container, name, b'' if name == 'empty' else f'content of {name}'.encode())
    put(container, 'typed', b'x', content_type='text/x; charset=y', x_object_meta_a='1', x_delete_at='4000000000',
        content_disposition='attachment; filename=x')
    put(container, 'large', random.Random(container).randbytes(8 << 20))
    put(container, 'parts/1', b'one')
    put(container, 'parts/2', b'two')
    put(container, 'dynamic', x_object_manifest=f'{container}/parts/')
    slo(container, 'static', f'{container}/parts/2', f'{container}/parts/1')
    slo(container, 'a-nested', f'{container}/static', f'{container}/parts/1')
    swift('PUT', container + '-parts')
    for name in ('dyn/1', 'dyn/2', 'seg/1', 'seg/2', 'other'):
        put(container + '-parts', name, name.encode())
    put(container, 'far', x_object_manifest=f'{container}-parts/dyn/')
    slo(container, 'far-static', f'{container}-parts/seg/2', f'{container}-parts/seg/1')
    put(container, 'link', x_symlink_target=f'{container}/a')
    for number in range(60):
        put(container, f'log/{number:04}', f'line {number}'.encode())


def damaged(container, round):
    put(container, 'a', f'damage {round}'.encode())
    put(container, f'extra/{round}', b'extra')
    put(container, 'large', random.Random(round).randbytes(8 << 20))
    for name in ('static', 'parts/1', 'log/0007', '..'):
        swift('DELETE', container, name)
    swift('POST', container, 'typed', headers={'X-Object-Meta-B': '2', 'Content-Type': 'text/other'})
    swift('POST', container, headers={'X-Container-Meta-Color': 'blue', 'X-Container-Meta-New': str(round),
                                      'X-Container-Read': 'other'})
    swift('DELETE', container + '-parts', 'dyn/1')
    put(container + '-parts', 'dyn/3', b'an extra part')
    put(container + '-parts', 'seg/1', b'another part')


def everything_comes_back_twice_and_what_was_as_it_should_be_is_not_touched():
    name = 'whole'
    filled(name)
    before, at, parts = shown(name), times(name), shown(name + '-parts')
    it = stack(name)
    made = snapshot(it)
    assert artifact(made)['consistency'] == 'crash', artifact(made)
    for round in (1, 2):
        damaged(name, round)
        restore(made)
        now = shown(name)
        assert now == before, [(key, before.get(key), now.get(key)) for key in {**now, **before} if
                               now.get(key) != before.get(key)]
        assert shown(name + '-parts') == parts
    after = times(name)
    untouched = [key for key in at if key.startswith('log/') and key != 'log/0007']
    assert all(at[key] == after[key] for key in untouched + ['a0', 'dynamic', 'far', 'link'])
    # A second snapshot after a change has little to copy.
    put(name, 'log/0050', b'changed')
    second = snapshot(it)
    found = artifact(second)
    assert found['bytes_added'] < 1 << 20, found
    restore(made)
    assert shown(name) == before
    completes(ask('POST', f'{made}/verify', {})[1])
    completes(ask('DELETE', it)[1])
    assert shown(name) == before, 'the container itself is not ours to delete'


def a_container_that_was_deleted_is_made_again():
    name = 'gone'
    filled(name)
    before = shown(name)
    it = stack(name)
    made = snapshot(it)
    for container in (name, name + '-parts'):
        for one in listed(container):
            swift('DELETE', container, one['name'])
        swift('DELETE', container)
    restore(made)
    assert shown(name) == before
    assert [one['name'] for one in listed(name + '-parts')] == ['dyn/1', 'dyn/2', 'seg/1', 'seg/2']


def old_versions_and_quotas_are_out_of_the_way():
    for number, headers in enumerate(({'X-Versions-Location': 'old'}, {'X-History-Location': 'old'},
                                      {'X-Versions-Enabled': 'true'})):
        name = f'versions-{number}'
        swift('PUT', 'old')
        swift('PUT', name, headers=headers)
        put(name, 'one', b'1')
        put(name, 'two', b'22')
        swift('POST', name, headers={'X-Container-Meta-Quota-Bytes': '4'})
        before, old = shown(name), len(listed('old'))
        it = stack(name)
        made = snapshot(it)
        swift('POST', name, headers={'X-Container-Meta-Quota-Bytes': '100'})
        swift('DELETE', name, 'two')
        put(name, 'one', b'x')
        put(name, 'extra', b'yy')
        old = len(listed('old'))
        restore(made)
        assert shown(name) == before, (headers, before, shown(name))
        assert len(listed('old')) == old, (headers, listed('old'))


def killed_in_the_middle_of_a_restore_it_is_finished():
    name = 'killed'
    filled(name)
    before = shown(name)
    it = stack(name)
    made = snapshot(it)
    for one in listed(name):
        swift('DELETE', name, one['name'])
    operation = ask('POST', f'{made}/restore', {'safety': False})[1]
    until('some of it is there', lambda: len(listed(name)) > 5)
    service.kill()
    assert len(listed(name)) < len(before) - 1, 'it was over before it was killed'
    service.start()
    completes(operation)
    assert shown(name) == before


def what_stands_in_the_way_is_told():
    name = 'told'
    swift('PUT', name)
    put(name, 'one', b'1')
    it = stack(name)
    made = snapshot(it)
    swift('DELETE', name, 'one')
    plan = completes(ask('POST', f'{made}/plan', {})[1])
    assert 'create one' in json.dumps(plan), plan
    swift('DELETE', name)
    found = ended(ask('POST', f'{it}/snapshots', {})[1])
    assert found['state'] == 'failed' and 'there is no container' in found['reason'], found


CHECKS = [
    everything_comes_back_twice_and_what_was_as_it_should_be_is_not_touched,
    a_container_that_was_deleted_is_made_again,
    old_versions_and_quotas_are_out_of_the_way,
    killed_in_the_middle_of_a_restore_it_is_finished,
    what_stands_in_the_way_is_told,
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
