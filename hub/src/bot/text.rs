//! Texts that Telegram takes: escaped, and cut to its limits without breaking markup, a reference or a character.
//!
//! Telegram counts UTF-16 units after the markup is parsed. Whatever goes in here, what comes out is well-formed: tags
//! that are open at a cut are closed there and opened again in the next piece.

/// Longest message, in UTF-16 units after the markup is parsed.
pub(crate) const MESSAGE_UNITS: usize = 4096;
/// Longest caption, counted the same way.
pub(crate) const CAPTION_UNITS: usize = 1024;

/// Tags that the bot's own texts use.
const TAGS: [&str; 8] = ["b", "i", "u", "s", "code", "pre", "a", "blockquote"];

/// Makes any text safe inside HTML. Control characters, which no client shows, become spaces.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push('\n'),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// A text shortened to `most` characters, for names that others chose; then escaped.
pub(crate) fn escape_short(text: &str, most: usize) -> String {
    let text = text.trim();
    if text.chars().count() <= most {
        return escape(text);
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}\u{2026}", escape(kept.trim_end()))
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Token<'a> {
    /// `<b>` or `<a href="...">`, with its name.
    Start(&'a str, &'a str),
    /// `</b>`: its name.
    End(&'a str),
    /// One character: how it is written, what it is.
    Char(&'a str, char),
}

impl Token<'_> {
    fn units(&self) -> usize {
        match self {
            Self::Char(_, c) => c.len_utf16(),
            _ => 0,
        }
    }

    fn is(&self, wanted: fn(char) -> bool) -> bool {
        matches!(self, Self::Char(_, c) if wanted(*c))
    }
}

/// Cuts markup into tokens. A `<`, `>` or `&` that means nothing is the character itself.
fn tokens(html: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = html;
    while let Some(c) = rest.chars().next() {
        let (token, length) = match c {
            '<' => tag(rest).unwrap_or((Token::Char("&lt;", '<'), 1)),
            '&' => reference(rest).unwrap_or((Token::Char("&amp;", '&'), 1)),
            '>' => (Token::Char("&gt;", '>'), 1),
            c => (Token::Char(&rest[..c.len_utf8()], c), c.len_utf8()),
        };
        tokens.push(token);
        rest = &rest[length..];
    }
    tokens
}

fn tag(rest: &str) -> Option<(Token<'_>, usize)> {
    let length = rest.find('>')? + 1;
    let inside = &rest[1..length - 1];
    if let Some(name) = inside.strip_prefix('/') {
        return TAGS.contains(&name).then_some((Token::End(name), length));
    }
    let (name, attributes) = inside.split_once(' ').unwrap_or((inside, ""));
    let link =
        name == "a" && attributes.strip_prefix("href=\"").is_some_and(|rest| rest.find('"') == Some(rest.len() - 1));
    let plain = TAGS.contains(&name) && name != "a" && attributes.is_empty();
    (link || plain).then_some((Token::Start(&rest[..length], name), length))
}

fn reference(rest: &str) -> Option<(Token<'_>, usize)> {
    let known = [("&lt;", '<'), ("&gt;", '>'), ("&amp;", '&'), ("&quot;", '"')];
    let (text, c) = known.into_iter().find(|(text, _)| rest.starts_with(text))?;
    Some((Token::Char(&rest[..text.len()], c), text.len()))
}

/// Length as Telegram counts it.
pub(crate) fn units(html: &str) -> usize {
    tokens(html).iter().map(Token::units).sum()
}

/// Cuts a text into pieces of at most `limit` units, at line ends where there are some, else at spaces, else anywhere
/// between characters. Pieces are never empty and do not begin or end with white space.
pub(crate) fn split(html: &str, limit: usize) -> Vec<String> {
    let tokens = tokens(html);
    let mut pieces = Vec::new();
    let mut open: Vec<(&str, &str)> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at].is(char::is_whitespace) {
            at += 1;
            continue;
        }
        let end = piece_end(&tokens, at, limit.max(2));
        let piece = write_piece(&tokens[at..end], &mut open);
        if let Some(piece) = piece {
            pieces.push(piece);
        }
        at = end;
    }
    pieces
}

/// Where the piece that begins at `start` ends.
fn piece_end(tokens: &[Token<'_>], start: usize, limit: usize) -> usize {
    let mut used = 0;
    let (mut line, mut space) = (None, None);
    for (at, token) in tokens.iter().enumerate().skip(start) {
        if used + token.units() > limit {
            // A line end far back would leave a nearly empty message: then a space is the better place.
            let line = line.filter(|(_, used)| *used * 2 >= limit);
            return line.or(space).map_or(at, |(at, _)| at);
        }
        used += token.units();
        if token.is(|c| c == '\n') {
            line = Some((at + 1, used));
        } else if token.is(char::is_whitespace) {
            space = Some((at + 1, used));
        }
    }
    tokens.len()
}

/// Writes tokens with the tags that are open before them; afterwards `open` is what is open behind them. `None` when
/// there is nothing to read.
fn write_piece<'a>(tokens: &[Token<'a>], open: &mut Vec<(&'a str, &'a str)>) -> Option<String> {
    let mut out: String = open.iter().map(|(raw, _)| *raw).collect();
    let last = tokens.iter().rposition(|token| matches!(token, Token::Char(_, c) if !c.is_whitespace()));
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Start(raw, name) => {
                out.push_str(raw);
                open.push((raw, name));
            }
            // An end tag closes what was opened after its start, too; one without a start says nothing.
            Token::End(name) => {
                if let Some(position) = open.iter().rposition(|(_, opened)| opened == name) {
                    for (_, inner) in open.drain(position..).rev() {
                        out.push_str(&format!("</{inner}>"));
                    }
                }
            }
            Token::Char(raw, _) => {
                if last.is_some_and(|last| at <= last) {
                    out.push_str(raw);
                }
            }
        }
    }
    for (_, name) in open.iter().rev() {
        out.push_str(&format!("</{name}>"));
    }
    last.map(|_| out)
}

/// A text that fits (`limit` is 3 or more), with an ellipsis where something was left out.
pub(crate) fn clip(html: &str, limit: usize) -> String {
    if units(html) <= limit {
        return split(html, limit).into_iter().next().unwrap_or_default();
    }
    let first = split(html, limit.saturating_sub(1)).into_iter().next().unwrap_or_default();
    format!("{first}\u{2026}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads markup by its own rules and gives the text; panics where Telegram would refuse.
    fn plain(html: &str) -> String {
        let (mut out, mut open, mut rest) = (String::new(), Vec::new(), html);
        while let Some(c) = rest.chars().next() {
            let length = match c {
                '<' => {
                    let end = rest.find('>').expect("a tag ends") + 1;
                    let inside = &rest[1..end - 1];
                    match inside.strip_prefix('/') {
                        Some(name) => assert_eq!(open.pop(), Some(name), "tags are nested: {html}"),
                        None => open.push(inside.split(' ').next().expect("a name")),
                    }
                    end
                }
                '&' => {
                    let end = rest.find(';').expect("a reference ends") + 1;
                    out.push(match &rest[..end] {
                        "&lt;" => '<',
                        "&gt;" => '>',
                        "&amp;" => '&',
                        "&quot;" => '"',
                        other => panic!("{other} is no reference of Telegram"),
                    });
                    end
                }
                '>' => panic!("a bare > in {html}"),
                c => {
                    out.push(c);
                    c.len_utf8()
                }
            };
            rest = &rest[length..];
        }
        assert!(open.is_empty(), "not closed: {open:?} in {html}");
        out
    }

    fn squeezed(text: &str) -> String {
        text.chars().filter(|c| !c.is_whitespace()).collect()
    }

    fn utf16(text: &str) -> usize {
        text.encode_utf16().count()
    }

    #[test]
    fn escaping_keeps_markup_out() {
        assert_eq!(escape("<b>&\"\u{7}x"), "&lt;b&gt;&amp;&quot; x");
        assert_eq!(escape_short("  abcdef ", 4), "abc\u{2026}");
        assert_eq!(escape_short("a<c", 3), "a&lt;c");
    }

    #[test]
    fn cuts_at_lines_then_spaces_then_anywhere() {
        assert_eq!(split("aaa\nbbb\nccc", 8), ["aaa\nbbb", "ccc"]);
        assert_eq!(split("a\nbbb bbb bbb", 10), ["a\nbbb bbb", "bbb"], "a line end far back is no good place");
        assert_eq!(split("aaaaaa", 4), ["aaaa", "aa"]);
        assert_eq!(split("  \n ", 4), Vec::<String>::new());
        assert_eq!(split("<b></b>", 4), Vec::<String>::new());
    }

    #[test]
    fn open_tags_are_closed_and_opened_again() {
        assert_eq!(split("<b>aa <i>bb cc</i> dd</b>", 6), ["<b>aa <i>bb</i></b>", "<b><i>cc</i> dd</b>"],);
        let link = "<a href=\"http://x/?a&amp;b\">one two</a>";
        assert_eq!(split(link, 4).len(), 2);
        assert!(split(link, 4).iter().all(|piece| piece.contains("http://x/?a&amp;b")));
    }

    #[test]
    fn a_reference_and_a_surrogate_pair_stay_whole() {
        assert_eq!(split("&amp;&lt;&gt;", 2), ["&amp;&lt;", "&gt;"]);
        assert_eq!(split("\u{1f3a2}\u{1f3a2}x", 3), ["\u{1f3a2}", "\u{1f3a2}x"]);
    }

    #[test]
    fn what_means_nothing_is_text() {
        assert_eq!(split("1 < 2 & <p> </b> <b>x", 99), ["1 &lt; 2 &amp; &lt;p&gt;  <b>x</b>"]);
    }

    #[test]
    fn clipping() {
        assert_eq!(clip("<b>short</b>", 5), "<b>short</b>");
        assert_eq!(clip("<b>too long</b>", 5), "<b>too</b>\u{2026}");
        assert_eq!(units(&clip(&"&amp;".repeat(5000), CAPTION_UNITS)), CAPTION_UNITS);
    }

    fn piece_of_markup() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-z \n\u{1f3a2}\u{e9}]{0,30}",
            Just("<b>".to_owned()),
            Just("</b>".to_owned()),
            Just("<i>".to_owned()),
            Just("</i>".to_owned()),
            Just("<code>".to_owned()),
            Just("</code>".to_owned()),
            Just("<a href=\"http://x/?a&amp;b\">".to_owned()),
            Just("</a>".to_owned()),
            Just("&amp;".to_owned()),
            Just("&lt;".to_owned()),
            "[<>&;/\"a-z]{0,6}",
            any::<String>().prop_map(|text| escape(&text)),
        ]
    }

    proptest! {
        #[test]
        fn pieces_fit_are_whole_and_lose_nothing(
            parts in proptest::collection::vec(piece_of_markup(), 0..40), limit in 2usize..60,
        ) {
            let html = parts.concat();
            let whole: String = tokens(&html).iter().filter_map(|token| match token {
                Token::Char(_, c) => Some(*c),
                _ => None,
            }).collect();
            let mut joined = String::new();
            for piece in split(&html, limit) {
                let text = plain(&piece);
                prop_assert!(utf16(&text) <= limit, "{} units in {piece:?}", utf16(&text));
                prop_assert!(!text.trim().is_empty(), "nothing to read in {piece:?}");
                joined.push_str(&text);
            }
            prop_assert_eq!(squeezed(&joined), squeezed(&whole));
            let clipped = plain(&clip(&html, limit + 1));
            prop_assert!(utf16(&clipped) <= limit + 1);
        }

        #[test]
        fn escaped_text_reads_the_same(text in any::<String>()) {
            let shown: String = text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect();
            prop_assert_eq!(plain(&escape(&text)), shown);
        }
    }
}
