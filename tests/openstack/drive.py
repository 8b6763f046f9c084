"""Snapshots and restores volumes of a real Cinder, and compares their bytes. See `run`.

Each check is one function; the order matters, for they share the cloud. The last line says how many passed.
"""
import hashlib
import os
import signal

from service import STATE, ask, cloud, completes, ended, restore, run, service, snapshot, stack, until, user


def cinder(method, path, body=None, by=cloud):
    answer = by.request(path, method, json=body, raise_exc=False, endpoint_filter={'service_type': 'block-storage'},
                        headers={'OpenStack-API-Version': 'volume 3.43'})
    assert answer.status_code < 500, (method, path, answer.status_code, answer.text)
    return answer.json() if answer.text else {}


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


def of_volumes(name, *volumes):
    return stack(name, {f'v{number}': {'type': 'OS::Cinder::Volume', 'external_id': it} for number, it in enumerate(volumes)})


def away(of):
    completes(ask('DELETE', of)[1])
    assert backups() == [], backups()
    assert cinder('GET', '/snapshots/detail')['snapshots'] == []


def daemon(name, what):
    with open(f'{STATE}/run/{name}.pid') as it:
        os.killpg(int(it.read().split()[0]), what)


def two_volumes_come_back_byte_for_byte_and_nothing_is_left():
    first, second = volume('one'), volume('two')
    it = of_volumes('bytes', first, second)
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
        of, before = of_volumes(mode.replace('+', '-'), it), digest(it)
        made = snapshot(of, volumes=mode)
        assert len(backups()) == (1 if mode == 'snapshot+backup' else 0)
        if mode == 'snapshot+backup':
            write(it, 'damage')
            restore(made)
            assert digest(it) == before
        away(of)


def volumes_of_one_group_are_cut_at_once():
    kind = cinder('POST', '/group_types', {'group_type': {'name': 'driven'}}, user('admin'))['group_type']['id']
    new = {'name': 'driven', 'group_type': kind, 'volume_types': ['__DEFAULT__']}
    group = cinder('POST', '/groups', {'group': new})['group']['id']

    def is_there():
        return cinder('GET', f'/groups/{group}')['group']['status'] == 'available'
    until('the group', is_there)
    one, two = volume('one'), volume('two')
    cinder('PUT', f'/groups/{group}', {'group': {'add_volumes': f'{one},{two}'}})
    until('both are in it', is_there)
    before = digest(one), digest(two)

    def wholes():
        return cinder('GET', '/group_snapshots/detail')['group_snapshots']
    for mode in ('snapshot', 'snapshot+backup'):
        of = of_volumes('group-' + mode.replace('+', '-'), one, two)
        made = snapshot(of, volumes=mode)
        parts = cinder('GET', '/snapshots/detail')['snapshots']
        if mode == 'snapshot':
            assert len(wholes()) == 1 and wholes()[0]['name'].startswith('stacksnap-'), wholes()
            assert [it['group_snapshot_id'] for it in parts] == [wholes()[0]['id']] * 2, parts
            assert {it['metadata']['stacksnap_resource'] for it in parts} == {'v0', 'v1'}, parts
        else:
            # Each backup is of a part, and the last of them took the whole along.
            assert len(backups()) == 2 and all(it['snapshot_id'] for it in backups()), backups()
            assert (wholes(), parts) == ([], [])
            write(one, 'damage')
            write(two, 'damage')
            restore(made)
            assert (digest(one), digest(two)) == before
        away(of)
        assert wholes() == []
    cinder('PUT', f'/groups/{group}', {'group': {'remove_volumes': f'{one},{two}'}})
    until('none is in it', is_there)
    cinder('POST', f'/groups/{group}/action', {'delete': {'delete-volumes': False}})


def a_volume_that_was_deleted_is_made_anew():
    first = volume('gone')
    it, before = of_volumes('gone', first), digest(first)
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
    of, before = of_volumes('killed', it), digest(it)
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
    it = of_volumes('quota', volume('quota'))
    admin = user('admin')

    def quota(backups):
        now = cinder('PUT', f'/os-quota-sets/{cloud.get_project_id()}', {'quota_set': {'backups': backups}}, admin)
        assert now['quota_set']['backups'] == backups, now
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
    volumes_of_one_group_are_cut_at_once,
    a_volume_that_was_deleted_is_made_anew,
    killed_while_a_backup_is_creating_there_is_one,
    a_quota_that_is_full_is_told,
]

run(CHECKS)
