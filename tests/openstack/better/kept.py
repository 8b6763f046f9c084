"""What is kept, and of whom: rows 9, 10 and 15."""
import json

from subject import better, until

VOLUME = {'type': 'OS::Cinder::Volume', 'properties': {'size': 1}}
NESTED = json.dumps({'heat_template_version': '2018-08-31', 'resources': {'inner': VOLUME}})


def a_volume_of_a_nested_stack_is_protected_too(at):
    stack = at.stack('nested', {'n': {'type': 'nested.yaml'}}, files={'nested.yaml': NESTED})
    volume = stack.physical('n.inner')
    snapshot = stack.takes()
    better(at.cloud.backups(volume), 'COMPLETE, and nothing of the nested volume is kept')
    stack.removes(snapshot)
    assert at.cloud.backups(volume) == []
    stack.deletes()


def hidden_parameters_are_not_told(at):
    parameters = {'pw': {'type': 'string', 'hidden': True}}
    resources = {'t': {'type': 'OS::Heat::TestResource', 'properties': {'value': {'get_param': 'pw'}}}}
    stack = at.stack('hidden', resources, template={'parameters': parameters}, parameters={'pw': 'hush-hush'})
    snapshot = stack.takes()
    told = json.dumps(stack.snapshot(snapshot)) + json.dumps(stack.snapshots())
    better('hush-hush' not in told, 'a hidden parameter\'s value is in the snapshot\'s data')
    stack.deletes()


def a_stack_that_is_abandoned_keeps_its_snapshots(at):
    stack = at.stack('left', {'vol': VOLUME})
    volume = stack.physical('vol')
    at.cloud.write(volume, 'good')
    good = at.cloud.digest(volume)
    snapshot = stack.takes()
    answer = at.ask('DELETE', f'{stack.path}/abandon')
    assert answer.status_code == 200, answer.text
    until('it is abandoned', lambda: at.ask('GET', '/stacks/left').status_code == 404)
    assert at.cloud.backups(volume), 'an abandoned stack\'s backups stay'
    made = at.ask('POST', '/stacks', {'stack_name': 'left', 'adopt_stack_data': answer.text, 'template': None,
                                      'timeout_mins': 60})
    assert made.status_code == 201, made.text
    again = type(stack)(at, 'left', made.json()['stack']['id'], stack.body)
    again.rests('ADOPT_COMPLETE')
    known = [one['id'] for one in again.snapshots()]
    better(snapshot in known, f'the backup is there, and no snapshot: {known}')
    at.cloud.write(volume, 'damage')
    again.restore(snapshot)
    assert at.cloud.digest(volume) == good and again.physical('vol') == volume
    again.deletes()
    assert at.cloud.backups(volume) == []


ROWS = [
    (9, a_volume_of_a_nested_stack_is_protected_too),
    (10, hidden_parameters_are_not_told),
    (15, a_stack_that_is_abandoned_keeps_its_snapshots),
]
