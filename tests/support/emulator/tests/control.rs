//! The control port.

use serde_json::{Value, json};

use super::super::{Emulator, Endpoint};
use super::wire::acme;

async fn call(chathub: &Emulator, method: &str, path: &str, body: Value) -> (u16, Value) {
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
    let request = reqwest::Client::new().request(method, format!("{}{path}", chathub.control_url()));
    let response = request.json(&body).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn list(chathub: &Emulator) -> u16 {
    acme(chathub, "GET /api/operator?organizationId=24").send().await.status
}

#[tokio::test]
async fn switches_are_changed_one_by_one() {
    let chathub = Emulator::start().await;
    let change = json!({ "unknownOrganization": "notFound", "replicaLagMs": 250, "rateLimit": { "kind": "off" } });
    let (status, switches) = call(&chathub, "PATCH", "/switches", change).await;
    assert_eq!(
        (status, &switches["unknownOrganization"], &switches["missingId"]),
        (200, &json!("notFound"), &json!("zero"))
    );
    assert_eq!(call(&chathub, "GET", "/switches", json!(null)).await.1, switches);
    assert_eq!(acme(&chathub, "GET /api/operator?organizationId=25").send().await.status, 404);
    let (status, problem) = call(&chathub, "PATCH", "/switches", json!({ "retryAftr": true })).await;
    assert_eq!(status, 400);
    assert!(problem["error"].as_str().unwrap().contains("retryAftr"));
}

#[tokio::test]
async fn every_kind_of_limit_can_be_set_and_read_back() {
    let chathub = Emulator::start().await;
    for limit in [
        json!({ "kind": "off" }),
        json!({ "kind": "bucket", "rate": 50, "capacity": 25 }),
        json!({ "kind": "strictWindow", "most": 75, "windowMs": 1000, "average": 50 }),
    ] {
        let (status, switches) = call(&chathub, "PATCH", "/switches", json!({ "rateLimit": limit })).await;
        assert_eq!((status, &switches["rateLimit"]), (200, &limit));
    }
}

#[tokio::test]
async fn faults_are_queued_and_cleared() {
    let chathub = Emulator::start().await;
    for fault in [
        json!({ "statusBefore": 503 }),
        json!("dropAfter"),
        json!({ "latencyBefore": 5 }),
        json!({ "fields": [["Vary", "*"]] }),
        json!({ "partialSynchronize": 1 }),
    ] {
        let order = json!({ "endpoint": "listOperators", "fault": fault, "times": 1 });
        assert_eq!(call(&chathub, "POST", "/faults", order).await.0, 200, "{fault}");
    }
    assert_eq!(list(&chathub).await, 503);
    assert_eq!(call(&chathub, "DELETE", "/faults", json!(null)).await.1, json!({ "queued": 0 }));
    assert_eq!(list(&chathub).await, 200);
}

#[tokio::test]
async fn a_stall_is_made_watched_and_released() {
    let chathub = Emulator::start().await;
    let (_, made) = call(&chathub, "POST", "/stalls", json!({ "endpoint": "listOperators", "point": "after" })).await;
    let (status, ()) = tokio::join!(list(&chathub), async {
        chathub.wait_for_requests(Endpoint::ListOperators, 1).await;
        while call(&chathub, "GET", "/stalls", json!(null)).await.1[0]["inside"] != json!(1) {}
        assert_eq!(call(&chathub, "DELETE", &format!("/stalls/{}", made["id"]), json!(null)).await.0, 200);
    });
    assert_eq!(status, 200);
}

#[tokio::test]
async fn the_clock_is_moved_and_data_replaced_and_tokens_revoked() {
    let chathub = Emulator::start().await;
    let moved = json!({ "setUnixMs": 1_769_335_200_000_u64, "frozen": true, "advanceMs": 1_000 });
    assert_eq!(
        call(&chathub, "POST", "/clock", moved).await.1,
        json!({ "unixMs": 1_769_335_201_000_u64, "frozen": true })
    );
    let dated = acme(&chathub, "GET /api/operator").send().await;
    assert_eq!(dated.field("date"), Some("Sun, 25 Jan 2026 10:00:01 GMT"));
    let order = json!({ "organization": 24, "names": ["Ann"] });
    assert_eq!(call(&chathub, "POST", "/operators", order).await.1, json!({ "ids": [104] }));
    let key = chathub.profile_key("acme");
    assert_eq!(call(&chathub, "POST", "/revoke", json!({ "credential": key })).await.0, 200);
    assert_eq!(list(&chathub).await, 401);
}

#[tokio::test]
async fn counters_and_logs_are_shown_and_reset() {
    let chathub = Emulator::start().await;
    list(&chathub).await;
    acme(&chathub, "POST /api/operator/status").json(r#"{"id":103,"status":0}"#).send().await;
    let (_, counters) = call(&chathub, "GET", "/counters", json!(null)).await;
    assert_eq!((&counters["total"], &counters["byEndpoint"]["listOperators"]), (&json!(2), &json!(1)));
    assert_eq!(counters["largestWindowByCompany"]["acme"], counters["largestWindow"]);
    assert_eq!(call(&chathub, "GET", "/applied", json!(null)).await.1[0]["endpoint"], "setStatus");
    assert_eq!(call(&chathub, "GET", "/received", json!(null)).await.1[0]["method"], "GET");
    assert_eq!(call(&chathub, "DELETE", "/counters", json!(null)).await.1["total"], 0);
    assert_eq!(call(&chathub, "GET", "/nothing", json!(null)).await.0, 404);
}
