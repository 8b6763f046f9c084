"""What a user does with OpenStack's own clients, one check a function, in order; `run` says where everything is.

A check that fails does not stop the others. A command that was meant to end well and did not is shown with all it said.
"""
import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.error
import urllib.request

import openstack
from keystoneauth1 import session
from keystoneauth1.identity import v3

KEYSTONE, SECRET, VENV, ENDPOINT = (os.environ[name] for name in ('KEYSTONE', 'SECRET', 'VENV', 'ENDPOINT'))
REGISTRY = os.environ['MODE'] == 'registry'
BARE = os.environ.get('HEAT')  # the Heat behind, without us before it
TEMPLATES = pathlib.Path(__file__).parent / 'templates'
SITE = pathlib.Path(os.environ['SRV']) / 'site'
CHECKS = []
STATE = {}  # what one check leaves to the next


def check(function):
    CHECKS.append(function)
    return function


# --- the clients -------------------------------------------------------------------------------------------------------
def environment(user='demo', project='demo'):
    keep = {name: value for name, value in os.environ.items() if not name.startswith(('OS_', 'STACKSNAP_'))}
    return keep | {
        'OS_AUTH_URL': KEYSTONE, 'OS_IDENTITY_API_VERSION': '3', 'OS_REGION_NAME': 'RegionOne', 'OS_USERNAME': user,
        'OS_PASSWORD': SECRET, 'OS_PROJECT_NAME': project, 'OS_USER_DOMAIN_NAME': 'Default',
        'OS_PROJECT_DOMAIN_NAME': 'Default', 'PYTHONWARNINGS': 'ignore'}


def command(*words, user='demo', project='demo', status=0, env=None):
    """Runs one of the clients; what it printed. `status` is what it must end with; None for anything but 0."""
    words = [str(word) for word in words]
    ran = subprocess.run([f'{VENV}/bin/{words[0]}', *words[1:]], env=env or environment(user, project), timeout=180,
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if ran.returncode != status and not (status is None and ran.returncode != 0):
        raise AssertionError(f'{" ".join(words)}: status {ran.returncode}\n{ran.stdout}')
    return ran.stdout


def cli(*words, **more):
    return command('openstack', *words, **more)


def read(*words, **more):
    """What a command says as JSON. Commands differ in how they spell a column: "Stack Name" becomes stack_name."""
    text = cli(*words, '-f', 'json', **more)
    found = json.loads(text[min(at for at in (text.find('{'), text.find('[')) if at >= 0):])
    plain = lambda row: {name.lower().replace(' ', '_'): value for name, value in row.items()}  # noqa: E731
    return [plain(row) for row in found] if isinstance(found, list) else plain(found)


def heat(*words, **more):
    return command('heat', *words, **more)


def token(user='demo', project='demo', **scope):
    scope = scope or {'project_name': project, 'project_domain_id': 'default'}
    auth = v3.Password(auth_url=KEYSTONE, username=user, password=SECRET, user_domain_id='default', **scope)
    made = session.Session(auth=auth)
    return made.get_token(), made.get_project_id()


def ask(path, token=None, method='GET', body=None, of=ENDPOINT):
    """A raw request: status, headers and body."""
    headers = {'Accept': 'application/json', 'Content-Type': 'application/json'}
    if token:
        headers['X-Auth-Token'] = token
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(of + path, data=data, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, json.loads(answer.read() or 'null')
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers, json.loads(answer.read() or 'null')


def until(what, found, seconds=90):
    end = time.monotonic() + seconds
    while True:
        last = found()
        if last is True:
            return
        if time.monotonic() > end:
            raise AssertionError(f'waited in vain for {what}: {last}')
        time.sleep(0.3)


def raw(path):
    """The body of a GET by demo, for what is asked again and again: a command takes seconds to start."""
    if 'token' not in STATE:
        STATE['token'], STATE['project'] = token()
    status, _, body = ask(f'/v1/{STATE["project"]}{path}', STATE['token'])
    equal(status, 200)
    return body


def status_is(stack, wanted):
    def found():
        status = raw(f'/stacks/{stack}')['stack']['stack_status']
        assert status == wanted or not status.endswith('_FAILED'), status
        return status == wanted or status
    until(f'{stack} {wanted}', found)


def output(stack, key):
    outputs = raw(f'/stacks/{stack}')['stack']['outputs']
    return next(one['output_value'] for one in outputs if one['output_key'] == key)


def snapshots(stack='one'):
    """By name, as the API lists them."""
    stack = raw(f'/stacks/{stack}')['stack']
    rows = raw(f'/stacks/{stack["stack_name"]}/{stack["id"]}/snapshots')['snapshots']
    return {row['name']: row for row in rows}


def snapshot(stack, name):
    """Takes one and waits for it; its id."""
    made = read('stack', 'snapshot', 'create', '--name', name, stack)
    equal((made['status'], made['action'], made['name']), ('IN_PROGRESS', 'CREATE', name))

    def found():
        row = snapshots(stack)[name]
        assert row['status'] != 'FAILED', row
        return row['status'] == 'COMPLETE' or row['status']
    until(f'snapshot {name}', found)
    return made['id']


def equal(found, expected):
    assert found == expected, f'{found!r} is not {expected!r}'


def holds(text, *parts):
    for part in parts:
        assert part in text, f'{part!r} is not in:\n{text}'


# --- who gets in -------------------------------------------------------------------------------------------------------
@check
def without_a_token_it_is_401():
    for given in (None, 'nonsense'):
        status, headers, body = ask('/v1/p/stacks', given)
        equal(status, 401)
        equal(body, {'error': {'code': 401, 'title': 'Unauthorized',
                               'message': 'The request you have made requires authentication.'}})
        equal(headers['WWW-Authenticate'], f'Keystone uri="{KEYSTONE}"')


@check
def a_token_opens_its_own_project_only():
    demo, project = token()
    alt, other = token('alt', 'alt')
    admin, _ = token('admin', 'admin')
    equal(ask(f'/v1/{project}/stacks', demo)[0], 200)
    status, _, body = ask(f'/v1/{project}/stacks', alt)
    equal((status, body['error']['type'], body['error']['message']),
          (403, 'HTTPForbidden', 'Access was denied to this resource.'))
    equal(ask(f'/v1/{other}/stacks', demo)[0], 403)
    equal(ask(f'/v1/{project}/stacks', admin)[0], 200)


@check
def a_token_without_a_project_opens_none():
    _, project = token()
    unscoped, _ = token(unscoped=True)
    system, _ = token('admin', system_scope='all')
    equal(ask(f'/v1/{project}/stacks', unscoped)[0], 403)
    # What is Heat's is decided by Heat, and its releases do not agree.
    equal(ask(f'/v1/{project}/stacks', system)[0], 200 if REGISTRY else ask(f'/v1/{project}/stacks', system, of=BARE)[0])


@check
def a_reader_reads():
    reader, project = token('rita')
    equal(ask(f'/v1/{project}/stacks', reader)[0], 200)
    make = {'template': {'heat_template_version': '2018-08-31'}}
    status, _, body = ask(f'/v1/{project}/stacks', reader, 'POST', make | {'stack_name': 'readers'})
    if not REGISTRY:
        # Whether a reader may is decided by Heat: 19 lets everybody, 27 does not.
        bare, _, expected = ask(f'/v1/{project}/stacks', reader, 'POST', make | {'stack_name': 'bare'}, of=BARE)
        equal((status, body.get('error')), (bare, expected.get('error')))
        if status == 201:
            cli('stack', 'delete', '-y', '--wait', 'readers', 'bare')
            return
    equal((status, body['error']['message']), (403, 'You are not authorized to use stacks:create.'))


@check
def an_application_credential_is_as_good():
    made = read('application', 'credential', 'create', 'mine')
    env = {name: value for name, value in environment().items()
           if name not in ('OS_USERNAME', 'OS_PASSWORD', 'OS_PROJECT_NAME', 'OS_USER_DOMAIN_NAME',
                           'OS_PROJECT_DOMAIN_NAME')}
    env |= {'OS_AUTH_TYPE': 'v3applicationcredential', 'OS_APPLICATION_CREDENTIAL_ID': made['id'],
            'OS_APPLICATION_CREDENTIAL_SECRET': made['secret']}
    cli('stack', 'list', env=env)
    cli('application', 'credential', 'delete', 'mine')
    cli('stack', 'list', env=env, status=None)


# --- a stack and its snapshots -----------------------------------------------------------------------------------------
@check
def a_stack_is_created_and_waited_for():
    holds(cli('stack', 'create', '-t', TEMPLATES / 'native.yaml', '--parameter', 'word=hushed', '--wait', 'one'),
          'Stack CREATE started', 'Stack CREATE completed successfully', 'CREATE_COMPLETE')
    STATE['secret'] = output('one', 'secret')
    equal(len(STATE['secret']), 16)


@check
def a_stack_is_listed_and_shown():
    row = next(row for row in read('stack', 'list') if row['stack_name'] == 'one')
    equal(row['stack_status'], 'CREATE_COMPLETE')
    shown = read('stack', 'show', 'one')
    equal((shown['stack_owner'], shown['description']), ('demo', 'What works without a cloud'))
    equal((shown['parameters']['label'], shown['parameters']['word']), ('first', '******'))
    equal(read('stack', 'show', shown['id'])['stack_name'], 'one')
    equal(read('stack', 'output', 'show', 'one', 'label')['output_value'], 'first')
    equal({row['output_key'] for row in read('stack', 'output', 'list', 'one')}, {'label', 'secret'})
    holds(cli('stack', 'template', 'show', 'one'), 'OS::Heat::TestResource')
    holds(cli('stack', 'environment', 'show', 'one'), '******')


@check
def resources_and_events_are_listed():
    rows = {row['resource_name']: row for row in read('stack', 'resource', 'list', 'one')}
    equal(set(rows), {'one', 'secret', 'value', 'nothing'})
    equal({row['resource_status'] for row in rows.values()}, {'CREATE_COMPLETE'})
    equal(rows['one']['resource_type'], 'OS::Heat::TestResource')
    shown = read('stack', 'resource', 'show', 'one', 'one')
    equal((shown['resource_name'], shown['attributes']['output']), ('one', 'first'))
    events = read('stack', 'event', 'list', 'one')
    words = [event['resource_status'] for event in events if event['resource_name'] == 'one']
    assert words.count('CREATE_IN_PROGRESS') >= 1 and words.count('CREATE_COMPLETE') >= 1, words
    holds(cli('stack', 'event', 'list', 'one', '--limit', '2', '--sort', 'event_time:desc', '-f', 'log'), 'CREATE')


@check
def a_snapshot_is_taken_listed_and_shown():
    STATE['before'] = snapshot('one', 'before')
    status_is('one', 'SNAPSHOT_COMPLETE')
    row = next(row for row in read('stack', 'snapshot', 'list', 'one') if row['name'] == 'before')
    equal((row['id'], row['action'], row['status']), (STATE['before'], 'CREATE', 'COMPLETE'))
    # Heat has no way to give a random string its value back.
    equal(row['status_reason'], 'Stack SNAPSHOT completed successfully' if REGISTRY else '3 of 4 resources protected; '
          'not: secret (its value was made by chance: if it is gone, another is made)')
    shown = read('stack', 'snapshot', 'show', 'one', STATE['before'])['snapshot']
    equal((shown['status'], shown['data']['name']), ('COMPLETE', 'one'))
    equal(set(shown['data']['resources']), {'one', 'secret', 'value', 'nothing'})
    assert 'hushed' not in json.dumps(shown), 'a hidden parameter is shown'
    equal(snapshot('one', 'unused') in {row['id'] for row in snapshots().values()}, True)
    cli('stack', 'snapshot', 'create', 'one')


@check
def an_update_changes_what_a_snapshot_has_kept():
    status_is('one', 'SNAPSHOT_COMPLETE')
    holds(cli('stack', 'update', '--existing', '--parameter', 'label=second', '--wait', 'one'), 'UPDATE_COMPLETE')
    equal(output('one', 'label'), 'second')
    equal(output('one', 'secret'), STATE['secret'])


@check
def a_snapshot_is_restored_again_and_again():
    for label in ('third', 'fourth'):
        cli('stack', 'snapshot', 'restore', 'one', STATE['before'])
        status_is('one', 'RESTORE_COMPLETE')
        equal((output('one', 'label'), output('one', 'secret')), ('first', STATE['secret']))
        cli('stack', 'update', '--existing', '--parameter', f'label={label}', '--wait', 'one')
        equal(output('one', 'label'), label)
    cli('stack', 'snapshot', 'restore', 'one', STATE['before'])
    status_is('one', 'RESTORE_COMPLETE')
    equal(output('one', 'label'), 'first')


@check
def the_old_heat_commands_do_the_same():
    holds(heat('stack-list'), 'one', 'RESTORE_COMPLETE')
    holds(heat('snapshot-list', 'one'), STATE['before'], 'before', 'COMPLETE')
    holds(heat('snapshot-show', 'one', STATE['before']), '"name": "before"')
    holds(heat('stack-snapshot', '-n', 'old', 'one'), '"name": "old"')
    until('the old command\'s snapshot', lambda: snapshots()['old']['status'] == 'COMPLETE')
    heat('stack-restore', 'one', STATE['before'])
    status_is('one', 'RESTORE_COMPLETE')
    heat('snapshot-delete', 'one', snapshots()['old']['id'])
    until('the old snapshot\'s end', lambda: 'old' not in snapshots())
    holds(heat('resource-list', 'one'), 'OS::Heat::RandomString')
    holds(heat('event-list', 'one'), 'RESTORE_COMPLETE')
    holds(heat('stack-show', 'one'), 'RESTORE_COMPLETE')


@check
def a_snapshot_is_deleted():
    unused = snapshots()['unused']['id']
    cli('stack', 'snapshot', 'delete', '-y', 'one', unused)
    until('its end', lambda: 'unused' not in snapshots())
    holds(cli('stack', 'snapshot', 'show', 'one', unused, status=1), f'Snapshot ID <{unused}> not found for stack <one>')
    holds(cli('stack', 'snapshot', 'restore', 'one', unused, status=1), 'not found')


@check
def what_is_wrong_is_said_and_ends_with_1():
    holds(cli('stack', 'snapshot', 'list', 'nowhere', status=1), 'Stack not found: nowhere')
    holds(cli('stack', 'show', 'nowhere', status=1), 'Stack not found: nowhere')
    holds(cli('stack', 'create', '-t', TEMPLATES / 'native.yaml', 'one', status=1), 'The Stack (one) already exists.')
    holds(cli('stack', 'create', '-t', TEMPLATES / 'native.yaml', '1bad', status=1), 'Invalid stack name 1bad')


@check
def other_users_see_and_do_what_they_may():
    equal(read('stack', 'list', user='alt', project='alt'), [])
    holds(cli('stack', 'snapshot', 'list', 'one', user='alt', project='alt', status=1), 'Stack not found: one')
    assert any(row['id'] == STATE['before'] for row in read('stack', 'snapshot', 'list', 'one', user='rita'))
    for words in (('create', 'one'), ('restore', 'one', STATE['before']), ('delete', '-y', 'one', STATE['before'])):
        said = cli('stack', 'snapshot', *words, user='rita', status=1)
        holds(said, 'You are not authorized to use stacks:')
    assert 'before' in snapshots()


@check
def a_stack_is_suspended_resumed_and_checked():
    for action in ('suspend', 'resume', 'check'):
        holds(cli('stack', action, '--wait', 'one'), f'{action.upper()}_COMPLETE')
        status_is('one', f'{action.upper()}_COMPLETE')


@check
def the_sdk_lists_finds_and_snapshots():
    cloud = openstack.connect(auth_url=KEYSTONE, username='demo', password=SECRET, project_name='demo',
                              user_domain_name='Default', project_domain_name='Default', region_name='RegionOne')
    assert 'one' in {stack.name for stack in cloud.orchestration.stacks()}
    stack = cloud.orchestration.find_stack('one')
    at = f'/stacks/{stack.name}/{stack.id}'
    equal({resource.name for resource in cloud.orchestration.resources(stack)}, {'one', 'secret', 'value', 'nothing'})
    made = cloud.orchestration.post(f'{at}/snapshots', json={'name': 'by the SDK'})
    equal((made.status_code, made.json()['status']), (200, 'IN_PROGRESS'))
    one = f'{at}/snapshots/{made.json()["id"]}'
    until('the SDK\'s snapshot', lambda: cloud.orchestration.get(one).json()['snapshot']['status'] == 'COMPLETE')
    names = [row['name'] for row in cloud.orchestration.get(f'{at}/snapshots').json()['snapshots']]
    assert 'by the SDK' in names and 'before' in names, names
    restored = cloud.orchestration.post(f'{one}/restore')
    equal(restored.status_code, 202)
    until('the SDK\'s restore', lambda: cloud.orchestration.get_stack(stack.id).status == 'RESTORE_COMPLETE')
    equal(cloud.orchestration.delete(one).status_code, 204)
    until('its end', lambda: cloud.orchestration.get(one).status_code == 404)
    events = list(cloud.orchestration.stack_events(stack))
    assert any(event.resource_status == 'RESTORE_COMPLETE' for event in events)


@check
def an_abandoned_stack_is_adopted_again():
    kept = SITE.parent / 'abandoned.json'
    cli('stack', 'abandon', '--output-file', kept, 'one')
    # Heat answers before the stack is gone.
    until('its end', lambda: ask(f'/v1/{STATE["project"]}/stacks/one', STATE['token'])[0] == 404)
    cli('stack', 'show', 'one', status=1)
    holds(cli('stack', 'adopt', '--adopt-file', kept, '--wait', 'one'), 'ADOPT_COMPLETE')
    equal(output('one', 'secret'), STATE['secret'])
    assert 'before' in snapshots(), 'the snapshots come back with the stack'
    snapshot('one', 'adopted')


@check
def a_stack_is_deleted_and_waited_for():
    cli('stack', 'delete', '-y', '--wait', 'one')
    equal([row for row in read('stack', 'list') if row['stack_name'] == 'one'], [])
    holds(cli('stack', 'show', 'one', status=1), 'Stack not found: one')
    equal(ask('/')[0], 300)


@check
def a_directory_comes_back():
    if not REGISTRY:
        return
    SITE.mkdir()
    (SITE / 'index.html').write_text('hello')
    template = SITE.parent / 'site.yaml'
    template.write_text(f'heat_template_version: 2016-10-14\nresources:\n  site:\n    type: Stacksnap::Directory\n'
                        f'    external_id: {SITE}\n')
    cli('stack', 'create', '-t', template, '--wait', 'site')
    kept = snapshot('site', 'kept')
    for damage in ('gone', 'again'):
        (SITE / 'index.html').write_text(damage)
        (SITE / 'more').write_text(damage)
        cli('stack', 'snapshot', 'restore', 'site', kept)
        status_is('site', 'RESTORE_COMPLETE')
        equal((SITE / 'index.html').read_text(), 'hello')
        status_is('site', 'RESTORE_COMPLETE')
    cli('stack', 'delete', '-y', '--wait', 'site')
    assert (SITE / 'index.html').exists(), 'what a stack names is not the stack\'s to delete'


@check
def groups_and_nested_stacks_are_snapshotted_to_their_leaves():
    if REGISTRY:
        return
    cli('stack', 'create', '-t', TEMPLATES / 'group.yaml', '--wait', 'many')
    before = output('many', 'strings')
    kept = snapshot('many', 'kept')
    shown = json.dumps(read('stack', 'snapshot', 'show', 'many', kept))
    holds(shown, 'OS::Heat::RandomString', 'OS::Heat::TestResource')
    cli('stack', 'snapshot', 'restore', 'many', kept)
    status_is('many', 'RESTORE_COMPLETE')
    equal(output('many', 'strings'), before)
    cli('stack', 'delete', '-y', '--wait', 'many')


@check
def a_keystone_that_is_gone_lets_nobody_new_in():
    if not REGISTRY:
        return
    known, project = token()
    fresh, _ = token()
    equal(ask(f'/v1/{project}/stacks', known)[0], 200)
    pid = int(pathlib.Path(os.environ['KEYSTONE_PID']).read_text().split()[0])
    os.kill(pid, 19)
    for worker in pathlib.Path(f'/proc/{pid}/task/{pid}/children').read_text().split():
        os.kill(int(worker), 19)
    try:
        status, _, body = ask(f'/v1/{project}/stacks', fresh)
        equal((status, body['title']), (503, 'Service Unavailable'))
        holds(body['message'], 'The Keystone service is temporarily unavailable.')
        equal(ask(f'/v1/{project}/stacks', known)[0], 200)
    finally:
        for worker in pathlib.Path(f'/proc/{pid}/task/{pid}/children').read_text().split():
            os.kill(int(worker), 18)
        os.kill(pid, 18)
    until('Keystone\'s return', lambda: ask(f'/v1/{project}/stacks', fresh)[0] == 200)


def main():
    passed, failed = 0, []
    only = sys.argv[1:]
    for function in CHECKS:
        if only and function.__name__ not in only:
            continue
        begin = time.monotonic()
        try:
            function()
        except Exception as error:  # whatever it is, the next check is made all the same
            failed.append(function.__name__)
            print(f'FAILED {function.__name__}: {type(error).__name__}: {error}', flush=True)
        else:
            passed += 1
            print(f'ok {function.__name__} ({time.monotonic() - begin:.1f} s)', flush=True)
    print(f'{passed} passed, {len(failed)} failed')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
