"""What fails, or has failed before: rows 6 and 8."""
from subject import better, comes, until

VOLUME = {'type': 'OS::Cinder::Volume', 'properties': {'size': 1}}


def a_reason_may_be_as_long_as_it_is(at):
    name = 'a_volume_of_a_rather_long_name_' * 5
    stack = at.stack('reason', {name: VOLUME})
    volume = stack.physical(name)
    at.cloud.cinder('DELETE', f'/volumes/{volume}')
    until('the volume is gone', lambda: 'volume' not in at.cloud.cinder('GET', f'/volumes/{volume}'))
    snapshot = stack.begin_snapshot()
    ended = comes(lambda: stack.snapshot(snapshot)['status'] != 'IN_PROGRESS', 60)
    reason = stack.show()['stack_status_reason']
    better('SQL' not in reason, f'the reason is the database\'s: {reason[:60]}…')
    better(ended, 'the snapshot is IN_PROGRESS for ever')
    found = stack.snapshot(snapshot)
    assert found['status'] == 'FAILED' and volume in found['status_reason'], found
    stack.removes(snapshot)


def what_was_never_made_is_not_called_protected(at):
    stack = at.stack('halfway', {
        'good': {'type': 'OS::Heat::TestResource', 'properties': {'value': 'a'}},
        'bad': {'type': 'OS::Heat::TestResource', 'properties': {'value': 'b', 'fail': True}},
        'never': {'type': 'OS::Heat::TestResource', 'properties': {'value': 'c'}, 'depends_on': 'bad'},
    }, wanted='CREATE_FAILED')
    snapshot = stack.begin_snapshot()
    found = stack.snapshot_ends(snapshot)
    told = all(name in (found['status_reason'] or '') for name in ('bad', 'never'))
    better(told, f'{found["status"]}: {found["status_reason"]}')
    stack.rests()
    stack.deletes()


ROWS = [
    (6, a_reason_may_be_as_long_as_it_is),
    (8, what_was_never_made_is_not_called_protected),
]
