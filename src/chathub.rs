//! Facts of the ChatHub API, without any I/O: what a request is for, who asks, and what a write can make stale.
//!
//! The one thing to know: the upstream accepts many spellings of the same resource (contract 5.1, 5.2), and this
//! module recognizes *one* of them as cacheable. All others are forwarded as they came. That is why nothing here
//! repairs, decodes or reorders what will be sent.

pub mod credential;
pub mod group;
pub mod id;
mod object;
pub mod payload;
pub mod request;
pub mod route;
pub mod status;

pub use credential::{Credential, Identity};
pub use group::Groups;
pub use id::OrganizationId;
pub use request::{InBackground, List, RoutedRequest};
pub use route::Route;
