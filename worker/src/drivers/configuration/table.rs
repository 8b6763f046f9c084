//! Which types are configuration, where their services have them, and which fields are it.
//!
//! A field is *settable* where its service takes it in an update and nothing that is attached is cut off by it; every other
//! one is compared and named. What a service keeps for itself (times, revisions, states, what is bound to a host) is in no
//! list. Fields are those of the services' API references: <https://docs.openstack.org/api-ref/network/v2/>,
//! <https://docs.openstack.org/api-ref/compute/>, <https://docs.openstack.org/api-ref/identity/v3/>.

use stacksnap_openstack::thing::Place;

#[derive(Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) place: Place,
    pub(super) settable: &'static [&'static str],
    pub(super) fixed: &'static [&'static str],
}

const fn neutron(
    name: &'static str,
    (collection, key): (&'static str, &'static str),
    settable: &'static [&'static str],
    fixed: &'static [&'static str],
) -> Kind {
    Kind { name, place: Place { service: "network", version: Some("v2.0"), collection, key }, settable, fixed }
}

const fn nova(
    name: &'static str,
    (collection, key): (&'static str, &'static str),
    fixed: &'static [&'static str],
) -> Kind {
    // The catalogue's URL has the version.
    Kind { name, place: Place { service: "compute", version: None, collection, key }, settable: &[], fixed }
}

/// Whoever may read them may seldom change them: they are an administrator's.
const fn keystone(
    name: &'static str,
    (collection, key): (&'static str, &'static str),
    fixed: &'static [&'static str],
) -> Kind {
    Kind { name, place: Place { service: "identity", version: Some("v3"), collection, key }, settable: &[], fixed }
}

pub(super) const KINDS: &[Kind] = &[
    neutron(
        "OS::Neutron::Net",
        ("networks", "network"),
        &["name", "description", "admin_state_up", "port_security_enabled"],
        &["mtu", "shared", "router:external", "subnets", "qos_policy_id", "dns_domain", "tags"],
    ),
    neutron(
        "OS::Neutron::Subnet",
        ("subnets", "subnet"),
        &["name", "description", "dns_nameservers", "host_routes", "enable_dhcp"],
        &[
            "network_id",
            "cidr",
            "ip_version",
            "gateway_ip",
            "allocation_pools",
            "ipv6_address_mode",
            "ipv6_ra_mode",
            "tags",
        ],
    ),
    neutron(
        "OS::Neutron::Port",
        ("ports", "port"),
        &["name", "description", "admin_state_up", "allowed_address_pairs", "security_groups"],
        &["network_id", "mac_address", "fixed_ips", "device_id", "device_owner", "port_security_enabled", "tags"],
    ),
    neutron(
        "OS::Neutron::Router",
        ("routers", "router"),
        &["name", "description", "admin_state_up", "routes"],
        &["external_gateway_info", "distributed", "ha", "tags"],
    ),
    neutron(
        "OS::Neutron::SecurityGroup",
        ("security-groups", "security_group"),
        &["name", "description"],
        &["security_group_rules", "stateful", "tags"],
    ),
    neutron(
        "OS::Neutron::FloatingIP",
        ("floatingips", "floatingip"),
        &["description"],
        &["floating_network_id", "floating_ip_address", "port_id", "fixed_ip_address", "router_id", "tags"],
    ),
    nova("OS::Nova::KeyPair", ("os-keypairs", "keypair"), &["name", "public_key", "fingerprint", "type"]),
    nova("OS::Nova::ServerGroup", ("os-server-groups", "server_group"), &["name", "policies", "policy", "rules"]),
    keystone(
        "OS::Keystone::Project",
        ("projects", "project"),
        &["name", "description", "enabled", "domain_id", "parent_id", "tags"],
    ),
    keystone(
        "OS::Keystone::User",
        ("users", "user"),
        &["name", "description", "email", "enabled", "domain_id", "default_project_id"],
    ),
    keystone("OS::Keystone::Group", ("groups", "group"), &["name", "description", "domain_id"]),
    keystone("OS::Keystone::Role", ("roles", "role"), &["name", "description", "domain_id"]),
    keystone("OS::Keystone::Domain", ("domains", "domain"), &["name", "description", "enabled"]),
    keystone("OS::Keystone::Region", ("regions", "region"), &["description", "parent_region_id"]),
    keystone("OS::Keystone::Service", ("services", "service"), &["name", "type", "description", "enabled"]),
    keystone(
        "OS::Keystone::Endpoint",
        ("endpoints", "endpoint"),
        &["service_id", "region_id", "interface", "url", "enabled", "name"],
    ),
];

pub(super) const TYPES: &[&str] = &[
    "OS::Keystone::Domain",
    "OS::Keystone::Endpoint",
    "OS::Keystone::Group",
    "OS::Keystone::Project",
    "OS::Keystone::Region",
    "OS::Keystone::Role",
    "OS::Keystone::Service",
    "OS::Keystone::User",
    "OS::Neutron::FloatingIP",
    "OS::Neutron::Net",
    "OS::Neutron::Port",
    "OS::Neutron::Router",
    "OS::Neutron::SecurityGroup",
    "OS::Neutron::Subnet",
    "OS::Nova::KeyPair",
    "OS::Nova::ServerGroup",
];

pub(super) fn get(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

#[cfg(test)]
mod tests {
    use stacksnap_common::heat::Captures;
    use stacksnap_common::kinds::Kinds;

    use super::*;

    #[test]
    fn every_type_is_in_each_list_and_is_configuration_everywhere() {
        let mut names: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
        names.sort_unstable();
        assert_eq!(names, TYPES);
        let kinds = Kinds::default().with_cloud();
        for kind in KINDS {
            assert!(kinds.get(kind.name).is_some_and(|known| known.cloud), "{}", kind.name);
            assert_eq!(Captures::of(kind.name, false), Some(Captures::Configuration), "{}", kind.name);
            assert!(kind.settable.iter().all(|field| !kind.fixed.contains(field)), "{}", kind.name);
        }
    }
}
