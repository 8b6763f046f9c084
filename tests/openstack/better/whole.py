"""A user's way from end to end, by OpenStack's own command: two volumes with data and a third in a nested stack."""
import json
import os
import pathlib
import subprocess
import tempfile

from subject import Stack, until

VOLUME = {'type': 'OS::Cinder::Volume', 'properties': {'size': 1, 'metadata': {'purpose': 'test'}}}
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
    resources = {'data': VOLUME, 'logs': VOLUME | {'depends_on': 'data'}, 'nested': {'type': 'nested.yaml'},
                 'value': {'type': 'OS::Heat::Value', 'properties': {'value': value}}}
    path = folder / f'{value}.yaml'
    path.write_text(json.dumps({'heat_template_version': '2018-08-31', 'resources': resources}))
    return path


def two_volumes_and_a_nested_third_come_back_twice_and_nothing_is_left(at):
    before = trusts(at)
    folder = pathlib.Path(tempfile.mkdtemp(prefix='whole-', dir=os.path.dirname(at.cloud.state)))
    cli(at, 'stack', 'create', '-t', template(folder, 'one'), '--wait', 'whole')
    stack = Stack(at, 'whole', cli(at, 'stack', 'show', '-c', 'id', '-f', 'value', 'whole').strip(), {})
    volumes = [stack.physical(path) for path in PATHS]
    for path, volume in zip(PATHS, volumes):
        at.cloud.write(volume, f'good {path}')
    good = [at.cloud.digest(volume) for volume in volumes]
    assert len(set(good)) == 3
    cli(at, 'stack', 'snapshot', 'create', '--name', 'good', 'whole')
    stack.rests('SNAPSHOT_COMPLETE')
    made = json.loads(cli(at, 'stack', 'snapshot', 'list', '-f', 'json', 'whole'))[0]
    made = {name.lower(): value for name, value in made.items()}  # releases differ in how they spell a column
    assert (made['name'], made['status']) == ('good', 'COMPLETE'), made
    for damage in ('damage', 'worse'):
        for volume in volumes:
            at.cloud.write(volume, damage)
        stack.acts('RESTORE', lambda: Said(cli(at, 'stack', 'snapshot', 'restore', 'whole', made['id'])))
        stack.rests('RESTORE_COMPLETE')
        assert [stack.physical(path) for path in PATHS] == volumes, 'the same volumes'
        assert [at.cloud.digest(volume) for volume in volumes] == good, damage
    cli(at, 'stack', 'update', '-t', template(folder, 'two'), '--wait', 'whole')
    assert [stack.physical(path) for path in PATHS] == volumes
    assert [at.cloud.digest(volume) for volume in volumes] == good
    cli(at, 'stack', 'delete', '-y', '--wait', 'whole')
    assert not [backup for volume in volumes for backup in at.cloud.backups(volume)]
    assert not [one for one in at.cloud.cinder('GET', '/snapshots/detail')['snapshots'] if one['volume_id'] in volumes]
    # Others of this user's operations have theirs meanwhile, each until it ends.
    made = trusts(at) - before
    until('every trust that was made is taken back', lambda: not made & trusts(at))


def trusts(at):
    """Those that the user has given."""
    of = f'{at.cloud.env["KEYSTONE"]}/OS-TRUST/trusts?trustor_user_id={at.cloud.session.get_user_id()}'
    return {one['id'] for one in at.cloud.session.get(of).json()['trusts']}


class Said:
    """A command that ended well, as an answer."""
    status_code = 202

    def __init__(self, text):
        self.text = text


ROWS = [(0, two_volumes_and_a_nested_third_come_back_twice_and_nothing_is_left)]
