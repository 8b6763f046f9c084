"""Two things at once to the same stack: rows 4, 12 and 14."""
import time

from subject import better, comes, until

VOLUME = {'type': 'OS::Cinder::Volume', 'properties': {'size': 1}}


def many(value, count=8):
    return {f't{at}': {'type': 'OS::Heat::TestResource', 'properties': {'value': value}} for at in range(count)}


def a_snapshot_under_which_the_stack_is_updated_comes_to_an_end(at):
    stack = at.stack('preempted', {'vol': VOLUME, 'value': many('one', 1)['t0']})
    volume = stack.physical('vol')
    snapshot = stack.begin_snapshot()
    until('the backup has begun', lambda: at.cloud.backups(volume))
    body = {key: value for key, value in stack.body.items() if key != 'stack_name'}
    body['template'] = body['template'] | {'resources': {'vol': VOLUME, 'value': many('two', 1)['t0']}}
    answer = at.ask('PUT', stack.path, body)
    assert answer.status_code in (202, 409), answer.text
    until('the backup is there', lambda: all(backup['status'] == 'available' for backup in at.cloud.backups(volume)))
    ended = comes(lambda: stack.snapshot(snapshot)['status'] != 'IN_PROGRESS', 60)
    better(ended, 'IN_PROGRESS for ever')
    assert stack.snapshot(snapshot)['status'] == 'COMPLETE', stack.snapshot(snapshot)
    stack.removes(snapshot)
    stack.deletes()


def no_restore_begins_while_the_stack_is_worked_on(at):
    stack = at.stack('twice', many('one'))
    snapshot = stack.takes()
    body = {key: value for key, value in stack.body.items() if key != 'stack_name'}
    body['template'] = body['template'] | {'resources': many('two')}
    assert at.ask('PUT', stack.path, body).status_code == 202
    assert stack.status() == 'UPDATE_IN_PROGRESS'
    answer = at.ask('POST', f'{stack.path}/snapshots/{snapshot}/restore')
    better(answer.status_code == 409, f'{answer.status_code}: a restore is begun in the middle of an update')
    stack.rests('UPDATE_COMPLETE')
    stack.deletes()


def a_stack_shows_its_snapshot_as_soon_as_it_is_accepted(at):
    # Also Heat 27 does.
    stack = at.stack('race', {'vol': VOLUME})
    for attempt in range(3):
        snapshot = stack.begin_snapshot()
        # Heat 19 may not yet have begun, or may just have: it is asked as often as it shows something else.
        seen = stack.status()
        better(seen == 'SNAPSHOT_IN_PROGRESS', f'{seen} after a snapshot was accepted (attempt {attempt})')
        stack.snapshot_ends(snapshot)
        stack.rests()
        time.sleep(0.1)
    stack.deletes()


ROWS = [
    (4, a_snapshot_under_which_the_stack_is_updated_comes_to_an_end),
    (12, no_restore_begins_while_the_stack_is_worked_on),
    (14, a_stack_shows_its_snapshot_as_soon_as_it_is_accepted),
]
