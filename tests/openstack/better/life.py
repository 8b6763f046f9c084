"""Restoring, updating after it, deleting at the end: rows 1, 5 and 2, one stack's life."""
from subject import better

VOLUME = {'type': 'OS::Cinder::Volume', 'properties': {'size': 1}}


def of(value):
    return {'vol': VOLUME, 'value': {'type': 'OS::Heat::TestResource', 'properties': {'value': value}}}


def a_second_restore_restores_again(at):
    stack = at.kept['stack'] = at.stack('life', of('one'))
    volume = at.kept['volume'] = stack.physical('vol')
    at.cloud.write(volume, 'good')
    good = at.cloud.digest(volume)
    snapshot = stack.takes(name='good')
    at.cloud.write(volume, 'damage')
    stack.restore(snapshot)
    assert at.cloud.digest(volume) == good, 'the first restore brings the bytes back'
    at.cloud.write(volume, 'worse')
    stack.restore(snapshot)
    better(at.cloud.digest(volume) == good, 'RESTORE_COMPLETE, and the volume keeps what was wrong')


def an_update_with_the_users_own_template_works_after_a_restore(at):
    stack, volume = at.kept['stack'], at.kept['volume']
    template = stack.body['template'] | {'resources': of('two')}
    found = stack.update(template=template)
    better(found['stack_status'] == 'UPDATE_COMPLETE', f'{found["stack_status"]}: {found["stack_status_reason"]}')
    assert stack.physical('vol') == volume


def a_stack_that_is_deleted_leaves_no_backup(at):
    stack, volume = at.kept['stack'], at.kept['volume']
    assert at.cloud.backups(volume), 'there is one as long as the snapshot is there'
    stack.deletes()
    left = [backup['id'] for backup in at.cloud.backups(volume)]
    better(not left, f'DELETE_COMPLETE, and backups are left: {left}')


ROWS = [
    (1, a_second_restore_restores_again),
    (5, an_update_with_the_users_own_template_works_after_a_restore),
    (2, a_stack_that_is_deleted_leaves_no_backup),
]
