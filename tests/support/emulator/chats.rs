//! The calls on chats (contract 1.8), simple and in memory.
//!
//! An operator token sees the chats of its own organization, a company token those of all its organizations.

use http::StatusCode;
use serde::Serialize;

use super::answer::Answer;
use super::calendar;
use super::chat_data::{Chat, Filter};
use super::credential::Caller;
use super::data::Data;
use super::document;
use super::exchange::Call;
use super::fault::filler;
use super::operators::{invalid_text, writer};
use super::query::{Bound, bind_integer};
use super::refusal::Refusal;
use super::shared::{Shared, lock};

/// `GET /api/chat/chats`
pub(super) fn list(shared: &Shared, call: &Call) -> Result<Answer, Refusal> {
    let caller = call.caller()?;
    let (page, per_page) = (integer(call, "page")?.unwrap_or(1), integer(call, "per_page")?.unwrap_or(20));
    let (page, per_page) = (page.max(1).unsigned_abs() as usize, per_page.max(1).unsigned_abs() as usize);
    let filter = filter(call)?;
    let data = lock(&shared.data);
    let mine = data.chats.by_id.values().filter(|chat| is_visible(&data, caller, chat) && filter.admits(chat));
    let found: Vec<&Chat> = mine.collect();
    let shown = found.iter().skip((page - 1).saturating_mul(per_page)).take(per_page);
    let items = shown.map(|chat| listed(&data, caller, chat)).collect();
    Ok(Answer::json(&Page { total: found.len(), items }))
}

fn filter(call: &Call) -> Result<Filter, Refusal> {
    let text = |key: &str| call.query.first(key).filter(|text| !text.is_empty()).map(str::to_owned);
    // The key occurs twice: from and to.
    let mut dates = call.query.all("date").map(calendar::parse);
    Ok(Filter {
        search: text("search"),
        source: text("source"),
        phone: text("phone"),
        from: dates.next().flatten(),
        to: dates.next().flatten(),
        telegram_id: call.query.first("tg_user_id").and_then(|id| id.trim().parse().ok()),
        status: integer(call, "status")?,
        organization: integer(call, "organizationId")?,
        operator: integer(call, "operatorId")?,
    })
}

/// A nullable integer of the query.
fn integer(call: &Call, key: &str) -> Result<Option<i32>, Refusal> {
    match call.query.integer(key) {
        Bound::Value(value) => Ok(Some(value)),
        Bound::Absent => Ok(None),
        Bound::Invalid(text) if text.is_empty() => Ok(None),
        Bound::Invalid(text) => Err(Refusal::invalid(key, invalid_text(&text))),
    }
}

#[derive(Serialize)]
struct Page<'a> {
    total: usize,
    items: Vec<ListedChat<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListedChat<'a> {
    id: u32,
    theme: &'a str,
    operator: Option<ChatOperator<'a>>,
    chat_status: i32,
    count_unread: u32,
}

#[derive(Serialize)]
struct ChatOperator<'a> {
    id: u32,
    name: &'a str,
    /// Null: nobody here has one.
    photo: (),
}

fn listed<'a>(data: &'a Data, caller: Caller, chat: &'a Chat) -> ListedChat<'a> {
    let operator = chat.operator.and_then(|id| i32::try_from(id).ok());
    let operator = operator.and_then(|id| data.operator(caller.company, id));
    ListedChat {
        id: chat.id,
        theme: &chat.theme,
        operator: operator.map(|(operator, _)| ChatOperator { id: operator.id, name: &operator.name, photo: () }),
        chat_status: chat.status,
        count_unread: chat.unread,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListedMessage<'a> {
    id: u64,
    chat_id: u32,
    text_message: &'a str,
    author: i32,
}

fn is_visible(data: &Data, caller: Caller, chat: &Chat) -> bool {
    let is_owned = i32::try_from(chat.organization).is_ok_and(|id| data.owned(caller.company, id).is_some());
    is_owned && caller.operator.is_none_or(|operator| data.home_of(operator) == Some(chat.organization))
}

/// The id of a visible chat.
fn visible(data: &Data, caller: Caller, id: i32) -> Result<u32, Refusal> {
    let chat = u32::try_from(id).ok().and_then(|id| data.chats.by_id.get(&id));
    chat.filter(|chat| is_visible(data, caller, chat)).map(|chat| chat.id).ok_or(Refusal::NotFound)
}

/// The chat id in the path.
fn path_id(call: &Call) -> Result<i32, Refusal> {
    let parameter = call.parameter.as_ref().ok_or(Refusal::NoRoute)?;
    match bind_integer(&parameter.text) {
        Bound::Value(id) => Ok(id),
        _ => Err(Refusal::invalid(parameter.name, invalid_text(&parameter.text))),
    }
}

/// `PUT /api/chat/status`
pub(super) fn set_status(shared: &Shared, call: &Call) -> Result<Answer, Refusal> {
    let caller = call.caller()?;
    let body = document::read(&call.parts.headers, &call.body)?;
    let body = body.object("$")?;
    let (id, status) = (body.int("id")?, body.int("status")?);
    if !(0..=4).contains(&status) {
        return Err(Refusal::unprocessable("Status", "The field Status must be between 0 and 4."));
    }
    let mut data = lock(&shared.data);
    let id = visible(&data, caller, id)?;
    data.chats.by_id.entry(id).and_modify(|chat| chat.status = status);
    Ok(applied(shared, call, caller, &mut data, id))
}

/// `DELETE /api/chat/chats/{id}`
pub(super) fn delete(shared: &Shared, call: &Call) -> Result<Answer, Refusal> {
    let caller = call.caller()?;
    let id = path_id(call)?;
    let mut data = lock(&shared.data);
    let id = visible(&data, caller, id)?;
    data.chats.by_id.remove(&id);
    Ok(applied(shared, call, caller, &mut data, id))
}

fn applied(shared: &Shared, call: &Call, caller: Caller, data: &mut Data, chat: u32) -> Answer {
    let order = data.log(writer(shared, call, caller), call.endpoint, Vec::new(), vec![chat]);
    Answer::empty(StatusCode::OK).with_version(order)
}

/// The messages of a chat, on either path.
pub(super) fn messages(shared: &Shared, call: &Call) -> Result<Answer, Refusal> {
    let caller = call.caller()?;
    let id = path_id(call)?;
    let data = lock(&shared.data);
    let id = visible(&data, caller, id)?;
    if let Some(bytes) = call.switches.messages_bytes {
        return Ok(Answer::json_bytes(filler(bytes).into()));
    }
    let texts = data.chats.by_id.get(&id).map(|chat| chat.messages.as_slice()).unwrap_or_default();
    let messages = texts.iter().zip(1..).map(|(text, id_in_chat)| ListedMessage {
        id: id_in_chat,
        chat_id: id,
        text_message: text,
        author: 0,
    });
    Ok(Answer::json(&messages.collect::<Vec<_>>()))
}

/// `POST /api/chat/{chatId}/message`
pub(super) fn send(shared: &Shared, call: &Call) -> Result<Answer, Refusal> {
    let caller = call.caller()?;
    let id = path_id(call)?;
    let body = document::read(&call.parts.headers, &call.body)?;
    let text = body.object("$")?.text("textMessage")?.unwrap_or_default().to_owned();
    let mut data = lock(&shared.data);
    let id = visible(&data, caller, id)?;
    let number = data.chats.next_message();
    data.chats.by_id.entry(id).and_modify(|chat| chat.messages.push(text.clone()));
    let order = applied(shared, call, caller, &mut data, id).version;
    let sent = ListedMessage { id: number, chat_id: id, text_message: &text, author: 0 };
    Ok(Answer { version: order, ..Answer::json(&sent) })
}
