//! Secrets: from the environment, from `NAME_FILE`, from systemd credentials; never printed.

use crate::exit::Failure;
use std::fmt;
use std::path::{Path, PathBuf};

/// A text that shows itself only when asked by name; `Debug` and `Display` hide it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// Looks a secret up by its usual name (`TELEGRAM_BOT_TOKEN`): environment (which includes `.env`), then the file
/// named by `<NAME>_FILE`, then systemd's credentials directory. Empty counts as absent.
pub fn find(name: &str) -> Result<Option<Secret>, Failure> {
    find_with(name, |key| std::env::var(key).ok())
}

fn find_with(name: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Option<Secret>, Failure> {
    if let Some(value) = variable(name).filter(|value| !value.trim().is_empty()) {
        return Ok(Some(Secret::new(value.trim())));
    }
    if let Some(path) = variable(&format!("{name}_FILE")).filter(|path| !path.is_empty()) {
        return read(Path::new(&path), &format!("{name}_FILE"));
    }
    if let Some(folder) = variable("CREDENTIALS_DIRECTORY") {
        let path = PathBuf::from(folder).join(name);
        if path.exists() {
            return read(&path, "the systemd credential");
        }
    }
    Ok(None)
}

fn read(path: &Path, origin: &str) -> Result<Option<Secret>, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("can't read {} ({origin}): {error}", path.display())))?;
    let text = text.trim();
    Ok((!text.is_empty()).then(|| Secret::new(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environment_then_file_then_credential() {
        let dir = tempfile::tempdir().expect("dir");
        let file = dir.path().join("token");
        std::fs::write(&file, "from-file\n").expect("written");
        std::fs::write(dir.path().join("T"), "from-credential").expect("written");
        let (path, folder) = (file.display().to_string(), dir.path().display().to_string());
        let look = |pairs: Vec<(&str, String)>| {
            find_with("T", |key| pairs.iter().find(|(name, _)| *name == key).map(|(_, value)| value.clone()))
                .expect("readable")
                .map(|secret| secret.expose().to_owned())
        };
        let all = vec![("T", "from-env".into()), ("T_FILE", path.clone()), ("CREDENTIALS_DIRECTORY", folder.clone())];
        assert_eq!(look(all.clone()).as_deref(), Some("from-env"));
        assert_eq!(look(all[1..].to_vec()).as_deref(), Some("from-file"));
        assert_eq!(look(all[2..].to_vec()).as_deref(), Some("from-credential"));
        assert_eq!(look(vec![]), None);
    }

    #[test]
    fn it_never_shows_itself() {
        assert!(!format!("{:?}", Secret::new("hunter2")).contains("hunter2"));
    }
}
