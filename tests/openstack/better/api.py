"""How long it takes and what is answered: rows 11 and 13."""
import time

from subject import better

COUNT = 20


def independent_resources_do_not_wait_for_each_other(at):
    one = {'type': 'OS::Heat::TestResource', 'properties': {'value': 'a'}}
    stack = at.stack('wide', {f't{at}': one for at in range(COUNT)})
    began = time.time()
    stack.takes()
    took = time.time() - began
    better(took < COUNT / 2, f'{took:.0f} s for {COUNT} resources')
    stack.deletes()


def names_are_checked_and_lists_have_an_order_and_pages(at):
    stack = at.stack('names', {'t': {'type': 'OS::Heat::TestResource', 'properties': {'value': 'a'}}})
    made = [stack.takes(name=name) for name in ('one', 'two', 'three')]
    for name in ('x' * 256, '\U0001f600', {'a': 1}, ['a']):
        answer = at.ask('POST', f'{stack.path}/snapshots', {'name': name})
        if answer.status_code == 200:
            stack.snapshot_ends(answer.json()['id'])
            assert stack.snapshot(answer.json()['id'])['name'] == name, answer.text
        better(answer.status_code in (200, 400), f'{answer.status_code} for the name {str(name)[:20]!r}')
    answer = at.ask('PUT', f'{stack.path}/snapshots')
    better(answer.status_code == 405 and 'GET' in answer.headers.get('Allow', ''), f'{answer.status_code} without Allow')
    page = at.get(f'{stack.path}/snapshots?limit=2&marker={made[0]}')['snapshots']
    better([one['id'] for one in page][:2] == made[1:3], 'no pages')
    stack.deletes()


ROWS = [
    (11, independent_resources_do_not_wait_for_each_other),
    (13, names_are_checked_and_lists_have_an_order_and_pages),
]
