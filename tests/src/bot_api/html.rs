//! `parse_mode=HTML`: Telegram's small subset of HTML, turned into plain text and entities, or refused.
//!
//! The sentences are those of Telegram's own parser. In one thing this one is stricter, as the documentation is: a
//! bare `&` or `>` and a named entity other than `&lt; &gt; &amp; &quot;` are refused, where Telegram's servers let
//! them stand as text. A bot that passes here passes there.

use super::answer::Refusal;
use serde_json::{Value, json};

/// A formatted span; offset and length are UTF-16 units of the plain text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    /// `bold`, `italic`, `text_link` …
    pub kind: &'static str,
    /// First unit.
    pub offset: usize,
    /// Number of units.
    pub length: usize,
    /// URL of a link, language of code, id of a custom emoji.
    pub argument: Option<String>,
}

impl Entity {
    pub(crate) fn to_json(&self) -> Value {
        let mut value = json!({"type": self.kind, "offset": self.offset, "length": self.length});
        if let Some(argument) = &self.argument {
            let key = match self.kind {
                "text_link" => "url",
                "custom_emoji" => "custom_emoji_id",
                _ => "language",
            };
            value[key] = json!(argument);
        }
        value
    }
}

/// Text without markup, and its entities in the order of their ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parsed {
    /// What people read, without white space around it.
    pub plain: String,
    /// How it looks.
    pub entities: Vec<Entity>,
}

impl Parsed {
    /// A text without any markup.
    pub fn unformatted(text: &str) -> Self {
        Self { plain: text.trim().to_owned(), entities: Vec::new() }
    }

    /// Length as Telegram counts it.
    pub fn utf16_len(&self) -> usize {
        utf16_len(&self.plain)
    }
}

pub(crate) fn utf16_len(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

struct Open {
    tag: String,
    argument: Option<String>,
    offset: usize,
}

/// Parses a text, or says what Telegram says (without "Bad Request: can't parse entities: " in front).
pub fn parse(text: &str) -> Result<Parsed, Refusal> {
    let mut reader = Reader { text, at: 0 };
    let mut plain = String::new();
    let mut units = 0;
    let mut entities = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    while let Some(c) = reader.peek() {
        let begin = reader.at;
        let piece = match c {
            '<' => {
                reader.next();
                if reader.peek() == Some('/') {
                    reader.end_tag(begin, open.last().map(|open| open.tag.as_str()))?;
                    let open = open.pop().expect("end_tag refuses when nothing is open");
                    if units > open.offset {
                        let (kind, argument) = kind(&open);
                        if let Some(kind) = kind {
                            entities.push(Entity { kind, offset: open.offset, length: units - open.offset, argument });
                        }
                    }
                } else {
                    let (tag, argument) = reader.start_tag(begin)?;
                    open.push(Open { tag, argument, offset: units });
                }
                continue;
            }
            '&' => reader.reference()?,
            '>' => return Err(Refusal::entities(format!("Unescaped \">\" at byte offset {begin}"))),
            other => {
                reader.next();
                other
            }
        };
        units += piece.len_utf16();
        plain.push(piece);
    }
    if let Some(open) = open.last() {
        let why = format!("Can't find end tag corresponding to start tag \"{}\"", open.tag);
        return Err(Refusal::entities(why));
    }
    Ok(trimmed(&plain, entities))
}

/// Telegram cuts white space around a text; entities move along.
fn trimmed(plain: &str, entities: Vec<Entity>) -> Parsed {
    let start = utf16_len(&plain[..plain.len() - plain.trim_start().len()]);
    let text = plain.trim().to_owned();
    let total = utf16_len(&text);
    let fitted = entities.into_iter().filter_map(|entity| {
        let first = entity.offset.max(start) - start;
        let last = (entity.offset + entity.length).saturating_sub(start).min(total);
        (last > first).then(|| Entity { offset: first, length: last - first, ..entity })
    });
    Parsed { entities: fitted.collect(), plain: text }
}

fn kind(open: &Open) -> (Option<&'static str>, Option<String>) {
    let argument = open.argument.clone();
    match open.tag.as_str() {
        "b" | "strong" => (Some("bold"), None),
        "i" | "em" => (Some("italic"), None),
        "u" | "ins" => (Some("underline"), None),
        "s" | "strike" | "del" => (Some("strikethrough"), None),
        "span" | "tg-spoiler" => (Some("spoiler"), None),
        "a" => (argument.as_ref().map(|_| "text_link"), argument),
        "code" => (Some("code"), None),
        "pre" => (Some("pre"), None),
        "tg-emoji" => (argument.as_ref().map(|_| "custom_emoji"), argument),
        _ => (Some(if argument.is_some() { "expandable_blockquote" } else { "blockquote" }), None),
    }
}

const TAGS: [&str; 16] = [
    "a",
    "b",
    "strong",
    "i",
    "em",
    "s",
    "strike",
    "del",
    "u",
    "ins",
    "tg-spoiler",
    "tg-emoji",
    "span",
    "pre",
    "code",
    "blockquote",
];

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let begin = self.at;
        while self.peek().is_some_and(&wanted) {
            self.next();
        }
        &self.text[begin..self.at]
    }

    fn skip_space(&mut self) {
        self.take_while(|c| c.is_ascii_whitespace());
    }

    /// `&lt;` and its like.
    fn reference(&mut self) -> Result<char, Refusal> {
        let begin = self.at;
        let rest = &self.text[begin + 1..];
        let bad = || Refusal::entities(format!("Unsupported HTML entity at byte offset {begin}"));
        let end = rest.find(';').filter(|end| *end <= 10).ok_or_else(bad)?;
        let name = &rest[..end];
        let c = match name {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "quot" => '"',
            _ => {
                let number = name.strip_prefix('#').ok_or_else(bad)?;
                let code = match number.strip_prefix('x') {
                    Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16),
                    None => number.parse(),
                };
                code.ok().filter(|code| *code != 0).and_then(char::from_u32).ok_or_else(bad)?
            }
        };
        self.at = begin + 1 + end + 1;
        Ok(c)
    }

    /// After `<`: name and attributes up to and with `>`.
    fn start_tag(&mut self, begin: usize) -> Result<(String, Option<String>), Refusal> {
        let unclosed = || Refusal::entities(format!("Unclosed start tag at byte offset {begin}"));
        let tag = self.take_while(|c| !c.is_ascii_whitespace() && c != '>').to_ascii_lowercase();
        if self.peek().is_none() {
            return Err(unclosed());
        }
        if !TAGS.contains(&tag.as_str()) {
            return Err(Refusal::entities(format!("Unsupported start tag \"{tag}\" at byte offset {begin}")));
        }
        let mut argument = None;
        loop {
            self.skip_space();
            if self.peek() == Some('>') {
                self.next();
                break;
            }
            let name = self.take_while(|c| !c.is_ascii_whitespace() && !matches!(c, '=' | '>' | '/' | '"' | '\''));
            if name.is_empty() {
                let unfinished = self.peek().is_none();
                let why = format!("Empty attribute name in the tag \"{tag}\" at byte offset {begin}");
                return Err(if unfinished { unclosed() } else { Refusal::entities(why) });
            }
            self.skip_space();
            if self.peek() != Some('=') {
                if tag == "blockquote" && name == "expandable" {
                    argument = Some(String::new());
                }
                continue;
            }
            self.next();
            let value = self.attribute_value(begin)?;
            match (tag.as_str(), name) {
                ("a", "href") | ("tg-emoji", "emoji-id") => argument = Some(value),
                ("span", "class") => argument = Some(value),
                _ => {}
            }
        }
        if tag == "span" && argument.as_deref() != Some("tg-spoiler") {
            let why = format!("Tag \"span\" must have class \"tg-spoiler\" at byte offset {begin}");
            return Err(Refusal::entities(why));
        }
        Ok((tag, argument))
    }

    fn attribute_value(&mut self, begin: usize) -> Result<String, Refusal> {
        let unclosed = || Refusal::entities(format!("Unclosed start tag at byte offset {begin}"));
        self.skip_space();
        let quote = self.peek().ok_or_else(unclosed)?;
        if quote != '"' && quote != '\'' {
            let at = self.at;
            let token = self.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
            return match self.peek() {
                Some(c) if c.is_ascii_whitespace() || c == '>' => Ok(token.to_ascii_lowercase()),
                _ => Err(Refusal::entities(format!("Unexpected end of name token at byte offset {at}"))),
            };
        }
        self.next();
        let mut value = String::new();
        loop {
            match self.peek().ok_or_else(unclosed)? {
                c if c == quote => break,
                '&' => value.push(self.reference()?),
                c => {
                    self.next();
                    value.push(c);
                }
            }
        }
        self.next();
        Ok(value)
    }

    /// After `<`, at `/`: the name up to and with `>` must be that of the innermost open tag.
    fn end_tag(&mut self, begin: usize, open: Option<&str>) -> Result<(), Refusal> {
        let Some(open) = open else {
            return Err(Refusal::entities(format!("Unexpected end tag at byte offset {begin}")));
        };
        self.next();
        let name = self.take_while(|c| !c.is_ascii_whitespace() && c != '>').to_ascii_lowercase();
        self.skip_space();
        if self.next() != Some('>') {
            return Err(Refusal::entities(format!("Unclosed end tag at byte offset {begin}")));
        }
        if !name.is_empty() && name != open {
            let why = format!("Unmatched end tag at byte offset {begin}, expected \"</{open}>\", found \"</{name}>\"");
            return Err(Refusal::entities(why));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let refusal = parse(text).expect_err(text);
        assert_eq!(refusal.code, 400);
        refusal.description.strip_prefix("Bad Request: can't parse entities: ").expect("prefix").to_owned()
    }

    #[test]
    fn the_whole_subset_is_taken() {
        let text = "<b>a</b><strong>b</strong><i>c</i><em>d</em><u>e</u><ins>f</ins><s>g</s><strike>h</strike>\
            <del>i</del><span class=\"tg-spoiler\">j</span><tg-spoiler>k</tg-spoiler><a href=\"http://x/?a&amp;b\">l</a>\
            <code>m</code><pre>n</pre><pre><code class=\"language-rust\">o</code></pre><blockquote>p</blockquote>\
            <blockquote expandable>q</blockquote><tg-emoji emoji-id=\"5\">r</tg-emoji>&lt;&gt;&amp;&quot;&#33;&#x1F3A2;";
        let parsed = parse(text).expect("all of it is documented");
        assert_eq!(parsed.plain, "abcdefghijklmnopqr<>&\"!\u{1f3a2}");
        let link = parsed.entities.iter().find(|e| e.kind == "text_link").expect("link");
        assert_eq!(link.argument.as_deref(), Some("http://x/?a&b"));
        assert_eq!(parsed.entities.len(), 19);
    }

    #[test]
    fn offsets_are_utf16_units_without_the_white_space_around() {
        let parsed = parse("\n \u{1f3a2}<b>x <i>y</i></b> ").expect("fine");
        assert_eq!(parsed.plain, "\u{1f3a2}x y");
        assert_eq!(parsed.utf16_len(), 5);
        let spans: Vec<_> = parsed.entities.iter().map(|e| (e.kind, e.offset, e.length)).collect();
        assert_eq!(spans, [("italic", 4, 1), ("bold", 2, 3)]);
    }

    #[test]
    fn broken_markup_is_refused_in_telegrams_words() {
        for (text, words) in [
            ("<p>x</p>", "Unsupported start tag \"p\" at byte offset 0"),
            ("ab<br>", "Unsupported start tag \"br\" at byte offset 2"),
            ("1 < 2", "Unsupported start tag \"\" at byte offset 2"),
            ("1 <b", "Unclosed start tag at byte offset 2"),
            ("<b>x", "Can't find end tag corresponding to start tag \"b\""),
            ("<b><i>x</b></i>", "Unmatched end tag at byte offset 7, expected \"</i>\", found \"</b>\""),
            ("x</b>", "Unexpected end tag at byte offset 1"),
            ("<b>x</b", "Unclosed end tag at byte offset 4"),
            ("<a href=\"x>y</a>", "Unclosed start tag at byte offset 0"),
            ("<span class=\"big\">x</span>", "Tag \"span\" must have class \"tg-spoiler\" at byte offset 0"),
            ("<a href=x_y>z</a>", "Unexpected end of name token at byte offset 8"),
            ("<b =x>z</b>", "Empty attribute name in the tag \"b\" at byte offset 0"),
            ("nuts & bolts", "Unsupported HTML entity at byte offset 5"),
            ("a&nbsp;b", "Unsupported HTML entity at byte offset 1"),
            ("a&#0;b", "Unsupported HTML entity at byte offset 1"),
            ("a -> b", "Unescaped \">\" at byte offset 3"),
        ] {
            assert_eq!(refused(text), words, "{text}");
        }
    }
}
