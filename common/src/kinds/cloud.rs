//! The types of a cloud. What they take is what Heat's plugins of the same name take; nothing is made of it here.

use super::{CutKind, Kind, Property, Required};

/// What is frozen by being stopped, where that is asked for.
pub(super) const STOPPABLE: &str = "OS::Nova::Server";

pub(super) const ALL: &[Kind] = &[
    Kind {
        name: "OS::Cinder::Volume",
        cut: CutKind::Durable,
        quiesce: false,
        external_id: Some("the id of a volume, a UUID"),
        external_id_ok: is_uuid,
        cloud: true,
        properties: VOLUME,
    },
    Kind {
        name: "OS::Glance::Image",
        cut: CutKind::None,
        quiesce: false,
        external_id: Some("the id of an image, a UUID"),
        external_id_ok: is_uuid,
        cloud: true,
        properties: IMAGE,
    },
    Kind {
        name: "OS::Glance::WebImage",
        cut: CutKind::None,
        quiesce: false,
        external_id: Some("the id of an image, a UUID"),
        external_id_ok: is_uuid,
        cloud: true,
        properties: IMAGE,
    },
    Kind {
        name: "OS::Manila::Share",
        cut: CutKind::Durable,
        quiesce: false,
        external_id: Some("the id of a share, a UUID"),
        external_id_ok: is_uuid,
        cloud: true,
        properties: SHARE,
    },
    Kind {
        name: STOPPABLE,
        cut: CutKind::Durable,
        quiesce: false,
        external_id: Some("the id of a server, a UUID"),
        external_id_ok: is_uuid,
        cloud: true,
        properties: SERVER,
    },
    Kind {
        name: "OS::Trove::Instance",
        cut: CutKind::None,
        quiesce: false,
        external_id: Some("the id of an instance, a UUID"),
        external_id_ok: is_uuid,
        cloud: true,
        properties: INSTANCE,
    },
];

type Properties = &'static [(&'static str, Property, Required)];

const VOLUME: Properties = &taken([
    "availability_zone",
    "backup_id",
    "description",
    "image",
    "metadata",
    "multiattach",
    "name",
    "read_only",
    "scheduler_hints",
    "size",
    "snapshot_id",
    "source_volid",
    "volume_type",
]);

const SHARE: Properties = &taken([
    "access_rules",
    "description",
    "is_public",
    "metadata",
    "name",
    "share_network",
    "share_protocol",
    "share_type",
    "size",
    "snapshot",
]);

const SERVER: Properties = &taken([
    "admin_pass",
    "availability_zone",
    "block_device_mapping",
    "block_device_mapping_v2",
    "config_drive",
    "deployment_swift_data",
    "diskConfig",
    "flavor",
    "flavor_update_policy",
    "image",
    "image_update_policy",
    "key_name",
    "metadata",
    "name",
    "networks",
    "personality",
    "reservation_id",
    "scheduler_hints",
    "security_groups",
    "software_config_transport",
    "tags",
    "user_data",
    "user_data_format",
    "user_data_update_policy",
]);

const IMAGE: Properties = &taken([
    "active",
    "architecture",
    "container_format",
    "copy_from",
    "disk_format",
    "extra_properties",
    "id",
    "is_public",
    "kernel_id",
    "location",
    "members",
    "min_disk",
    "min_ram",
    "name",
    "os_distro",
    "os_version",
    "owner",
    "protected",
    "ramdisk_id",
    "tags",
    "visibility",
]);

const INSTANCE: Properties = &taken([
    "availability_zone",
    "databases",
    "datastore_type",
    "datastore_version",
    "flavor",
    "name",
    "networks",
    "replica_count",
    "replica_of",
    "restore_point",
    "size",
    "users",
]);

/// Each of them anything, and none required.
const fn taken<const N: usize>(names: [&'static str; N]) -> [(&'static str, Property, Required); N] {
    let mut all = [("", Property::Any, Required::No); N];
    let mut next = 0;
    while next < N {
        all[next].0 = names[next];
        next += 1;
    }
    all
}

fn is_uuid(id: &str) -> bool {
    uuid::Uuid::parse_str(id).is_ok()
}
