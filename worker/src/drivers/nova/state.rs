//! What a server is, and what it can take now, in words.

use stacksnap_openstack::nova::Server;

use crate::driver::Error;
use crate::drivers::openstack::call::Calls;
use crate::drivers::openstack::make::Free;

/// The server itself.
pub(super) async fn target(calls: &Calls<'_>) -> Result<Server, Error> {
    let id = calls.physical_id("server")?;
    let found = calls.find(calls.nova.server(id)).await?;
    found.ok_or_else(|| Error::Gone(format!("there is no server {id} in this project of the cloud")))
}

pub(super) fn fault(server: &Server) -> &str {
    match &server.fault {
        Some(fault) if !fault.message.is_empty() => &fault.message,
        _ => "Nova gives no reason",
    }
}

/// Whether Nova would take an order that is good in these states.
pub(super) fn free(server: &Server, to: &str, good: &[&str]) -> Free {
    let (id, state) = (&server.id, server.vm_state.as_str());
    if let Some(task) = &server.task_state {
        return Free::NotYet(format!("server {id} is worked on ({task})"));
    }
    if good.contains(&state) {
        return Free::Yes;
    }
    let (what, how) = match state {
        "building" => return Free::NotYet(format!("server {id} is still being built")),
        "error" => {
            let why = format!("in ERROR: {}", fault(server));
            return Free::Never(format!(
                "server {id} is {why}. See to that (openstack server reboot --hard {id}, or an administrator), then try \
                 again"
            ));
        }
        "paused" => ("paused", "unpause"),
        "suspended" => ("suspended", "resume"),
        "rescued" => ("in rescue mode", "unrescue"),
        "resized" => ("resized and not confirmed", "resize confirm"),
        "shelved" | "shelved_offloaded" => ("shelved", "unshelve"),
        "soft-delete" => ("deleted", "restore"),
        other => return Free::Never(format!("server {id} is {other}: Nova can't {to} it")),
    };
    Free::Never(format!("server {id} is {what}: Nova can't {to} it. Have it back (openstack server {how} {id}) first"))
}

/// Of a server without a disk of its own: why there is nothing of it to copy.
pub(super) async fn boots_from_volume(calls: &Calls<'_>, server: &Server) -> Result<String, Error> {
    let mut attached = calls.ask(calls.nova.attachments(&server.id)).await?;
    attached.sort_by(|a, b| (&a.device, &a.volume).cmp(&(&b.device, &b.volume)));
    let place = |device: &Option<String>| device.as_deref().map(|at| format!(" ({at})")).unwrap_or_default();
    let volumes: Vec<_> = attached.iter().map(|it| format!("{}{}", it.volume, place(&it.device))).collect();
    let volumes = if volumes.is_empty() { "none that Nova names".to_owned() } else { volumes.join(", ") };
    Ok(format!(
        "the server boots from a volume, so its data is its volumes' ({volumes}): they are protected as resources of type \
         OS::Cinder::Volume"
    ))
}
