"""A service that speaks Heat's API, with its cloud behind it: a Heat itself, or stacksnap in front of one.

A row asks the same of each. What it may not find is told by `better`: that is what bare Heat is expected to fail by, and
nothing else. Anything else that goes wrong is an error in either case.
"""
import contextlib
import hashlib
import os
import signal
import subprocess
import time

from keystoneauth1 import session
from keystoneauth1.identity import v3

WAIT = 600  # seconds, for what must come: two cores may have a lot to do


class Worse(Exception):
    """What Heat is known to do."""


def better(holds, than):
    if not holds:
        raise Worse(than)


def until(what, holds, seconds=WAIT):
    end = time.time() + seconds
    while time.time() < end:
        found = holds()
        if found:
            return found
        time.sleep(1.5)
    raise AssertionError(f'never: {what}')


def comes(holds, seconds):
    """Whether it comes true in so many seconds."""
    with contextlib.suppress(AssertionError):
        return bool(until('', holds, seconds))
    return False


class Cloud:
    """What `up` brought up, and one user's way to it."""

    def __init__(self, state, user):
        self.state = state
        with open(f'{state}/env') as lines:
            self.env = dict(line.strip().split('=', 1) for line in lines)
        self.user = user
        self.session = self.as_user(user)
        self.project = self.session.get_project_id()

    def as_user(self, user):
        return session.Session(auth=v3.Password(
            auth_url=self.env['KEYSTONE'], username=user, password=self.env['SECRET'], project_name=user,
            user_domain_id='default', project_domain_id='default'))

    def cinder(self, method, path, body=None, by=None):
        answer = (by or self.session).request(
            path, method, json=body, raise_exc=False, endpoint_filter={'service_type': 'block-storage'},
            headers={'OpenStack-API-Version': 'volume 3.43'})
        assert answer.status_code < 500, (method, path, answer.status_code, answer.text)
        return answer.json() if answer.text else {}

    def backup_is(self, backup, status):
        """Cinder's own record of it: the API lets an administrator set `available` and `error` only."""
        sql = f"update backups set status = '{status}' where id = '{backup}'"
        subprocess.run(['mariadb', '--no-defaults', '-S', f'{self.state}/mysql/sock', '-u', 'root', 'cinder', '-e', sql],
                       check=True)

    def backups(self, volume=None):
        found = self.cinder('GET', '/backups/detail')['backups']
        return [one for one in found if volume in (None, one['volume_id'])]

    def file(self, volume):
        """Where a volume's bytes are."""
        return f'{self.state}/cinder/share/volume-{volume}'

    def write(self, volume, content):
        with open(self.file(volume), 'r+b') as it:
            for place in (0, 300 << 20):
                it.seek(place)
                it.write(content.encode() * 5_000)

    def digest(self, volume):
        found = hashlib.sha256()
        with open(self.file(volume), 'rb') as it:
            while part := it.read(1 << 20):
                found.update(part)
        return found.hexdigest()

    def up(self):
        """Starts whatever does not run."""
        up = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + '/up'
        subprocess.run([up, self.state, 'cinder', 'heat19', 'heat27'], check=True, stdout=subprocess.DEVNULL)

    def kill(self, name):
        """A daemon of the cloud, and all that it has started; waits until it has ended."""
        with open(f'{self.state}/run/{name}.pid') as it:
            pid = int(it.read().split()[0])
        os.killpg(pid, signal.SIGKILL)

        def ended():
            try:
                with open(f'/proc/{pid}/stat') as it:
                    return it.read().rpartition(')')[2].split()[0] == 'Z'
            except OSError:
                return True
        until(f'{name} has ended', ended)


class Subject:
    """`url`: up to and including /v1. `service`: what is started and killed with it, if that is ours."""

    def __init__(self, name, url, cloud, service=None):
        self.name, self.url, self.cloud, self.service = name, url, cloud, service
        self.kept = {}  # what one row leaves to the next of its theme

    @property
    def ours(self):
        return self.service is not None

    def ask(self, method, path, body=None, **more):
        return self.cloud.session.request(
            path, method, json=body, raise_exc=False, redirect=False, endpoint_override=f'{self.url}/{self.cloud.project}',
            headers={'Accept': 'application/json'}, connect_retries=3, **more)

    def get(self, path):
        answer = self.ask('GET', path)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.json()

    def stack(self, name, resources, wanted='CREATE_COMPLETE', **more):
        template = {'heat_template_version': '2018-08-31', 'resources': resources, **more.pop('template', {})}
        body = {'stack_name': name, 'template': template, 'timeout_mins': 60, **more}
        answer = self.ask('POST', '/stacks', body)
        assert answer.status_code == 201, answer.text
        made = Stack(self, name, answer.json()['stack']['id'], body)
        made.rests(wanted)
        return made

    def crash(self):
        """Heat's engine is gone with all it had in its hands, and we with it; both are started again."""
        self.cloud.kill('heat27-engine')
        if self.ours:
            self.service.kill()
        self.cloud.up()
        if self.ours:
            self.service.start()


class Stack:
    def __init__(self, at, name, id, body):
        self.at, self.name, self.id, self.body = at, name, id, body
        self.path = f'/stacks/{name}/{id}'

    def show(self):
        return self.at.get(self.path)['stack']

    def status(self):
        return self.show()['stack_status']

    def rests(self, wanted=None):
        """Waits until nothing is done to it."""
        def still():
            stack = self.show()
            return None if stack['stack_status'].endswith('_IN_PROGRESS') else stack
        found = until(f'{self.name} rests', still)
        assert wanted in (None, found['stack_status']), (wanted, found['stack_status'], found['stack_status_reason'])
        return found

    def ends(self, action):
        """Each end of such an action so far, oldest first."""
        events = self.at.get(f'{self.path}/events?sort_dir=asc&limit=1000')['events']
        words = [event['resource_status'] for event in events if event['resource_name'] == self.name]
        return [word for word in words if word in (f'{action}_COMPLETE', f'{action}_FAILED')]

    def acts(self, action, begin):
        """Begins an action and waits for its end: the stack then."""
        before = len(self.ends(action))
        answer = begin()
        assert answer.status_code == 202, (action, answer.status_code, answer.text)
        until(f'{action} of {self.name}', lambda: len(self.ends(action)) > before)
        return self.rests()

    def update(self, method='PUT', **change):
        body = {key: value for key, value in self.body.items() if key != 'stack_name'} | change
        return self.acts('UPDATE', lambda: self.at.ask(method, self.path, body))

    def restore(self, snapshot):
        found = self.acts('RESTORE', lambda: self.at.ask('POST', f'{self.path}/snapshots/{snapshot}/restore'))
        assert found['stack_status'] == 'RESTORE_COMPLETE', found['stack_status_reason']

    def begin_snapshot(self, **body):
        answer = self.at.ask('POST', f'{self.path}/snapshots', body)
        assert answer.status_code == 200, answer.text
        return answer.json()['id']

    def snapshots(self):
        return self.at.get(f'{self.path}/snapshots')['snapshots']

    def snapshot(self, id):
        """As it is now; None: it is not there (any more)."""
        answer = self.at.ask('GET', f'{self.path}/snapshots/{id}')
        assert answer.status_code in (200, 404), answer.text
        return answer.json()['snapshot'] if answer.status_code == 200 else None

    def snapshot_ends(self, id):
        def ended():
            found = self.snapshot(id)
            return found if found['status'] != 'IN_PROGRESS' else None
        return until(f'the end of snapshot {id}', ended)

    def takes(self, wanted='COMPLETE', **body):
        """A snapshot, waited for; its id."""
        id = self.begin_snapshot(**body)
        found = self.snapshot_ends(id)
        assert found['status'] == wanted, found['status_reason']
        self.rests()
        return id

    def removes(self, id):
        """A snapshot is deleted, and waited for."""
        answer = self.at.ask('DELETE', f'{self.path}/snapshots/{id}')
        assert answer.status_code == 204, (answer.status_code, answer.text)
        until(f'snapshot {id} is gone', lambda: self.snapshot(id) is None)

    def deletes(self):
        answer = self.at.ask('DELETE', self.path)
        assert answer.status_code == 204, (answer.status_code, answer.text)

        def gone():
            answer = self.at.ask('GET', self.path)
            if answer.status_code == 404:
                return True
            stack = answer.json()['stack']
            assert stack['stack_status'] != 'DELETE_FAILED', stack['stack_status_reason']
            return stack['stack_status'] == 'DELETE_COMPLETE'
        until(f'{self.name} is gone', gone)

    def physical(self, path):
        """The physical id of a resource; `nested.inner` is one of a nested stack."""
        at, name = self.path, path
        while '.' in name:
            head, name = name.split('.', 1)
            links = self.at.get(f'{at}/resources/{head}')['resource']['links']
            nested = next(link['href'] for link in links if link['rel'] == 'nested')
            at = nested[nested.index('/stacks/'):]
        return self.at.get(f'{at}/resources/{name}')['resource']['physical_resource_id']
