//! Operators and organizations: what writes change and what lists show, sections 1.1 to 1.4 and 8.

use std::time::Duration;

use super::super::{DeletedOperators, Emulator, Endpoint};
use super::wire::{Reply, acme, ask};

const LIST: &str = "GET /api/operator?organizationId=24";

async fn synchronize(chathub: &Emulator, body: &str) -> Reply {
    acme(chathub, "POST /api/operator/synchronize").json(body).send().await
}

async fn set_status(chathub: &Emulator, id: i32, status: i32) -> Reply {
    let body = format!(r#"{{"id":{id},"status":{status}}}"#);
    acme(chathub, "POST /api/operator/status").json(&body).send().await
}

async fn names(chathub: &Emulator, organization: u32) -> Vec<String> {
    let reply = acme(chathub, &format!("GET /api/operator?organizationId={organization}")).send().await;
    let items = reply.json();
    items.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn synchronize_adds_in_order_and_answers_without_organization() {
    let chathub = Emulator::start().await;
    let body =
        r#"[{"organizationId":24,"name":"Ann"},{"organizationId":6,"name":"Ben"},{"organizationId":24,"name":"Ann"}]"#;
    let reply = synchronize(&chathub, body).await;
    let expected =
        r#"[{"id":104,"name":"Ann","status":0},{"id":105,"name":"Ben","status":0},{"id":106,"name":"Ann","status":0}]"#;
    assert_eq!((reply.status, reply.text().as_str()), (200, expected));
    assert_eq!(names(&chathub, 24).await, ["John Smith", "Sarah Johnson", "Mike Wilson", "Ann", "Ann"]);
    assert_eq!(names(&chathub, 6).await, ["Emma Brown", "Олена Коваль", "Ben"]);
}

#[tokio::test]
async fn synchronize_applies_all_items_or_none() {
    let chathub = Emulator::start().await;
    for (second, status) in [(7, 404), (999, 404), (0, 404), (-24, 404)] {
        let body = format!(r#"[{{"organizationId":24,"name":"Ann"}},{{"organizationId":{second},"name":"Ben"}}]"#);
        assert_eq!(synchronize(&chathub, &body).await.status, status, "{second}");
    }
    assert_eq!(names(&chathub, 24).await.len(), 3);
    assert_eq!(synchronize(&chathub, "[]").await.text(), "[]");
    assert_eq!(chathub.applied(), []);
}

#[tokio::test]
async fn a_status_is_set_absolutely_and_deleted_operators_stay_listed() {
    let chathub = Emulator::start().await;
    for status in [2, 0, 1] {
        assert_eq!(set_status(&chathub, 101, status).await.status, 200);
        assert_eq!(acme(&chathub, LIST).send().await.json()[0]["status"], status);
    }
    for (id, status, expected) in [(999, 0, 404), (71, 0, 404), (-1, 0, 404), (101, 3, 400), (101, -1, 400)] {
        assert_eq!(set_status(&chathub, id, status).await.status, expected, "{id} {status}");
    }
    set_status(&chathub, 101, 2).await;
    chathub.switch(|switches| switches.deleted_operators = DeletedOperators::Hidden);
    assert_eq!(names(&chathub, 24).await, ["Sarah Johnson", "Mike Wilson"]);
}

#[tokio::test]
async fn organizations_are_those_of_the_company() {
    let chathub = Emulator::start().await;
    let expected =
        r#"[{"id":6,"name":"Sales"},{"id":24,"name":"Customer Support"},{"id":42,"name":"Technical Support"}]"#;
    assert_eq!(acme(&chathub, "GET /api/company/organization").send().await.text(), expected);
}

#[tokio::test]
async fn operators_set_by_a_test_replace_the_seed() {
    let chathub = Emulator::start().await;
    assert_eq!(chathub.operators(24, ["Ann", "Ben"]), [104, 105]);
    assert_eq!(chathub.operators(900, ["Cid"]), [106]);
    assert_eq!(names(&chathub, 24).await, ["Ann", "Ben"]);
    assert_eq!(names(&chathub, 900).await, ["Cid"]);
    assert_eq!(set_status(&chathub, 101, 0).await.status, 404, "replaced operators are gone");
    assert_eq!(chathub.applied().len(), 0);
}

#[tokio::test]
async fn applied_writes_are_logged_with_rising_order_and_lists_bear_their_version() {
    let chathub = Emulator::start().await;
    chathub.switch(|switches| switches.version_field = true);
    let version = |reply: &Reply| reply.field("x-emulator-version").unwrap().parse::<u64>().unwrap();
    let before = version(&acme(&chathub, LIST).send().await);
    let written = version(&synchronize(&chathub, r#"[{"organizationId":24,"name":"Ann"}]"#).await);
    let other = version(&set_status(&chathub, 51, 1).await);
    let after = version(&acme(&chathub, LIST).send().await);
    assert!(before < written && written < other);
    assert_eq!(after, written, "a write to another organization leaves the version");
    let applied = chathub.applied();
    assert_eq!(applied.iter().map(|write| write.order).collect::<Vec<_>>(), [written, other]);
    assert_eq!((applied[0].endpoint, applied[0].ids.as_slice()), (Endpoint::Synchronize, &[104][..]));
    assert_eq!((applied[1].organizations.as_slice(), applied[1].company.as_str()), (&[6][..], "acme"));
    assert_eq!(applied[0].credential, Some(Emulator::fingerprint(&chathub.profile_key("acme"))));
}

#[tokio::test]
async fn a_list_tells_for_whom_and_when_it_was_made_and_the_log_by_what_a_write_is_known() {
    let chathub = Emulator::start().await;
    chathub.clock().freeze();
    chathub.switch(|switches| switches.version_field = true);
    for list in [LIST, "GET /api/company/organization"] {
        let reply = acme(&chathub, list).send().await;
        let fingerprint = Emulator::fingerprint(&chathub.profile_key("acme"));
        assert_eq!(reply.field("x-emulator-credential"), Some(fingerprint.as_str()), "{list}");
        assert_eq!(reply.field("x-emulator-moment"), Some(chathub.clock().now().as_nanos().to_string().as_str()));
    }
    let write = acme(&chathub, "POST /api/operator/status").with("X-Emulator-Tag", "7");
    write.json(r#"{"id":101,"status":1}"#).send().await;
    set_status(&chathub, 101, 0).await;
    assert_eq!(chathub.applied().iter().map(|write| write.tag.as_deref()).collect::<Vec<_>>(), [Some("7"), None]);
}

#[tokio::test]
async fn the_bytes_of_a_list_are_stable_between_writes() {
    let chathub = Emulator::start().await;
    let first = acme(&chathub, LIST).send().await.body;
    set_status(&chathub, 51, 1).await;
    let token = format!("Bearer {}", chathub.company_token("acme"));
    assert_eq!(ask(&chathub, LIST).with("Authorization", &token).send().await.body, first);
}

#[tokio::test]
async fn under_replica_lag_lists_trail_writes() {
    let chathub = Emulator::start().await;
    chathub.clock().freeze();
    chathub.switch(|switches| switches.replica_lag = Duration::from_millis(500));
    synchronize(&chathub, r#"[{"organizationId":24,"name":"Ann"}]"#).await;
    chathub.clock().advance(Duration::from_millis(300));
    synchronize(&chathub, r#"[{"organizationId":24,"name":"Ben"}]"#).await;
    assert_eq!(names(&chathub, 24).await.len(), 3);
    chathub.clock().advance(Duration::from_millis(200));
    assert_eq!(names(&chathub, 24).await.len(), 4);
    chathub.clock().advance(Duration::from_millis(300));
    assert_eq!(names(&chathub, 24).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_concurrent_writes_are_all_applied_once() {
    let chathub = Emulator::builder().rate_limit(super::super::RateLimit::Off).start().await;
    let writes = (0..200).map(|_| synchronize(&chathub, r#"[{"organizationId":24,"name":"Ann"}]"#));
    let replies = futures_util::future::join_all(writes).await;
    let mut ids: Vec<u64> = replies.iter().map(|reply| reply.json()[0]["id"].as_u64().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, (104..304).collect::<Vec<_>>());
    assert_eq!(chathub.applied().len(), 200);
}
