//! `/images`.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::wire::{Answer, Given, Refusal, Service, Wire, bad_request, forbidden, missing};
use super::state::{Image, State};

const NOT_VERIFIED: &str = "This server could not verify that you are authorized to access the document you requested. Either \
     you supplied the wrong credentials (e.g., bad password), or your browser does not understand how to supply the \
     credentials required.";

impl Service for State {
    const ROOT: &str = "v2";
    const OF_PROJECT: bool = false;
    const STRANGERS_COUNT: bool = false;

    fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    /// Nothing here takes time by itself.
    fn settle(&mut self) {}

    fn serve(&mut self, method: &str, path: &[&str], given: &Given<'_>) -> Option<Answer> {
        Some(match (method, path) {
            ("GET", ["images"]) => self.list(given),
            ("GET", ["images", id]) => match self.image_of(id, given) {
                Some(image) => Ok((StatusCode::OK, image.view())),
                None => Err(missing(format!("No image found with ID {id}"))),
            },
            ("DELETE", ["images", id]) => self.delete(id, given),
            _ => return None,
        })
    }

    fn refuse(refusal: &Refusal) -> Value {
        let message = match refusal.status {
            StatusCode::UNAUTHORIZED => NOT_VERIFIED,
            _ => &refusal.message,
        };
        let (code, title) = (refusal.status.to_string(), refusal.status.canonical_reason());
        json!({"message": format!("{message}<br /><br />\n\n\n"), "code": code, "title": title})
    }
}

impl State {
    fn image_of(&self, id: &str, given: &Given<'_>) -> Option<&Image> {
        self.images.get(id).filter(|image| given.may(&image.project))
    }

    /// A page, the newest first: an administrator's is of all projects.
    fn list(&self, given: &Given<'_>) -> Answer {
        let mut own: Vec<&Image> = self.images.values().filter(|image| given.may(&image.project)).collect();
        own.sort_by_key(|image| std::cmp::Reverse((&image.created, &image.id)));
        let is = |filter: &str, value: Option<&str>| given.query.get(filter).is_none_or(|it| value == Some(it));
        own.retain(|image| {
            let of_server = image.properties.get("image_type").map(String::as_str);
            is("name", Some(&image.name)) && is("owner", Some(&image.project)) && is("image_type", of_server)
        });
        if let Some(marker) = given.query.get("marker") {
            let Some(place) = own.iter().position(|image| image.id == *marker) else {
                return Err(bad_request(format!("No image found with ID {marker}")));
            };
            own.drain(..=place);
        }
        let limit = given.query.get("limit").and_then(|limit| limit.parse::<usize>().ok()).unwrap_or(25);
        own.truncate(limit);
        let mut body = json!({"first": "/v2/images", "schema": "/v2/schemas/images"});
        // Also where nothing follows.
        if let Some(last) = own.last().filter(|_| own.len() == limit) {
            body["next"] = format!("/v2/images?marker={}", last.id).into();
        }
        body["images"] = own.into_iter().map(Image::view).collect();
        Ok((StatusCode::OK, body))
    }

    fn delete(&mut self, id: &str, given: &Given<'_>) -> Answer {
        match self.image_of(id, given) {
            None => Err(missing(format!("Failed to find image {id} to delete"))),
            Some(image) if image.protected => Err(forbidden(format!("Image {id} is protected and cannot be deleted."))),
            Some(_) => {
                self.images.remove(id);
                Ok((StatusCode::NO_CONTENT, Value::Null))
            }
        }
    }
}

impl Image {
    fn view(&self) -> Value {
        let has_bytes = self.status == "active";
        let known = |value: Value| if has_bytes { value } else { Value::Null };
        let hash = self.hash();
        let mut view = json!({
            "id": self.id, "name": self.name, "status": self.status, "owner": self.project, "visibility": self.visibility,
            "protected": self.protected, "os_hidden": false, "tags": [], "min_disk": 1, "min_ram": 0,
            "container_format": "bare", "disk_format": "raw", "created_at": self.created, "updated_at": self.created,
            "size": known(self.content.len().into()), "virtual_size": known(self.content.len().into()), "checksum": known(hash[..32].into()),
            "os_hash_algo": known("sha512".into()), "os_hash_value": known(hash.as_str().into()),
            "self": format!("/v2/images/{}", self.id), "file": format!("/v2/images/{}/file", self.id),
            "schema": "/v2/schemas/image",
        });
        for (name, value) in &self.properties {
            view[name] = value.as_str().into();
        }
        view
    }
}
