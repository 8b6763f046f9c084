"""A user's way from end to end, by OpenStack's own command: two volumes with data, a server, and a third volume in a nested
stack. (Nova's computer only pretends, so what is seen of the server is what Nova knows: rebuilt, from which image.)"""
import json
import os
import pathlib
import subprocess
import tempfile

from subject import Stack, until

VOLUME = {'type': 'OS::Cinder::Volume', 'properties': {'size': 1, 'metadata': {'purpose': 'test'}}}
SERVER = {'type': 'OS::Nova::Server', 'properties': {
    'name': 'srv', 'flavor': 'm1.tiny', 'image': 'tiny', 'networks': [{'allocate_network': 'none'}]}}
PATHS = ('data', 'logs', 'nested.inner')


def cli(at, *words, status=0):
    """What the command says on stdout; what plugins of no use here say of themselves is on stderr."""
    env = {name: value for name, value in os.environ.items() if not name.startswith('OS_')}
    env |= {'OS_AUTH_URL': at.cloud.env['KEYSTONE'], 'OS_IDENTITY_API_VERSION': '3', 'OS_USERNAME': at.cloud.user,
            'OS_PASSWORD': at.cloud.env['SECRET'], 'OS_PROJECT_NAME': at.cloud.user, 'OS_USER_DOMAIN_ID': 'default',
            'OS_PROJECT_DOMAIN_ID': 'default', 'PYTHONWARNINGS': 'ignore'}
    ran = subprocess.run([f'{at.cloud.state}/heat27/bin/openstack', *map(str, words)], env=env, timeout=600,
                         stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert ran.returncode == status, f'{" ".join(map(str, words))}: status {ran.returncode}\n{ran.stdout}{ran.stderr}'
    return ran.stdout


def template(folder, value):
    (folder / 'nested.yaml').write_text(json.dumps(
        {'heat_template_version': '2018-08-31', 'resources': {'inner': VOLUME}}))
    resources = {'data': VOLUME, 'logs': VOLUME | {'depends_on': 'data'}, 'nested': {'type': 'nested.yaml'}, 'server': SERVER,
                 'value': {'type': 'OS::Heat::Value', 'properties': {'value': value}}}
    path = folder / f'{value}.yaml'
    path.write_text(json.dumps({'heat_template_version': '2018-08-31', 'resources': resources}))
    return path


def nova(at, path):
    answer = at.cloud.session.get(path, endpoint_filter={'service_type': 'compute'})
    return answer.json()


def rebuilds(at, server):
    """How often it was rebuilt, and the image that it has now."""
    actions = nova(at, f'/servers/{server}/os-instance-actions')['instanceActions']
    image = nova(at, f'/servers/{server}')['server']['image']['id']
    return sum(one['action'] == 'rebuild' for one in actions), image


def images(at):
    answer = at.cloud.session.get('/v2/images', endpoint_filter={'service_type': 'image'})
    return {one['id']: one['name'] for one in answer.json()['images']}


def two_volumes_a_server_and_a_nested_third_come_back_twice_and_nothing_is_left(at):
    before = trusts(at)
    folder = pathlib.Path(tempfile.mkdtemp(prefix='whole-', dir=os.path.dirname(at.cloud.state)))
    cli(at, 'stack', 'create', '-t', template(folder, 'one'), '--wait', 'whole')
    stack = Stack(at, 'whole', cli(at, 'stack', 'show', '-c', 'id', '-f', 'value', 'whole').strip(), {})
    volumes = [stack.physical(path) for path in PATHS]
    for path, volume in zip(PATHS, volumes):
        at.cloud.write(volume, f'good {path}')
    server = stack.physical('server')
    good = [at.cloud.digest(volume) for volume in volumes]
    assert len(set(good)) == 3
    cli(at, 'stack', 'snapshot', 'create', '--name', 'good', 'whole')
    stack.rests('SNAPSHOT_COMPLETE')
    made = json.loads(cli(at, 'stack', 'snapshot', 'list', '-f', 'json', 'whole'))[0]
    made = {name.lower(): value for name, value in made.items()}  # releases differ in how they spell a column
    assert (made['name'], made['status']) == ('good', 'COMPLETE'), made
    kept = [one for one, name in images(at).items() if name.startswith('stacksnap-')]
    assert len(kept) == 1, images(at)
    for times, damage in enumerate(('damage', 'worse'), 1):
        for volume in volumes:
            at.cloud.write(volume, damage)
        stack.acts('RESTORE', lambda: Said(cli(at, 'stack', 'snapshot', 'restore', 'whole', made['id'])))
        stack.rests('RESTORE_COMPLETE')
        assert [stack.physical(path) for path in PATHS] == volumes, 'the same volumes'
        assert [at.cloud.digest(volume) for volume in volumes] == good, damage
        assert (stack.physical('server'), rebuilds(at, server)) == (server, (times, kept[0])), 'the same server, rebuilt'
    cli(at, 'stack', 'update', '-t', template(folder, 'two'), '--wait', 'whole')
    assert [stack.physical(path) for path in PATHS] == volumes
    assert [at.cloud.digest(volume) for volume in volumes] == good
    cli(at, 'stack', 'delete', '-y', '--wait', 'whole')
    assert not [backup for volume in volumes for backup in at.cloud.backups(volume)]
    assert not [one for one in at.cloud.cinder('GET', '/snapshots/detail')['snapshots'] if one['volume_id'] in volumes]
    assert not [name for name in images(at).values() if name.startswith('stacksnap-')], images(at)
    # Others of this user's operations have theirs meanwhile, each until it ends.
    made = trusts(at) - before
    until('every trust that was made is taken back', lambda: not made & trusts(at))


def trusts(at):
    """Those that the user has given to us: Heat's own have no end, and stay as long as a stack of anybody's rows does."""
    of = f'{at.cloud.env["KEYSTONE"]}/OS-TRUST/trusts?trustor_user_id={at.cloud.session.get_user_id()}'
    return {one['id'] for one in at.cloud.session.get(of).json()['trusts'] if one['expires_at']}


class Said:
    """A command that ended well, as an answer."""
    status_code = 202

    def __init__(self, text):
        self.text = text


ROWS = [(0, two_volumes_a_server_and_a_nested_third_come_back_twice_and_nothing_is_left)]
