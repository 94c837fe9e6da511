//! Bodies of writes, section 5.4.

use super::super::{Emulator, ErrorStyle};
use super::wire::acme;

const SYNCHRONIZE: &str = "POST /api/operator/synchronize";

#[tokio::test]
async fn these_bodies_add_one_operator_to_24() {
    let chathub = Emulator::start().await;
    let deep = format!(r#"[{{"organizationId":24,"name":"Ann","x":{}1{}}}]"#, "[".repeat(30), "]".repeat(30));
    for body in [
        r#"[{"organizationId":24,"name":"Ann"}]"#,
        r#"[{"ORGANIZATIONID":24,"Name":"Ann"}]"#,
        r#"[{"organizationId":"24","name":"Ann"}]"#,
        r#"[{"organizationId":6,"organizationId":24,"name":"Ann"}]"#,
        r#"[{"organizationId":6,"OrganizationID":24,"name":"Ben","NAME":"Ann"}]"#,
        r#"[{"organizationId":24,"name":"Ann","more":{"organizationId":6}}]"#,
        " [ { \"organizationId\" : 24 , \"name\" : \"\\u0041nn\" } ] \r\n",
        "\u{feff}[{\"organizationId\":24,\"name\":\"Ann\"}]",
        &deep,
    ] {
        chathub.reset_counters();
        let reply = acme(&chathub, SYNCHRONIZE).json(body).send().await;
        assert_eq!(reply.status, 200, "{body} {}", reply.text());
        assert_eq!(reply.json()[0]["name"], "Ann", "{body}");
        assert_eq!(chathub.applied()[0].organizations, [24], "{body}");
    }
}

#[tokio::test]
async fn these_bodies_are_refused_under_a_path() {
    let chathub = Emulator::start().await;
    let deep = format!(r#"[{{"organizationId":24,"name":"Ann","x":{}1{}}}]"#, "[".repeat(31), "]".repeat(31));
    for (body, key) in [
        ("", ""),
        ("  ", ""),
        ("null", ""),
        ("{}", "$"),
        ("[", "$"),
        ("[null]", "$[0]"),
        (r#"[{"organizationId":24,"name":"Ann"},]"#, "$"),
        (r#"[{"organizationId":24,"name":"Ann"}] x"#, "$"),
        (r#"[/* no */{"organizationId":24,"name":"Ann"}]"#, "$"),
        (r"[{'organizationId':24,'name':'Ann'}]", "$"),
        (r#"[{"organizationId":24.0,"name":"Ann"}]"#, "$[0].organizationId"),
        (r#"[{"organizationId":null,"name":"Ann"}]"#, "$[0].organizationId"),
        (r#"[{"organizationId":2147483648,"name":"Ann"}]"#, "$[0].organizationId"),
        (r#"[{"organizationId":" 24","name":"Ann"}]"#, "$[0].organizationId"),
        (r#"[{"organizationId":"x","organizationId":24,"name":"Ann"}]"#, "$[0].organizationId"),
        (r#"[{"organizationId":24,"name":"Ann"},{"organizationId":24,"name":7}]"#, "$[1].name"),
        (r#"[{"organizationId":24,"name":" "}]"#, "[0].Name"),
        (r#"[{"organizationId":24}]"#, "[0].Name"),
        (&deep, "$"),
    ] {
        let reply = acme(&chathub, SYNCHRONIZE).json(body).send().await;
        assert_eq!(reply.status, 400, "{body}");
        assert_ne!(reply.validation(key), "", "{body}: {}", reply.text());
    }
    assert_eq!(chathub.applied(), []);
}

#[tokio::test]
async fn an_empty_body_is_named_as_such() {
    let chathub = Emulator::start().await;
    let reply = acme(&chathub, SYNCHRONIZE).json("").send().await;
    assert_eq!(reply.validation(""), "A non-empty request body is required.");
}

#[tokio::test]
async fn a_missing_integer_is_zero_and_no_error_of_reading() {
    let chathub = Emulator::start().await;
    let reply = acme(&chathub, SYNCHRONIZE).json(r#"[{"name":"Ann"}]"#).send().await;
    assert_eq!(reply.status, 404);
    let reply = acme(&chathub, "POST /api/operator/status").json(r#"{"id":103}"#).send().await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn the_content_type_must_be_json() {
    let chathub = Emulator::start().await;
    let body = r#"{"id":103,"status":1}"#;
    for (content_type, status) in [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("APPLICATION/JSON;charset=\"UTF-8\"", 200),
        ("text/json", 200),
        ("application/merge-patch+json", 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/json; charset=iso-8859-1", 415),
        ("json", 415),
    ] {
        let reply =
            acme(&chathub, "POST /api/operator/status").with("Content-Type", content_type).body(body).send().await;
        assert_eq!(reply.status, status, "{content_type}");
    }
    let reply = acme(&chathub, "POST /api/operator/status").body(body).send().await;
    assert_eq!(reply.status, 415);
    assert_eq!(reply.json()["title"], "Unsupported Media Type");
}

#[tokio::test]
async fn a_body_may_be_utf16() {
    let chathub = Emulator::start().await;
    let body: Vec<u8> =
        "\u{feff}[{\"organizationId\":24,\"name\":\"Олена\"}]".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let request = acme(&chathub, SYNCHRONIZE).with("Content-Type", "application/json; charset=utf-16");
    let reply = request.body(body).send().await;
    assert_eq!(reply.text(), r#"[{"id":104,"name":"Олена","status":0}]"#);
}

#[tokio::test]
async fn invalid_utf8_is_refused() {
    let chathub = Emulator::start().await;
    let request = acme(&chathub, SYNCHRONIZE).with("Content-Type", "application/json");
    assert_eq!(request.body(&b"[{\"name\":\"\xff\"}]"[..]).send().await.status, 400);
}

#[tokio::test]
async fn the_error_style_changes_what_a_controller_says() {
    let chathub = Emulator::start().await;
    chathub.switch(|switches| switches.error_style = ErrorStyle::Smsbat);
    for (body, status, code) in [
        ("[", 400, 1001),
        (r#"[{"organizationId":7,"name":"Ann"}]"#, 404, 1003),
        (r#"[{"organizationId":24,"name":""}]"#, 422, 1005),
    ] {
        let reply = acme(&chathub, SYNCHRONIZE).json(body).send().await;
        assert_eq!(reply.status, status, "{body}");
        let error = reply.json();
        assert_eq!((error["status"].as_u64(), error["code"].as_u64()), (Some(u64::from(status)), Some(code)), "{body}");
        assert!(error["error"].is_string() && error["message"].is_string());
    }
}
