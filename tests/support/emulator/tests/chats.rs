//! The calls on chats, section 1.8.

use super::super::{Emulator, Endpoint};
use super::wire::{acme, ask};

#[tokio::test]
async fn chats_are_filtered_and_paged() {
    let chathub = Emulator::start().await;
    for (query, total, ids) in [
        ("", 4, vec![1001, 1002, 1003, 1004]),
        ("?page=2&per_page=3", 4, vec![1004]),
        ("?organizationId=6", 1, vec![1004]),
        ("?operatorId=101", 1, vec![1001]),
        ("?status=0", 1, vec![1003]),
        ("?search=1002", 1, vec![1002]),
        ("?source=telegram&per_page=1", 2, vec![1001]),
        ("?tg_user_id=500001", 1, vec![1001]),
        ("?phone=380500000002", 1, vec![1002]),
        ("?date=2000-01-01&date=2001-01-01", 0, vec![]),
        ("?date=2000-01-01&date=2999-01-01", 4, vec![1001, 1002, 1003, 1004]),
        ("?organizationId=7", 0, vec![]),
    ] {
        let found = acme(&chathub, &format!("GET /api/chat/chats{query}")).send().await.json();
        let items = found["items"].as_array().unwrap();
        assert_eq!(found["total"], total, "{query}");
        assert_eq!(items.iter().map(|item| item["id"].as_i64().unwrap()).collect::<Vec<_>>(), ids, "{query}");
    }
}

#[tokio::test]
async fn a_chat_is_changed_deleted_and_written_to() {
    let chathub = Emulator::start().await;
    let change = acme(&chathub, "PUT /api/chat/status").json(r#"{"id":1001,"status":4}"#).send().await;
    assert_eq!((change.status, change.field("content-length")), (200, Some("0")));
    let sent = acme(&chathub, "POST /api/chat/1001/message").json(r#"{"textMessage":"Hello","author":0}"#).send().await;
    assert_eq!(sent.status, 200);
    for path in ["/api/chat/chats/1001/messages", "/api/chat/1001/messages"] {
        let messages = acme(&chathub, &format!("GET {path}")).send().await.json();
        assert_eq!(messages[1]["textMessage"], "Hello", "{path}");
    }
    assert_eq!(acme(&chathub, "DELETE /api/chat/chats/1001").send().await.status, 200);
    assert_eq!(acme(&chathub, "DELETE /api/chat/chats/1001").send().await.status, 404);
    let endpoints: Vec<_> = chathub.applied().iter().map(|write| write.endpoint).collect();
    assert_eq!(endpoints, [Endpoint::SetChatStatus, Endpoint::SendMessage, Endpoint::DeleteChat]);
}

#[tokio::test]
async fn what_is_not_the_companys_or_no_id_is_refused() {
    let chathub = Emulator::start().await;
    for (line, status) in [
        ("GET /api/chat/2001/messages", 404),
        ("GET /api/chat/abc/messages", 400),
        ("GET /api/chat/chats?status=abc", 400),
        ("DELETE /api/chat/chats/2001", 404),
    ] {
        assert_eq!(acme(&chathub, line).send().await.status, status, "{line}");
    }
    assert_eq!(acme(&chathub, "PUT /api/chat/status").json(r#"{"id":1001,"status":5}"#).send().await.status, 400);
}

#[tokio::test]
async fn an_operator_sees_the_chats_of_its_organization() {
    let chathub = Emulator::start().await;
    let token = format!("Bearer {}", chathub.operator_token(51, std::time::Duration::from_secs(60)));
    let found = ask(&chathub, "GET /api/chat/chats").with("Authorization", &token).send().await.json();
    assert_eq!((&found["total"], &found["items"][0]["id"]), (&1.into(), &1004.into()));
}

#[tokio::test]
async fn a_message_list_can_be_made_of_any_size() {
    let chathub = Emulator::start().await;
    chathub.switch(|switches| switches.messages_bytes = Some(300_000));
    let reply = acme(&chathub, "GET /api/chat/1001/messages").send().await;
    assert_eq!((reply.body.len(), reply.json().as_array().unwrap().len()), (300_000, 1));
}
