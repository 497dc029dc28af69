//! What people read on a console: ASCII, unless the terminal is known to take more.
//!
//! A Windows console in code page 1252 ends a program that prints an arrow; a serial console shows noise. So nothing
//! outside ASCII is printed unless standard output is a terminal whose locale says UTF-8. JSON is always ASCII:
//! other characters are escaped, which every JSON reader undoes.

use comfy_table::{Table, presets};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};

/// Whether standard output is a terminal that takes UTF-8.
pub fn takes_unicode() -> bool {
    io::stdout().is_terminal() && locale_is_utf8(|name| std::env::var(name).ok())
}

fn locale_is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(variable).find(|value| !value.is_empty());
    locale.is_some_and(|value| {
        let value = value.to_ascii_lowercase();
        value.contains("utf-8") || value.contains("utf8")
    })
}

/// Escapes what is not printable ASCII (line breaks stay), as `\u{e9}`.
pub fn ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_graphic() || matches!(c, ' ' | '\n' | '\t') {
            out.push(c);
        } else {
            out.extend(c.escape_unicode());
        }
    }
    out
}

fn fitted(text: &str, unicode: bool) -> String {
    if unicode { text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect() } else { ascii(text) }
}

/// Prints one line on standard output. A closed pipe is not an error.
pub fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{}", fitted(text, takes_unicode()));
    let _ = out.flush();
}

/// Prints one line on standard error, always ASCII.
pub fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", ascii(text));
}

/// Prints a value as indented JSON in ASCII.
pub fn say_json(value: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{}", ascii_json(&text));
    let _ = out.flush();
    Ok(())
}

/// Escapes the non-ASCII characters of a JSON text, which can only stand inside its strings.
pub fn ascii_json(json: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

/// Prints a table, or `empty` when it has no rows.
pub fn say_table(header: &[&str], rows: &[Vec<String>], empty: &str) {
    if rows.is_empty() {
        say(empty);
        return;
    }
    let unicode = takes_unicode();
    let mut table = Table::new();
    table.load_style(if unicode { presets::UTF8_FULL_CONDENSED } else { presets::ASCII_FULL_CONDENSED });
    table.set_header(header.iter().copied());
    for row in rows {
        table.add_row(row.iter().map(|cell| fitted(cell, unicode)));
    }
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{table}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ascii_comes_out() {
        assert_eq!(ascii("caf\u{e9} \u{2192}\n"), "caf\\u{e9} \\u{2192}\n");
        assert!(ascii("\u{1b}[31m").starts_with("\\u{1b}"), "no terminal control from data");
        let json = ascii_json(&serde_json::to_string("\u{1f3a2} \u{e9}").expect("json"));
        assert!(json.is_ascii());
        assert_eq!(serde_json::from_str::<String>(&json).expect("still json"), "\u{1f3a2} \u{e9}");
    }

    #[test]
    fn locale_decides() {
        let with = |pairs: &'static [(&str, &str)]| {
            locale_is_utf8(move |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
        };
        assert!(with(&[("LANG", "en_GB.UTF-8")]));
        assert!(!with(&[("LC_ALL", "C"), ("LANG", "en_GB.UTF-8")]));
        assert!(!with(&[]));
    }
}
