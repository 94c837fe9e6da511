//! The settings as a commented file, and as a table for the documentation.

use super::Config;
use super::kind::Value;
use super::setting::{SECTIONS, SETTINGS, Setting};

const HEADER: &str = "\
# Settings of chathub-gateway. Each line may be left out. Each setting is an environment variable too, which wins over
# the file: CHATHUB_GATEWAY__CACHE__OPERATORS_TTL=30s sets operators_ttl of [cache].
";

impl Config {
    /// Returns these settings as a commented file in TOML, that loads as the same settings.
    pub fn to_toml(&self) -> String {
        let mut text = HEADER.to_owned();
        let mut current = "";
        for setting in SETTINGS {
            let (section, _) = setting.section_and_name();
            if section != current {
                text.push_str(&heading(section));
                current = section;
            }
            text.push_str(&format!("# {}.\n{}\n", setting.documentation(), line(setting, self)));
        }
        text
    }
}

/// Returns the path, the default and one line of documentation of every setting, in the order of the file.
///
/// The default is as TOML has it, and empty for a setting that is absent by default.
pub fn reference() -> impl Iterator<Item = (&'static str, String, String)> {
    SETTINGS.iter().map(|setting| {
        let default = setting.default();
        let default = if setting.is_optional() { String::new() } else { setting.kind.literal(&default) };
        (setting.path, default, setting.documentation())
    })
}

impl Setting {
    /// Returns what it is and its bounds, in one line without a final stop.
    fn documentation(&self) -> String {
        let notes = self.kind.bounds().into_iter().chain(self.is_fixed.then(|| "needs a restart".to_owned()));
        match notes.collect::<Vec<_>>() {
            none if none.is_empty() => self.about.to_owned(),
            notes => format!("{} ({})", self.about, notes.join("; ")),
        }
    }
}

/// Returns the heading of a section.
fn heading(section: &str) -> String {
    let about = SECTIONS.iter().find(|(path, _)| *path == section).map_or("", |(_, about)| about);
    format!("\n# {about}.\n[{section}]\n")
}

/// Returns a setting's line, which is a comment with an example if the setting is absent.
fn line(setting: &Setting, config: &Config) -> String {
    let (_, name) = setting.section_and_name();
    match setting.get(config) {
        Value::Absent => format!("# {name} = {}", setting.kind.literal(&setting.example())),
        value => format!("{name} = {}", setting.kind.literal(&value)),
    }
}
