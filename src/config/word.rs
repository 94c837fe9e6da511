//! The settings that are one word out of a few.

use std::fmt;

/// A setting that is one of a few words.
pub(super) trait Word: Copy + PartialEq + 'static {
    /// Every value, in the order in which they are listed to the reader.
    const ALL: &'static [Self];

    /// Every word, in the order of [`Self::ALL`].
    const WORDS: &'static [&'static str];
}

/// Declares an enum whose values are written as words: the enum, its words, and its printing.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $value:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$doc])* $value,)+
        }

        impl $name {
            /// Returns the word for it in the settings.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $word,)+
                }
            }
        }

        impl Word for $name {
            const ALL: &'static [Self] = &[$(Self::$value,)+];
            const WORDS: &'static [&'static str] = &[$($word,)+];
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// Whether the quotas bind.
    Mode {
        /// A request over quota waits, or is refused.
        Enforce = "enforce",
        /// What would have waited or been refused is counted and let through.
        Observe = "observe",
        /// Nothing is counted.
        Off = "off",
    }
}

words! {
    /// The least severe events that are logged, from few to many.
    Level {
        /// What needs a hand.
        Error = "error",
        /// And what needs a look.
        Warn = "warn",
        /// And what an operator did or must know.
        Info = "info",
        /// And the reasons of decisions.
        Debug = "debug",
        /// And everything.
        Trace = "trace",
    }
}

words! {
    /// How an event is written.
    Format {
        /// One JSON object a line, for machines.
        Json = "json",
        /// One line of text, for a terminal.
        Text = "text",
    }
}

words! {
    /// How a line of the access log is written.
    AccessFormat {
        /// One JSON object a line.
        Json = "json",
        /// Names and values, `status=200 cache=hit`, the same as in JSON.
        Logfmt = "logfmt",
        /// Apache's combined log format, for tools that read nothing else. It has no place for what the gateway did.
        Combined = "combined",
    }
}
