"""Snapshots and restores containers of a real Swift, and compares what anybody can see of them. See `run`.

Each check is one function with containers of its own. The last line says how many passed.
"""
import hashlib
import json
import random
import urllib.parse

from service import ask, cloud, completes, ended, restore, run, service, snapshot, stack, until

KEPT = ('content-type', 'content-encoding', 'content-disposition', 'x-delete-at', 'x-object-manifest',
        'x-static-large-object', 'x-symlink-target', 'etag', 'content-length')


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


def of_container(name):
    return stack(name, {'files': {'type': 'OS::Swift::Container', 'external_id': name}})


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
    it = of_container(name)
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
    it = of_container(name)
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
        it = of_container(name)
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
    it = of_container(name)
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
    it = of_container(name)
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

run(CHECKS)
