//! The data every emulator starts with (contract 8.2).
//!
//! The log-ins and keys here are made up for the emulator and open nothing else.

use std::time::Duration;

use super::chat_data::{Chat, Chats, Person};
use super::data::{Company, Data};
use super::organization::Operator;
use super::switches::Switches;
use super::token::CompanyId;

const ACME: CompanyId = CompanyId(1);
const GLOBEX: CompanyId = CompanyId(2);

/// Organization, its name, its owner, and its operators with their status.
type SeededOrganization = (u32, &'static str, CompanyId, &'static [(u32, &'static str, i32)]);

const ORGANIZATIONS: &[SeededOrganization] = &[
    (6, "Sales", ACME, &[(51, "Emma Brown", 0), (52, "Олена Коваль", 0)]),
    (24, "Customer Support", ACME, &[(101, "John Smith", 0), (102, "Sarah Johnson", 0), (103, "Mike Wilson", 1)]),
    (42, "Technical Support", ACME, &[(61, "Liam Davis", 0), (62, "Olivia Moore", 2)]),
    (7, "Billing", GLOBEX, &[(71, "Noah Taylor", 0), (72, "Ava Anderson", 1)]),
    (8, "Returns", GLOBEX, &[]),
];

/// The companies, organizations, operators and chats of a new emulator.
pub(super) fn data(now: Duration) -> Data {
    let mut data = Data::new(companies(), Chats::new(chats(now)));
    let switches = Switches::default();
    for (id, name, company, operators) in ORGANIZATIONS {
        data.add_organization(*id, name, *company);
        let operators =
            operators.iter().map(|(id, name, status)| Operator { id: *id, name: (*name).to_owned(), status: *status });
        data.replace_operators(*id, operators.collect(), now, &switches);
    }
    data
}

fn companies() -> Vec<Company> {
    vec![
        Company {
            id: ACME,
            name: "acme",
            login: "demo@acme.example",
            password: "demo-password-acme",
            profile_key: "demo-profile-key-acme",
        },
        Company {
            id: GLOBEX,
            name: "globex",
            login: "demo@globex.example",
            password: "demo-password-globex",
            profile_key: "demo-profile-key-globex",
        },
    ]
}

fn chats(now: Duration) -> Vec<Chat> {
    let chat = |id: u32, organization: u32, operator: Option<u32>, status: i32, person: Person| Chat {
        id,
        theme: format!("Order {id}"),
        organization,
        operator,
        status,
        unread: id % 3,
        person,
        created: now.as_secs() - u64::from(id % 10) * 86_400,
        messages: vec![format!("Where is order {id}?")],
    };
    let person = |source: &str, telegram_id: Option<i64>, phone: &str| Person {
        source: source.to_owned(),
        telegram_id,
        phone: phone.to_owned(),
    };
    vec![
        chat(1001, 24, Some(101), 1, person("telegram", Some(500_001), "380500000001")),
        chat(1002, 24, Some(102), 2, person("viber", None, "380500000002")),
        chat(1003, 24, None, 0, person("widget", None, "380500000003")),
        chat(1004, 6, Some(51), 4, person("telegram", Some(500_004), "380500000004")),
        chat(2001, 7, Some(71), 1, person("widget", None, "380500000005")),
    ]
}
