//! From an endpoint to the code that answers it.

use std::sync::Arc;

use super::answer::Answer;
use super::endpoint::Endpoint;
use super::exchange::Call;
use super::refusal::Refusal;
use super::shared::Shared;
use super::{chats, companies, hub, operators, pages, transports};

/// Applies a call and answers it.
pub(super) async fn apply(shared: &Arc<Shared>, call: &Call) -> Result<Answer, Refusal> {
    match call.endpoint {
        Endpoint::ListOperators => operators::list(shared, call),
        Endpoint::Synchronize => operators::synchronize(shared, call),
        Endpoint::SetStatus => operators::set_status(shared, call),
        Endpoint::ListOrganizations => companies::organizations(shared, call),
        Endpoint::CompanyToken => companies::company_token(shared, call),
        Endpoint::OperatorToken => companies::operator_token(shared, call),
        Endpoint::ValidateToken => companies::validate_token(shared, call),
        Endpoint::ListChats => chats::list(shared, call),
        Endpoint::SetChatStatus => chats::set_status(shared, call),
        Endpoint::DeleteChat => chats::delete(shared, call),
        Endpoint::ListMessages => chats::messages(shared, call),
        Endpoint::SendMessage => chats::send(shared, call),
        Endpoint::Negotiate => hub::negotiate(shared, call),
        Endpoint::Hub => transports::serve(shared, call).await,
        Endpoint::Page => Ok(pages::page(call.parts.uri.path())),
        Endpoint::Other => Err(Refusal::NoRoute),
    }
}
