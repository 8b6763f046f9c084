"""What dies in the middle of a snapshot: Cinder's backup (row 3), Heat's engine and ours (row 7)."""
from subject import better, comes, until

VOLUME = {'type': 'OS::Cinder::Volume', 'properties': {'size': 1}}


def begun(at, name):
    """A stack whose volume is just being backed up, and the snapshot that it is for."""
    stack = at.stack(name, {'vol': VOLUME})
    volume = stack.physical('vol')
    snapshot = stack.begin_snapshot()
    until('the backup has begun', lambda: at.cloud.backups(volume))
    return stack, volume, snapshot


def a_backup_that_fails_is_taken_away(at):
    stack, volume, snapshot = begun(at, 'failing')
    # Cinder calls the backup that it was at a failed one.
    at.cloud.kill('cinder-backup')
    at.cloud.up()
    stack.snapshot_ends(snapshot)
    stack.rests()
    stack.removes(snapshot)
    left = [(backup['id'], backup['status']) for backup in at.cloud.backups(volume)]
    better(not left, f'the snapshot is gone, and a backup is left: {left}')
    stack.deletes()


def a_snapshot_during_which_everything_dies_comes_to_an_end(at):
    stack, volume, snapshot = begun(at, 'crash')
    at.crash()
    until('the backup is there', lambda: all(backup['status'] == 'available' for backup in at.cloud.backups(volume)))
    ended = comes(lambda: stack.snapshot(snapshot)['status'] != 'IN_PROGRESS', 60)
    better(ended, f'IN_PROGRESS for ever, the stack {stack.status()}')
    assert stack.snapshot(snapshot)['status'] == 'COMPLETE', stack.snapshot(snapshot)
    assert len(at.cloud.backups(volume)) == 1
    stack.removes(snapshot)
    stack.deletes()


ROWS = [
    (3, a_backup_that_fails_is_taken_away),
    (7, a_snapshot_during_which_everything_dies_comes_to_an_end),
]
