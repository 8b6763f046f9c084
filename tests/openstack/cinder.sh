# Cinder with real bytes and nothing of the kernel's: the NFS driver on a directory that is bind-mounted where os-brick would
# mount the share, and backups as files (the posix driver). Sourced by `up`.
#
# A volume's bytes are in $S/cinder/share/volume-ID, to be written to and read directly; backups are in $S/cinder/backup.
# SIGSTOP to the session of run/cinder-backup.pid holds a backup in `creating`, SIGCONT lets it go on.
#
# With a snapshot of a volume its newer bytes are in a qcow2 file on top. Whatever Cinder itself writes into such a volume (a
# backup restored, its generic way back to a snapshot) it writes as raw bytes over that file (21.3.1): it is no qcow2 any
# more, and a second way back fails. reverting.py goes back as a backend does that can.

cinder_packages="python3-cinder cinder-common python3-zstd qemu-utils nfs-common sudo"

cinder() {
  local share=127.0.0.1:/share mount
  mount=$S/cinder/mnt/$(printf %s "$share" | md5sum | cut -d' ' -f1)
  mkdir -p "$S"/cinder/{share,backup,lock,conversion,py} "$mount"
  echo "$share" >"$S/etc/nfs_shares"
  cat >"$S/etc/cinder.conf" <<C
[DEFAULT]
state_path = $S/cinder
my_ip = 127.0.0.1
host = test
transport_url = rabbit://guest:guest@127.0.0.1:$amqp_port/cinder
auth_strategy = keystone
osapi_volume_listen = 127.0.0.1
osapi_volume_listen_port = $cinder_port
osapi_volume_workers = 1
api_paste_config = /etc/cinder/api-paste.ini
rootwrap_config = /etc/cinder/rootwrap.conf
enabled_backends = nfs
default_volume_type = __DEFAULT__
${GLANCE:+glance_api_servers = $GLANCE}
image_conversion_dir = $S/cinder/conversion
backup_driver = cinder.backup.drivers.posix.PosixBackupDriver
backup_posix_path = $S/cinder/backup
backup_workers = 1
backup_compression_algorithm = zstd
backup_file_size = 67108864
quota_backups = 1000
quota_volumes = 1000
quota_snapshots = 1000
quota_gigabytes = 10000
quota_backup_gigabytes = 10000
[nfs]
volume_driver = reverting.NfsDriver
volume_backend_name = nfs
nfs_shares_config = $S/etc/nfs_shares
nfs_mount_point_base = $S/cinder/mnt
nfs_sparsed_volumes = true
nfs_snapshot_support = true
nas_secure_file_operations = false
nas_secure_file_permissions = false
[database]
connection = mysql+pymysql://root@localhost/cinder?unix_socket=$S/mysql/sock&charset=utf8
[oslo_concurrency]
lock_path = $S/cinder/lock
[coordination]
backend_url = file://$S/cinder/lock
$(! want nova || for other in nova service_user; do
    service $other $([ $other = nova ] && echo nova || echo cinder)
    printf 'project_name = service\nproject_domain_name = Default\n'
  done)
${NOVA:+send_service_user_token = true}
$(service keystone_authtoken cinder)
www_authenticate_uri = ${KEYSTONE%/v3}
project_name = service
project_domain_name = Default
service_token_roles_required = true
C
  cat >"$S/cinder/py/reverting.py" <<'C'
"""Cinder's NFS driver, except that it takes a volume back to its newest snapshot itself, and takes a moment for that and for a
snapshot, so that either can be met half-way."""
import os
import time

from cinder.volume.drivers import nfs


class NfsDriver(nfs.NfsDriver):
    def create_snapshot(self, snapshot):
        time.sleep(1)
        return super().create_snapshot(snapshot)

    def snapshot_revert_use_temp_snapshot(self):
        return False

    def revert_to_snapshot(self, context, volume, snapshot):
        """The file that was put on top with the snapshot is made anew, empty."""
        time.sleep(1)
        files = self._read_info_file(self._local_path_volume_info(volume))
        top = os.path.join(self._local_volume_dir(volume), files[snapshot.id])
        older = [it for it in volume.snapshots if it.created_at < snapshot.created_at and it.id in files]
        below = files[max(older, key=lambda it: it.created_at).id] if older else volume.name
        self._do_create_snapshot(snapshot, below, top)
C
  places cinder
  once cinder-schema cinder-manage --config-file "$S/etc/cinder.conf" db sync
  mountpoint -q "$mount" || { mount --bind "$S/cinder/share" "$mount" && echo "$mount" >"$S/run/bind-mount"; } || die "no bind mount"
  for part in api scheduler volume backup; do
    start cinder-$part env PYTHONPATH="$S/cinder/py" /usr/bin/python3 -c "$(entry cinder-$part cinder.cmd.$part)" --config-file "$S/etc/cinder.conf" \
      --log-file "$S/log/cinder-$part.log"
  done
}
