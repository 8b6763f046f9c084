//! Stacks, and what becomes of them: what is begun is there at once, as Heat's engine has it, and what each resource makes
//! of it is there at the end.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::cloud::Cloud;
use super::{Asked, Trouble};

#[derive(Debug)]
pub(super) struct State {
    /// What it is in; none: there are only values.
    pub(super) cloud: Option<Cloud>,
    pub(super) stacks: BTreeMap<String, Stack>,
    pub(super) trouble: Trouble,
    /// How often a stack that is worked on is looked at before that has ended.
    pub(super) looks: u32,
    /// Nothing ends.
    pub(super) held: bool,
    /// The next thing that it does fails.
    pub(super) fails: bool,
    /// All snapshots do.
    pub(super) snapshots_fail: bool,
    /// On which look from now on (1: the next) which stack is changed first, by somebody else.
    pub(super) changes: Option<(u32, String)>,
    made: u64,
    clock: i64,
    pub(super) asked: Vec<Asked>,
}

#[derive(Debug, Clone)]
pub(super) struct Stack {
    pub(super) project: String,
    pub(super) name: String,
    pub(super) id: String,
    pub(super) owner: String,
    /// Heat makes a Keystone project for each stack's own users.
    pub(super) users: String,
    pub(super) action: String,
    pub(super) status: String,
    pub(super) reason: String,
    pub(super) created: String,
    pub(super) updated: Option<String>,
    pub(super) deleted: Option<String>,
    pub(super) template: Value,
    pub(super) parameters: Map<String, Value>,
    pub(super) files: Value,
    pub(super) registry: Value,
    pub(super) tags: Vec<String>,
    pub(super) timeout: Value,
    pub(super) members: Vec<Member>,
    pub(super) events: Vec<Value>,
    pub(super) snapshots: Vec<Value>,
    /// The snapshot that it is being made from again.
    pub(super) restoring: Option<Value>,
    pub(super) left: u32,
    pub(super) failing: bool,
}

/// A resource that is there.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) kind: String,
    /// As the template has it, with parameters' values in it.
    pub(super) properties: Value,
    pub(super) physical: String,
    pub(super) created: String,
    pub(super) updated: String,
    pub(super) status: String,
    pub(super) reason: String,
    /// What a random string was made.
    pub(super) chance: String,
    /// It names something that Heat did not make.
    pub(super) external: bool,
    /// Of a nested stack: what it holds.
    pub(super) inner: Vec<Member>,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            cloud: None,
            stacks: BTreeMap::new(),
            trouble: Trouble::None,
            looks: 2,
            held: false,
            fails: false,
            snapshots_fail: false,
            changes: None,
            made: 0,
            clock: 1_795_000_000,
            asked: Vec::new(),
        }
    }

    pub(super) fn id(&mut self) -> String {
        self.made += 1;
        format!("{:08x}-0000-4000-8000-{:012x}", 0xfa4e_0000_u32, self.made)
    }

    /// The end of a resource's name, or of anything else that is made up.
    fn twelve(&mut self) -> String {
        self.made += 1;
        format!("f{:011x}", self.made)
    }

    pub(super) fn now(&mut self) -> String {
        self.clock += 1;
        Timestamp::from_second(self.clock).unwrap().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    pub(super) fn create(&mut self, project: &str, owner: &str, body: &Value) -> String {
        let document = body["adopt_stack_data"].as_str();
        let document: Option<Value> = document.map(|text| serde_json::from_str(text).unwrap());
        let action = if document.is_some() { "ADOPT" } else { "CREATE" };
        let (template, parameters) = match &document {
            Some(document) => (&document["template"], &document["environment"]["parameters"]),
            None => (&body["template"], &body["parameters"]),
        };
        let (id, users, created) = (self.id(), self.twelve(), self.now());
        let stack = Stack {
            project: project.to_owned(),
            name: body["stack_name"].as_str().unwrap_or_default().to_owned(),
            id: id.clone(),
            owner: owner.to_owned(),
            users: format!("{:0>32}", users),
            action: action.to_owned(),
            status: "IN_PROGRESS".to_owned(),
            reason: format!("Stack {action} started"),
            created,
            updated: None,
            deleted: None,
            template: template.clone(),
            parameters: parameters.as_object().cloned().unwrap_or_default(),
            files: body.get("files").cloned().unwrap_or_else(|| json!({})),
            registry: json!({"resources": {}}),
            tags: tags(body),
            timeout: body["timeout_mins"].clone(),
            members: Vec::new(),
            events: Vec::new(),
            snapshots: Vec::new(),
            restoring: None,
            left: self.looks,
            failing: std::mem::take(&mut self.fails),
        };
        self.stacks.insert(id.clone(), stack);
        self.event(&id, action, "IN_PROGRESS", &format!("Stack {action} started"));
        if let Some(document) = &document {
            for (name, was) in document["resources"].as_object().into_iter().flatten() {
                let physical = was["resource_id"].as_str().unwrap_or_default().to_owned();
                let made = self.member(&id, name, Some(physical));
                self.stacks.get_mut(&id).unwrap().members.push(made);
            }
        }
        id
    }

    pub(super) fn begin(&mut self, id: &str, action: &str) {
        let (updated, looks, failing) = (self.now(), self.looks, std::mem::take(&mut self.fails));
        let stack = self.stacks.get_mut(id).unwrap();
        (stack.action, stack.status) = (action.to_owned(), "IN_PROGRESS".to_owned());
        stack.reason = format!("Stack {action} started");
        (stack.left, stack.failing) = (looks, failing);
        if action != "DELETE" {
            stack.updated = Some(updated);
        }
        self.event(id, action, "IN_PROGRESS", &format!("Stack {action} started"));
    }

    pub(super) fn end(&mut self, id: &str) {
        let stack = &self.stacks[id];
        let action = stack.action.clone();
        let failing = stack.failing || (self.snapshots_fail && action == "SNAPSHOT");
        self.stacks.get_mut(id).unwrap().failing = failing;
        let broken = if failing { Some("it was told to".to_owned()) } else { self.members_end(id, &action) };
        let deleted = self.now();
        let stack = self.stacks.get_mut(id).unwrap();
        let (status, reason) = match broken {
            Some(why) if stack.failing => ("FAILED", format!("Stack {action} failed: {why}")),
            Some(why) => ("FAILED", format!("Resource {action} failed: {why}")),
            None => ("COMPLETE", format!("Stack {action} completed successfully")),
        };
        (stack.status, stack.reason) = (status.to_owned(), reason.clone());
        if action == "ADOPT" && status == "COMPLETE" {
            stack.updated = Some(deleted.clone());
        }
        if stack.is_deleted() {
            stack.deleted = Some(deleted);
        }
        stack.snapshot_ends(status, &reason);
        self.event(id, &action, status, &reason);
    }

    /// Begins a snapshot; what `POST …/snapshots` answers.
    pub(super) fn take_snapshot(&mut self, id: &str, name: &Value) -> Value {
        let (snapshot, at) = (self.id(), self.now());
        let made = json!({"id": snapshot, "name": name, "action": "CREATE", "status": "IN_PROGRESS", "status_reason": null,
            "data": null, "creation_time": at});
        self.begin(id, "SNAPSHOT");
        self.stacks.get_mut(id).unwrap().snapshots.push(made.clone());
        made
    }

    pub(super) fn restore(&mut self, id: &str, snapshot: &Value) {
        self.begin(id, "RESTORE");
        self.stacks.get_mut(id).unwrap().restoring = Some(snapshot.clone());
    }

    pub(super) fn release(&mut self) {
        (self.held, self.looks) = (false, 1);
        let busy = self.stacks.values().filter(|stack| stack.status == "IN_PROGRESS" && stack.left < u32::MAX);
        for id in busy.map(|stack| stack.id.clone()).collect::<Vec<_>>() {
            self.end(&id);
        }
    }

    /// What an action makes of the resources; why it fails, if one does.
    fn members_end(&mut self, id: &str, action: &str) -> Option<String> {
        let stack = self.stacks[id].clone();
        let mut failed = None;
        let wanted: Vec<String> =
            if action == "DELETE" { Vec::new() } else { stack.defined().map(|(name, _)| name.clone()).collect() };
        for gone in stack.members.iter().filter(|member| !wanted.contains(&member.name)) {
            self.event_of(id, gone, "DELETE", "IN_PROGRESS", "state changed");
            if let Err(why) = self.remove_in_cloud(gone) {
                let why = format!("BadRequest: resources.{}: {why}", gone.name);
                self.event_of(id, gone, "DELETE", "FAILED", &why);
                failed = Some(why);
                continue;
            }
            self.event_of(id, gone, "DELETE", "COMPLETE", "state changed");
            self.stacks.get_mut(id).unwrap().members.retain(|member| member.name != gone.name);
        }
        for name in wanted {
            let before = stack.members.iter().find(|member| member.name == name);
            let mut member = self.member(id, &name, before.map(|member| member.physical.clone()));
            let held = before.map(|before| before.inner.clone()).unwrap_or_default();
            let mut broken = None;
            match self.inner(id, &member.kind, &held) {
                Ok(inner) => member.inner = inner,
                Err(why) => (member.inner, broken) = (held.clone(), Some(why)),
            }
            let same = |before: &Member| {
                let names = |of: &[Member]| of.iter().map(|member| member.physical.clone()).collect::<Vec<_>>();
                before.properties == member.properties && names(&held) == names(&member.inner) && broken.is_none()
            };
            let does = match before {
                None => "CREATE",
                Some(before) if action == "UPDATE" && same(before) => continue,
                Some(before) => {
                    if action == "UPDATE" && before.properties != member.properties {
                        broken = broken.or(self.change_in_cloud(&member).err());
                    }
                    (member.created, member.chance) = (before.created.clone(), before.chance.clone());
                    if action != "UPDATE" {
                        member.updated.clone_from(&before.updated);
                    }
                    action
                }
            };
            self.event_of(id, &member, does, "IN_PROGRESS", "state changed");
            if member.kind == "OS::Heat::TestResource" && member.properties["fail"] == true {
                broken = Some(format!("Test Resource failed {name}"));
            }
            let (status, reason) = if let Some(why) = broken {
                let why = format!("ValueError: resources.{name}: {why}");
                failed = Some(why.clone());
                ("FAILED", why)
            } else {
                ("COMPLETE", "state changed".to_owned())
            };
            (member.status, member.reason) = (format!("{does}_{status}"), reason.clone());
            self.event_of(id, &member, does, status, &reason);
            let members = &mut self.stacks.get_mut(id).unwrap().members;
            match members.iter_mut().find(|other| other.name == name) {
                Some(other) => *other = member,
                None => members.push(member),
            }
        }
        failed
    }

    /// A resource as the template has it, under the name that Heat gives it.
    fn member(&mut self, id: &str, name: &str, physical: Option<String>) -> Member {
        let definition = self.stacks[id].template["resources"][name].clone();
        self.new_member(id, name, &definition, physical)
    }

    /// The same by any definition; made in the cloud if there is none of it yet.
    pub(super) fn new_member(&mut self, id: &str, name: &str, definition: &Value, physical: Option<String>) -> Member {
        let (end, chance, at) = (self.twelve(), self.twelve(), self.now());
        let stack = &self.stacks[id];
        let properties = stack.resolved(&definition["properties"]);
        let physical = physical.or_else(|| self.make_in_cloud(&stack.project, definition, &properties));
        Member {
            name: name.to_owned(),
            kind: definition["type"].as_str().unwrap_or_default().to_owned(),
            properties,
            physical: physical.unwrap_or_else(|| format!("{}-{name}-{end}", stack.name)),
            created: at.clone(),
            updated: at,
            status: "INIT_COMPLETE".to_owned(),
            reason: String::new(),
            chance: format!("{chance}{}", &chance[..4]),
            external: definition["external_id"].is_string(),
            inner: Vec::new(),
        }
    }

    fn event(&mut self, id: &str, action: &str, status: &str, reason: &str) {
        let (name, physical) = (self.stacks[id].name.clone(), id.to_owned());
        self.tell(id, &name, &physical, &format!("{action}_{status}"), reason);
    }

    fn event_of(&mut self, id: &str, member: &Member, action: &str, status: &str, reason: &str) {
        self.tell(id, &member.name, &member.physical, &format!("{action}_{status}"), reason);
    }

    fn tell(&mut self, stack: &str, name: &str, physical: &str, word: &str, reason: &str) {
        let (id, at) = (self.id(), self.now());
        let told = json!({"id": id, "event_time": at, "logical_resource_id": name, "resource_name": name,
            "physical_resource_id": physical, "resource_status": word, "resource_status_reason": reason});
        self.stacks.get_mut(stack).unwrap().events.push(told);
    }

    pub(super) fn change(&mut self, id: &str) {
        match &mut self.changes {
            Some((left, of)) if of == id && *left > 1 => *left -= 1,
            Some((_, of)) if of == id => {
                self.changes = None;
                self.begin(id, "UPDATE");
                self.end(id);
            }
            _ => {}
        }
    }

    /// One look nearer to the end of what goes on.
    pub(super) fn look(&mut self, id: &str) {
        if self.held {
            return;
        }
        let Some(stack) = self.stacks.get_mut(id).filter(|stack| stack.status == "IN_PROGRESS") else { return };
        if stack.left == u32::MAX {
            return;
        }
        stack.left = stack.left.saturating_sub(1);
        if stack.left == 0 {
            self.end(id);
        }
    }
}

impl Stack {
    pub(super) fn is_deleted(&self) -> bool {
        self.action == "DELETE" && self.status == "COMPLETE"
    }

    /// What becomes of a snapshot that was being made, or restored, when the stack's action has ended.
    fn snapshot_ends(&mut self, status: &str, reason: &str) {
        if let Some(snapshot) = self.restoring.take().filter(|_| status == "COMPLETE") {
            self.template = snapshot["data"]["template"].clone();
            self.parameters = snapshot["data"]["environment"]["parameters"].as_object().cloned().unwrap_or_default();
        }
        if self.action != "SNAPSHOT" {
            return;
        }
        let data = json!({"name": self.name, "id": self.id, "template": self.template,
            "environment": {"parameters": self.parameters}});
        for snapshot in self.snapshots.iter_mut().filter(|snapshot| snapshot["status"] == "IN_PROGRESS") {
            (snapshot["status"], snapshot["status_reason"]) = (status.into(), reason.into());
            snapshot["data"] = data.clone();
        }
    }

    pub(super) fn defined(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.template["resources"].as_object().into_iter().flatten()
    }

    /// With parameters' values and, of what is there, attributes in place of what names them.
    pub(super) fn resolved(&self, value: &Value) -> Value {
        let Some(object) = value.as_object() else { return value.clone() };
        if let Some(name) = object.get("get_param").and_then(Value::as_str) {
            return self.parameter(name);
        }
        if let Some(of) = object.get("get_attr") {
            let of = |at: usize| of[at].as_str().unwrap_or_default();
            let member = self.members.iter().find(|member| member.name == of(0));
            return member.map_or(Value::Null, |member| member.attributes()[of(1)].clone());
        }
        object.iter().map(|(key, value)| (key.clone(), self.resolved(value))).collect()
    }

    pub(super) fn parameter(&self, name: &str) -> Value {
        let default = || self.template["parameters"][name]["default"].clone();
        self.parameters.get(name).cloned().unwrap_or_else(default)
    }

    /// A `PATCH` keeps what it does not name.
    pub(super) fn take(&mut self, method: &str, body: &Value) {
        if let Some(template) = body.get("template") {
            self.template = template.clone();
        }
        if let (Some(files), Some(given)) = (self.files.as_object_mut(), body["files"].as_object()) {
            files.extend(given.clone());
        }
        if method == "PUT" {
            self.parameters.clear();
            self.tags = tags(body);
            self.timeout = body["timeout_mins"].clone();
        }
        for given in [&body["parameters"], &body["environment"]["parameters"]] {
            self.parameters.extend(given.as_object().cloned().unwrap_or_default());
        }
        for name in body["clear_parameters"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            self.parameters.remove(name);
        }
    }
}

impl Member {
    pub(super) fn attributes(&self) -> Value {
        match self.kind.as_str() {
            "OS::Heat::TestResource" => json!({"output": self.properties["value"]}),
            "OS::Heat::RandomString" => json!({"value": self.chance}),
            "OS::Heat::Value" => json!({"value": self.properties["value"]}),
            _ => json!({}),
        }
    }
}

fn tags(body: &Value) -> Vec<String> {
    match &body["tags"] {
        Value::String(text) => text.split(',').map(str::to_owned).collect(),
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}
