//! A message read as a command: `/name`, `/name@bot`, and its words.

/// A command as it was written, for this bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request<'a> {
    /// Lower case, without the slash.
    pub(crate) name: String,
    /// What follows.
    pub(crate) words: Vec<&'a str>,
    /// Whether this bot was named: in a group, others may mean an unnamed command.
    pub(crate) named: bool,
}

/// Reads a message. `None` when it is no command, or one for another bot.
pub(crate) fn read<'a>(text: &'a str, username: &str) -> Option<Request<'a>> {
    let mut words = text.split_whitespace();
    let command = words.next()?.strip_prefix('/')?;
    let (name, named) = match command.split_once('@') {
        Some((name, bot)) if bot.eq_ignore_ascii_case(username) => (name, true),
        Some(_) => return None,
        None => (command, false),
    };
    let valid = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    valid.then(|| Request { name: name.to_ascii_lowercase(), words: words.collect(), named })
}

/// A count of rows: the usual one when nothing is said, an error sentence otherwise.
pub(crate) fn count(words: &[&str], usual: u32, most: u32, command: &str) -> Result<u32, String> {
    let bad = || format!("Give a number from 1 to {most}, for example /{command} {usual}.");
    match words {
        [] => Ok(usual),
        [one] => one.parse().ok().filter(|n| (1..=most).contains(n)).ok_or_else(bad),
        _ => Err(bad()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_for_this_bot() {
        let name = |text| read(text, "Eye_bot").map(|request| (request.name, request.words.len(), request.named));
        assert_eq!(name("/start"), Some(("start".into(), 0, false)));
        assert_eq!(name(" /FieldEye_Stats@eye_BOT  5 x"), Some(("fieldeye_stats".into(), 2, true)));
        for other in ["", "hello", "/", "/start@other_bot", "/@eye_bot", "/a/b", "/a;drop", "//x"] {
            assert_eq!(name(other), None, "{other}");
        }
    }

    #[test]
    fn counts() {
        assert_eq!(count(&[], 5, 20, "x"), Ok(5));
        assert_eq!(count(&["20"], 5, 20, "x"), Ok(20));
        for bad in [&["0"][..], &["21"], &["-1"], &["many"], &["1", "2"], &["99999999999999999999"]] {
            assert_eq!(count(bad, 5, 20, "x"), Err("Give a number from 1 to 20, for example /x 5.".to_owned()));
        }
    }
}
