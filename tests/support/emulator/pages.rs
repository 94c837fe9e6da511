//! The Swagger pages, small but of the right kinds.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Content, to_json};
use super::endpoint::ROUTES;

const INDEX: &str = "<!DOCTYPE html><html><head><title>ChatHub (emulated)</title></head>\
    <body><h1>ChatHub (emulated)</h1><a href=\"/swagger/v1/swagger.json\">swagger.json</a></body></html>";

/// The page on a path that the routes know.
pub(super) fn page(path: &str) -> Answer {
    if path.to_ascii_lowercase().trim_end_matches('/').ends_with(".json") {
        let description = Content::Chunked("application/json;charset=utf-8", to_json(&description()));
        return Answer::new(StatusCode::OK, description);
    }
    Answer::new(StatusCode::OK, Content::Chunked("text/html;charset=utf-8", INDEX.into()))
}

/// The calls of the API, as far as OpenAPI demands it.
fn description() -> Value {
    let mut paths = Map::new();
    for (method, template, _) in ROUTES.iter().filter(|(_, template, _)| template.starts_with("/api")) {
        let path = paths.entry((*template).to_owned()).or_insert_with(|| json!({}));
        path[method.to_ascii_lowercase()] = json!({ "responses": { "200": { "description": "OK" } } });
    }
    json!({ "openapi": "3.0.1", "info": { "title": "ChatHub (emulated)", "version": "v1" }, "paths": paths })
}
