# Glance with its files in a folder, Placement, and Nova whose computer only pretends: it runs no instance. But each that boots
# from an image has a disk, $S/nova/disks/ID: the image's bytes at first and after a rebuild, to be written to and read
# directly, and what a snapshot uploads. Sourced by `up`.
#
# Nova asks Neutron about ports even for a server without a network; Debian's Neutron is not run, and network.py answers
# that there is nothing. There is one image, `tiny`, and one flavor, `m1.tiny` (tiny.py).

nova_packages="python3-glance glance-common python3-nova nova-common python3-placement placement-common dmidecode"

glance() {
  mkdir -p "$S"/glance/{images,staging,tasks,lock}
  cat >"$S/etc/glance-api.conf" <<C
[DEFAULT]
bind_host = 127.0.0.1
bind_port = $glance_port
workers = 1
enabled_backends = files:file
node_staging_uri = file://$S/glance/staging
[database]
connection = mysql+pymysql://root@localhost/glance?unix_socket=$S/mysql/sock&charset=utf8
[paste_deploy]
flavor = keystone
config_file = /etc/glance/glance-api-paste.ini
[glance_store]
default_backend = files
[files]
filesystem_store_datadir = $S/glance/images
[os_glance_staging_store]
filesystem_store_datadir = $S/glance/staging
[os_glance_tasks_store]
filesystem_store_datadir = $S/glance/tasks
[oslo_concurrency]
lock_path = $S/glance/lock
$(service keystone_authtoken glance)
www_authenticate_uri = ${KEYSTONE%/v3}
project_name = service
project_domain_name = Default
service_token_roles_required = True
C
  places glance
  once glance-schema glance-manage --config-file "$S/etc/glance-api.conf" db_sync
  start glance-api /usr/bin/python3 -c "$(entry glance-api glance.cmd.api)" --config-file "$S/etc/glance-api.conf" \
    --log-file "$S/log/glance-api.log"
}

nova() {
  mkdir -p "$S"/nova/{lock,py,disks}
  cat >"$S/etc/placement.conf" <<C
[api]
auth_strategy = keystone
[placement_database]
connection = mysql+pymysql://root@localhost/placement?unix_socket=$S/mysql/sock&charset=utf8
$(service keystone_authtoken placement)
www_authenticate_uri = ${KEYSTONE%/v3}
project_name = service
project_domain_name = Default
C
  ours() { # the part of a configuration by which Nova asks another service
    service "$1" "$2"
    printf 'project_name = service\nproject_domain_name = Default\nregion_name = RegionOne\n'
  }
  cat >"$S/etc/nova.conf" <<C
[DEFAULT]
state_path = $S/nova
my_ip = 127.0.0.1
host = test
transport_url = rabbit://guest:guest@127.0.0.1:$amqp_port/nova
compute_driver = pretending.Driver
osapi_compute_listen = 127.0.0.1
osapi_compute_listen_port = $nova_port
osapi_compute_workers = 1
enabled_apis = osapi_compute
vif_plugging_is_fatal = false
vif_plugging_timeout = 0
[api]
auth_strategy = keystone
[wsgi]
api_paste_config = /etc/nova/api-paste.ini
[conductor]
workers = 1
[scheduler]
workers = 1
discover_hosts_in_cells_interval = 15
[quota]
instances = -1
cores = -1
ram = -1
[database]
connection = mysql+pymysql://root@localhost/nova?unix_socket=$S/mysql/sock&charset=utf8
[api_database]
connection = mysql+pymysql://root@localhost/nova_api?unix_socket=$S/mysql/sock&charset=utf8
[glance]
api_servers = $GLANCE
[cinder]
os_region_name = RegionOne
catalog_info = volumev3::publicURL
[oslo_concurrency]
lock_path = $S/nova/lock
$(ours placement placement)
$(ours neutron nova)
$(ours service_user nova)
send_service_user_token = true
$(service keystone_authtoken nova)
www_authenticate_uri = ${KEYSTONE%/v3}
project_name = service
project_domain_name = Default
service_token_roles_required = True
C
  cat >"$S/nova/py/pretending.py" <<'C'
"""Nova's fake driver, with a file for each instance's disk. A moment passes before an image or a rebuild is done, so that
either can be met half-way."""
import io
import os
import time

from nova.compute import task_states
from nova.image import glance
from nova.virt import fake

DISKS = os.environ['DISKS']


def disk(instance):
    return os.path.join(DISKS, instance.uuid)


class Driver(fake.FakeDriver):
    def spawn(self, context, instance, image_meta, *args, **kwargs):
        time.sleep(1)
        if instance.image_ref:
            glance.API().download(context, instance.image_ref, dest_path=disk(instance))
        super().spawn(context, instance, image_meta, *args, **kwargs)

    def destroy(self, context, instance, network_info, block_device_info=None, destroy_disks=True, **kwargs):
        super().destroy(context, instance, network_info, block_device_info, destroy_disks, **kwargs)
        if destroy_disks and os.path.exists(disk(instance)):
            os.remove(disk(instance))

    def snapshot(self, context, instance, image_id, update_task_state):
        time.sleep(1)
        with open(disk(instance), 'rb') as it:
            read = io.BytesIO(it.read())
        super().snapshot(context, instance, image_id, update_task_state)
        update_task_state(task_state=task_states.IMAGE_UPLOADING, expected_state=task_states.IMAGE_UPLOADING)
        glance.API().update(context, image_id, {'disk_format': 'raw', 'container_format': 'bare', 'properties': {}},
                            read, purge_props=False)
C
  places placement
  places nova
  once nova-databases sql "create database nova_api character set utf8mb3; create database nova_cell0 character set utf8mb3"
  once placement-schema placement-manage --config-file "$S/etc/placement.conf" db sync
  local manage=(nova-manage --config-file "$S/etc/nova.conf")
  local at="mysql+pymysql://root@localhost"
  once nova-api-schema "${manage[@]}" api_db sync
  once nova-cell0 "${manage[@]}" cell_v2 map_cell0 \
    --database_connection "$at/nova_cell0?unix_socket=$S/mysql/sock&charset=utf8"
  once nova-cell1 "${manage[@]}" cell_v2 create_cell --name cell1 \
    --database_connection "$at/nova?unix_socket=$S/mysql/sock&charset=utf8" \
    --transport-url "rabbit://guest:guest@127.0.0.1:$amqp_port/nova"
  once nova-schema "${manage[@]}" db sync
  start placement env OS_PLACEMENT_CONFIG_DIR="$S/etc" uwsgi_python3 --http-socket "127.0.0.1:$placement_port" \
    --wsgi-file /usr/bin/placement-api --master --die-on-term --processes 1 --threads 4 --enable-threads --lazy-apps \
    --buffer-size 65535 --disable-logging
  wait_for 60 placement answers "http://127.0.0.1:$placement_port/" || exit 1
  start network /usr/bin/python3 network.py "$network_port"
  for part in conductor scheduler; do
    start nova-$part /usr/bin/python3 -c "$(entry nova-$part nova.cmd.$part)" --config-file "$S/etc/nova.conf" \
      --log-file "$S/log/nova-$part.log"
  done
  # A driver is a module of nova.virt.
  start nova-compute env DISKS="$S/nova/disks" /usr/bin/python3 -c "import nova.virt; nova.virt.__path__.append('$S/nova/py')
$(entry nova-compute nova.cmd.compute)" --config-file "$S/etc/nova.conf" --log-file "$S/log/nova-compute.log"
  start nova-api /usr/bin/python3 -c "$(entry nova-api nova.cmd.api_os_compute)" --config-file "$S/etc/nova.conf" \
    --log-file "$S/log/nova-api.log"
}

computes() { # the computer is known, and there are the image and the flavor
  once tiny /usr/bin/python3 tiny.py
  once nova-hosts nova-manage --config-file "$S/etc/nova.conf" cell_v2 discover_hosts
}
