//! How stacks are shown: each field, in Heat's order.

use serde_json::{Map, Value, json};

use super::state::{Member, Stack};

impl Stack {
    pub(super) fn href(&self, base: &str) -> String {
        format!("{base}/{}/stacks/{}/{}", self.project, self.name, self.id)
    }

    fn self_link(&self, base: &str) -> Value {
        json!([{"href": self.href(base), "rel": "self"}])
    }

    /// In a list.
    pub(super) fn row(&self, base: &str) -> Value {
        json!({"id": self.id, "links": self.self_link(base), "stack_name": self.name, "description": "",
            "stack_status": self.word(), "stack_status_reason": self.reason, "creation_time": self.created,
            "updated_time": self.updated, "deletion_time": self.deleted, "stack_owner": self.owner, "parent": null,
            "stack_user_project_id": self.users, "tags": if self.tags.is_empty() { Value::Null } else { json!(self.tags) }})
    }

    /// Alone.
    pub(super) fn full(&self, base: &str) -> Value {
        let description = self.template["description"].as_str().unwrap_or("No description");
        let mut parameters =
            json!({"OS::stack_id": self.id, "OS::project_id": self.project, "OS::stack_name": self.name});
        for (name, _) in self.template["parameters"].as_object().into_iter().flatten() {
            let value = match self.parameter(name) {
                _ if self.hidden(name) => "******".to_owned(),
                Value::String(text) => text,
                other => other.to_string(),
            };
            parameters[name] = value.into();
        }
        let mut full = json!({"stack_name": self.name, "id": self.id, "links": self.self_link(base),
            "creation_time": self.created, "updated_time": self.updated, "deletion_time": self.deleted,
            "notification_topics": [], "parameters": parameters, "description": description,
            "template_description": description, "capabilities": [], "disable_rollback": true, "timeout_mins": self.timeout,
            "stack_owner": self.owner, "parent": null, "stack_user_project_id": self.users, "tags": self.tags,
            "stack_status": self.word(), "stack_status_reason": self.reason});
        if !self.is_deleted() {
            let outputs = self.outputs();
            full["outputs"] = outputs.collect();
        }
        full
    }

    fn word(&self) -> String {
        format!("{}_{}", self.action, self.status)
    }

    pub(super) fn outputs(&self) -> impl Iterator<Item = Value> {
        self.template["outputs"].as_object().into_iter().flatten().map(|(name, output)| {
            let description = output["description"].as_str().unwrap_or("No description given");
            json!({"output_key": name, "description": description, "output_value": self.resolved(&output["value"])})
        })
    }

    fn hidden(&self, name: &str) -> bool {
        self.template["parameters"][name]["hidden"] == true
    }

    fn shown_parameters(&self) -> Map<String, Value> {
        let mask = |(name, value): (&String, &Value)| {
            (name.clone(), if self.hidden(name) { "******".into() } else { value.clone() })
        };
        self.parameters.iter().map(mask).collect()
    }

    pub(super) fn environment(&self) -> Value {
        let hidden: Vec<_> = self.parameters.keys().filter(|name| self.hidden(name)).collect();
        json!({"resource_registry": self.registry, "parameters": self.shown_parameters(), "parameter_defaults": {},
            "event_sinks": [], "encrypted_param_names": hidden})
    }

    /// What an abandon hands out.
    pub(super) fn document(&self) -> Value {
        let resources: Map<String, Value> = self
            .members
            .iter()
            .map(|member| {
                let (action, status) = member.status.split_once('_').unwrap_or_default();
                let data = match member.kind.as_str() {
                    "OS::Heat::TestResource" => json!({"value": member.properties["value"]}),
                    "OS::Heat::RandomString" => json!({"value": member.chance}),
                    _ => json!({}),
                };
                let of = json!({"name": member.name, "resource_id": member.physical, "type": member.kind, "action": action,
                    "status": status, "metadata": {}, "resource_data": data});
                (member.name.clone(), of)
            })
            .collect();
        json!({"name": self.name, "id": self.id, "action": self.action,
            "environment": {"resource_registry": self.registry, "parameters": self.parameters, "parameter_defaults": {},
                "event_sinks": []},
            "files": self.files, "status": self.status, "template": self.template, "resources": resources,
            "project_id": self.project, "stack_user_project_id": self.users, "tags": self.tags})
    }

    /// With those of nested stacks, where they are asked for.
    pub(super) fn resources(&self, base: &str, nested: bool, detail: bool) -> Vec<Value> {
        let mut listed = Vec::new();
        for member in &self.members {
            let holds = member.kind.ends_with(".yaml") || member.kind.ends_with("ResourceGroup");
            let inner = format!("{base}/{}/stacks/{}-{}/inner", self.project, self.name, member.name);
            let mut shown = self.resource(member, base, detail);
            if holds {
                shown["links"].as_array_mut().unwrap().push(json!({"href": inner, "rel": "nested"}));
            }
            listed.push(shown);
            for inside in member.inner.iter().filter(|_| nested) {
                let mut shown = self.resource(inside, base, detail);
                shown["links"] = json!([{"href": format!("{inner}/resources/{}", inside.name), "rel": "self"},
                    {"href": inner, "rel": "stack"}]);
                shown["parent_resource"] = member.name.as_str().into();
                listed.push(shown);
            }
            if holds && nested && member.inner.is_empty() {
                let leaf = Member {
                    name: "leaf".to_owned(),
                    kind: "OS::Heat::TestResource".to_owned(),
                    physical: format!("{}-leaf", member.physical),
                    ..member.clone()
                };
                let mut leaf = self.resource(&leaf, base, detail);
                leaf["links"] = json!([{"href": format!("{inner}/resources/leaf"), "rel": "self"},
                    {"href": inner, "rel": "stack"}]);
                leaf["parent_resource"] = member.name.as_str().into();
                listed.push(leaf);
            }
        }
        listed
    }

    pub(super) fn resource(&self, member: &Member, base: &str, detail: bool) -> Value {
        let mut required: Vec<&String> = Vec::new();
        for (name, definition) in self.defined() {
            let depends = &definition["depends_on"];
            let listed = depends.as_array().is_some_and(|on| on.iter().any(|on| *on == member.name));
            if *depends == member.name || listed {
                required.push(name);
            }
        }
        let mut shown = json!({"updated_time": member.updated, "creation_time": member.created,
            "logical_resource_id": member.name, "resource_name": member.name, "physical_resource_id": member.physical,
            "resource_status": member.status, "resource_status_reason": member.reason, "resource_type": member.kind,
            "links": [{"href": format!("{}/resources/{}", self.href(base), member.name), "rel": "self"},
                {"href": self.href(base), "rel": "stack"}],
            "required_by": required});
        if detail {
            shown["description"] = "".into();
            shown["attributes"] = member.attributes();
        }
        shown
    }

    /// Oldest first.
    pub(super) fn shown_events(&self, base: &str) -> Vec<Value> {
        let shown = |event: &Value| {
            let text = |key: &str| event[key].as_str().unwrap_or_default();
            let resource = format!("{}/resources/{}", self.href(base), text("resource_name"));
            json!({"id": event["id"],
                "links": [{"href": format!("{resource}/events/{}", text("id")), "rel": "self"},
                    {"href": resource, "rel": "resource"}, {"href": self.href(base), "rel": "stack"}],
                "event_time": event["event_time"], "logical_resource_id": event["logical_resource_id"],
                "resource_name": event["resource_name"], "physical_resource_id": event["physical_resource_id"],
                "resource_status": event["resource_status"], "resource_status_reason": event["resource_status_reason"]})
        };
        self.events.iter().map(shown).collect()
    }
}
