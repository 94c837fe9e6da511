//! The chats, in memory and simple: enough to list, filter, change, delete and write to them.

use std::collections::BTreeMap;

/// A chat of one organization.
#[derive(Clone, Debug)]
pub(super) struct Chat {
    pub(super) id: u32,
    pub(super) theme: String,
    pub(super) organization: u32,
    pub(super) operator: Option<u32>,
    /// 0 New, 1 Open, 2 Waiting, 3 OnPause, 4 Closed.
    pub(super) status: i32,
    pub(super) unread: u32,
    pub(super) person: Person,
    /// Seconds since the Unix epoch.
    pub(super) created: u64,
    pub(super) messages: Vec<String>,
}

/// Who writes to a chat.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) source: String,
    pub(super) telegram_id: Option<i64>,
    pub(super) phone: String,
}

/// What a list of chats is narrowed to; `None` and empty narrow nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    pub(super) search: Option<String>,
    pub(super) source: Option<String>,
    pub(super) phone: Option<String>,
    /// Seconds since the Unix epoch.
    pub(super) from: Option<i64>,
    pub(super) to: Option<i64>,
    pub(super) telegram_id: Option<i64>,
    pub(super) status: Option<i32>,
    pub(super) organization: Option<i32>,
    pub(super) operator: Option<i32>,
}

impl Filter {
    /// Whether a chat passes.
    pub(super) fn admits(&self, chat: &Chat) -> bool {
        let created = i64::try_from(chat.created).unwrap_or(i64::MAX);
        let has_text = |part: &String| chat.theme.to_lowercase().contains(&part.to_lowercase());
        self.search.as_ref().is_none_or(has_text)
            && self.source.as_ref().is_none_or(|source| chat.person.source.eq_ignore_ascii_case(source))
            && self.phone.as_ref().is_none_or(|phone| chat.person.phone == *phone)
            && self.from.is_none_or(|from| created >= from)
            && self.to.is_none_or(|to| created <= to)
            && self.telegram_id.is_none_or(|id| chat.person.telegram_id == Some(id))
            && self.status.is_none_or(|status| chat.status == status)
            && self.organization.is_none_or(|id| i64::from(chat.organization) == i64::from(id))
            && self.operator.is_none_or(|id| chat.operator.map(i64::from) == Some(i64::from(id)))
    }
}

/// All chats, by id.
#[derive(Debug)]
pub(super) struct Chats {
    pub(super) by_id: BTreeMap<u32, Chat>,
    last_message: u64,
}

impl Chats {
    pub(super) fn new(chats: Vec<Chat>) -> Self {
        Self { by_id: chats.into_iter().map(|chat| (chat.id, chat)).collect(), last_message: 0 }
    }

    /// The id of one more message.
    pub(super) fn next_message(&mut self) -> u64 {
        self.last_message += 1;
        self.last_message
    }
}
