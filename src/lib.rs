//! A caching, rate-limiting HTTP gateway for one API: SMSBAT ChatHub.

pub mod config;

pub use config::Config;
