"""What Heat's code is known to do, and nobody has seen: row 16, of ours only."""
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


ROWS = [
    (16, of_many_snapshots_at_once_none_becomes_a_ghost),
    (16, a_snapshot_whose_backup_is_gone_or_stuck_can_be_deleted_or_says_why_not),
]
