"""Of ours only: what Heat's code is known to do, and nobody has seen (row 16), and what Heat has not at all (0)."""
import concurrent.futures

from subject import until

VOLUME = {'type': 'OS::Cinder::Volume', 'properties': {'size': 1}}


def of_many_snapshots_at_once_none_becomes_a_ghost(at):
    stack = at.stack('ghosts', {'t': {'type': 'OS::Heat::TestResource', 'properties': {'value': 'a'}}})
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: at.ask('POST', f'{stack.path}/snapshots', {}), range(6)))
    codes = sorted(answer.status_code for answer in answers)
    assert 200 in codes and set(codes) <= {200, 409}, codes
    until('all have ended', lambda: all(one['status'] != 'IN_PROGRESS' for one in stack.snapshots()))
    found = stack.snapshots()
    assert len(found) == codes.count(200) and all(one['status'] == 'COMPLETE' for one in found), found
    stack.deletes()


def a_snapshot_whose_backup_is_gone_or_stuck_can_be_deleted_or_says_why_not(at):
    stack = at.stack('backupless', {'vol': VOLUME})
    volume = stack.physical('vol')
    snapshot = stack.takes()
    backup = at.cloud.backups(volume)[0]['id']
    at.cloud.backup_is(backup, 'error_deleting')
    assert at.ask('DELETE', f'{stack.path}/snapshots/{snapshot}').status_code == 204
    found = until('it failed', lambda: (one := stack.snapshot(snapshot))['status'] == 'FAILED' and one)
    assert found['action'] == 'DELETE' and 'error_deleting' in found['status_reason'], found
    at.cloud.backup_is(backup, 'available')
    at.cloud.cinder('DELETE', f'/backups/{backup}')
    until('the backup is gone', lambda: not at.cloud.backups(volume))
    stack.removes(snapshot)
    stack.deletes()


def a_token_that_is_revoked_half_way_stops_nothing(at):
    stack = at.stack('revoked', {'vol': VOLUME})
    volume, mine = stack.physical('vol'), at.cloud.as_user(at.cloud.user)
    at.cloud.write(volume, 'good')
    good = at.cloud.digest(volume)

    def begins(path, wanted):
        """By a token of its own, which is revoked as soon as the request is accepted."""
        token, keystone = mine.get_token(), at.cloud.env['KEYSTONE']
        answer = mine.post(path, json={}, endpoint_override=f'{at.url}/{at.cloud.project}', raise_exc=False)
        assert answer.status_code == wanted, answer.text
        headers = {'X-Auth-Token': token, 'X-Subject-Token': token}
        gone = at.cloud.session.delete(f'{keystone}/auth/tokens', headers=headers, authenticated=False)
        assert gone.status_code == 204
        seen = at.cloud.session.get(f'{keystone}/auth/tokens', headers=headers, authenticated=False, raise_exc=False)
        assert seen.status_code == 401, seen.status_code
        mine.invalidate()
        return answer

    made = begins(f'{stack.path}/snapshots', 200).json()['id']
    assert stack.snapshot(made)['status'] == 'IN_PROGRESS', 'it is revoked before the end'
    found = stack.snapshot_ends(made)
    assert found['status'] == 'COMPLETE', found['status_reason']
    stack.rests()
    at.cloud.write(volume, 'damage')
    stack.acts('RESTORE', lambda: begins(f'{stack.path}/snapshots/{made}/restore', 202))
    stack.rests('RESTORE_COMPLETE')
    assert at.cloud.digest(volume) == good
    stack.deletes()


def what_came_into_the_stack_since_is_kept_before_heat_deletes_it(at):
    stack = at.stack('grown', {'vol': VOLUME})
    made = stack.takes()
    body = stack.body['template'] | {'resources': {'vol': VOLUME, 'more': VOLUME}}
    assert stack.update(template=body)['stack_status'] == 'UPDATE_COMPLETE'
    more = stack.physical('more')
    at.cloud.write(more, 'new since')
    good = at.cloud.digest(more)
    stack.acts('RESTORE', lambda: at.ask('POST', f'{stack.path}/snapshots/{made}/restore?safety=true'))
    stack.rests('RESTORE_COMPLETE')
    assert more not in [one['id'] for one in at.cloud.cinder('GET', '/volumes/detail')['volumes']]
    safety = at.get(f'{stack.path}/snapshots?kind=safety')['snapshots']
    assert [one['status'] for one in safety] == ['COMPLETE'], safety
    stack.restore(safety[0]['id'])
    assert at.cloud.digest(stack.physical('more')) == good
    stack.deletes()


ROWS = [
    (0, a_token_that_is_revoked_half_way_stops_nothing),
    (0, what_came_into_the_stack_since_is_kept_before_heat_deletes_it),
    (16, of_many_snapshots_at_once_none_becomes_a_ghost),
    (16, a_snapshot_whose_backup_is_gone_or_stuck_can_be_deleted_or_says_why_not),
]
