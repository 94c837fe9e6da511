//! Closed sets of fixed words, for labels, fields and logs alike.
//!
//! A label that could hold a path, an id or a token would make the number of series unbounded and leak what it holds.
//! So metrics take nothing but values of these enums. The one exception, organizations that the settings name, stands in
//! `metrics/operators.rs`.

use crate::chathub::Route;

/// A closed set of words.
pub trait Label: Copy + 'static {
    /// Every value, in the order of [`index`](Self::index).
    const ALL: &'static [Self];

    /// Returns the word.
    fn word(self) -> &'static str;

    /// Returns the place in [`ALL`](Self::ALL).
    fn index(self) -> usize;
}

/// Declares an enum of fixed words: each variant's doc comment, name and word in one line.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Returns the fixed word for fields, labels and logs.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl $crate::telemetry::label::Label for $name {
            const ALL: &'static [Self] = Self::ALL;

            fn word(self) -> &'static str {
                self.as_str()
            }

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}
pub(crate) use words;

/// A request that was refused before its route was known has none.
impl Label for Option<Route> {
    const ALL: &'static [Self] = &{
        let mut all = [None; Route::ALL.len() + 1];
        let mut next = 0;
        while next < Route::ALL.len() {
            all[next] = Some(Route::ALL[next]);
            next += 1;
        }
        all
    };

    fn word(self) -> &'static str {
        self.map_or("none", Route::as_str)
    }

    fn index(self) -> usize {
        self.map_or(Route::ALL.len(), |route| route as usize)
    }
}

words! {
    /// A status, as coarse as a label should be: its class, and 429 apart since it is what the throttle is to prevent.
    StatusClass {
        /// 1xx.
        Informational = "1xx",
        /// 2xx.
        Success = "2xx",
        /// 3xx.
        Redirection = "3xx",
        /// 4xx but 429.
        ClientError = "4xx",
        /// 429.
        TooManyRequests = "429",
        /// 5xx.
        ServerError = "5xx",
    }
}

impl From<http::StatusCode> for StatusClass {
    fn from(status: http::StatusCode) -> Self {
        match status.as_u16() {
            100..200 => Self::Informational,
            200..300 => Self::Success,
            300..400 => Self::Redirection,
            429 => Self::TooManyRequests,
            400..500 => Self::ClientError,
            _ => Self::ServerError,
        }
    }
}
