"""Row 7: Heat's engine, and ours, die in the middle of a snapshot."""
from subject import better, comes, until

VOLUME = {'type': 'OS::Cinder::Volume', 'properties': {'size': 1}}


def a_snapshot_during_which_everything_dies_comes_to_an_end(at):
    stack = at.stack('crash', {'vol': VOLUME})
    volume = stack.physical('vol')
    snapshot = stack.begin_snapshot()
    until('the backup has begun', lambda: at.cloud.backups(volume))
    at.crash()
    until('the backup is there', lambda: all(backup['status'] == 'available' for backup in at.cloud.backups(volume)))
    ended = comes(lambda: stack.snapshot(snapshot)['status'] != 'IN_PROGRESS', 60)
    better(ended, f'IN_PROGRESS for ever, the stack {stack.status()}')
    assert stack.snapshot(snapshot)['status'] == 'COMPLETE', stack.snapshot(snapshot)
    assert len(at.cloud.backups(volume)) == 1
    stack.removes(snapshot)
    stack.deletes()


ROWS = [(7, a_snapshot_during_which_everything_dies_comes_to_an_end)]
