# Swift with real bytes on one node: account, container and object server over a folder (whose file system must have extended
# attributes, as ext4 has), one replica, and the proxy with Keystone in front. Sourced by `up`.
#
# Large objects, symbolic links, quotas and both ways to keep old versions are in the pipeline. There is no memcached and
# no background daemon: nothing here has to be repaired, and listings are up to date as soon as a write is answered.

swift_packages="swift-proxy swift-account swift-container swift-object python3-keystonemiddleware"

swift_ports() { # settled before the catalogue is written
  [ -e "$S/swift-ports" ] || free_port 4 >"$S/swift-ports"
  read -r swift_port swift_account swift_container swift_object <"$S/swift-ports"
  SWIFT=http://127.0.0.1:$swift_port/v1
  export SWIFT
}

swift_ring() { # swift_ring NAME PORT
  local ring=$S/etc/swift/$1.builder
  swift-ring-builder "$ring" create 4 1 1 && swift-ring-builder "$ring" add "r1z1-127.0.0.1:$2/d1" 1 &&
    swift-ring-builder "$ring" rebalance
}

swift_server() { # swift_server NAME PORT
  cat >"$S/etc/swift/$1-server.conf" <<C
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $2
user = $(id -un)
workers = 1
swift_dir = $S/etc/swift
devices = $S/swift
mount_check = false
disable_fallocate = true
log_address = $S/swift/no-syslog
[pipeline:main]
pipeline = $1-server
[app:$1-server]
use = egg:swift#$1
C
  once "swift-ring-$1" swift_ring "$1" "$2"
  start "swift-$1" "/usr/bin/swift-$1-server" "$S/etc/swift/$1-server.conf"
}

swift() {
  mkdir -p "$S"/etc/swift "$S"/swift/d1
  swift_server account "$swift_account"
  swift_server container "$swift_container"
  swift_server object "$swift_object"
  cat >"$S/etc/swift/proxy-server.conf" <<C
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $swift_port
user = $(id -un)
workers = 1
swift_dir = $S/etc/swift
log_address = $S/swift/no-syslog
[pipeline:main]
pipeline = catch_errors gatekeeper listing_formats bulk authtoken keystoneauth copy container-quotas account-quotas slo dlo versioned_writes symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
www_authenticate_uri = ${KEYSTONE%/v3}
auth_url = $KEYSTONE
auth_type = password
username = swift
password = $SECRET
user_domain_name = Default
project_name = service
project_domain_name = Default
delay_auth_decision = true
service_token_roles_required = true
[filter:keystoneauth]
use = egg:swift#keystoneauth
operator_roles = admin, member
$(for filter in catch_errors gatekeeper listing_formats bulk copy container_quotas:container-quotas account_quotas:account-quotas slo dlo symlink; do
    printf '[filter:%s]\nuse = egg:swift#%s\n' "${filter#*:}" "${filter%:*}"
  done)
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_versioned_writes = true
allow_object_versioning = true
C
  start swift-proxy /usr/bin/swift-proxy-server "$S/etc/swift/proxy-server.conf"
}
