//! `hub.toml`: its keys, their defaults and what makes a value acceptable.

use fieldeye_base::config::{Scheme, comma_list};
use fieldeye_base::exit::{Exit, Failure};
use serde::{Deserialize, Serialize};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Names of file and environment variables.
pub(crate) const SCHEME: Scheme = Scheme { prefix: "FIELDEYE_HUB_", file_name: "hub.toml" };

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Config {
    /// Folder for the database, pictures and logs.
    pub(crate) data_dir: PathBuf,
    pub(crate) database: DatabaseSection,
    pub(crate) mqtt: MqttSection,
    pub(crate) health: HealthSection,
    pub(crate) telegram: TelegramSection,
}

/// Where rows are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct DatabaseSection {
    /// `sqlite`: a file in the data folder.
    pub(crate) url: String,
}

/// The broker inside the program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct MqttSection {
    /// Address and port; this machine only.
    pub(crate) listen: String,
}

/// `GET /health`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct HealthSection {
    /// Address and port.
    pub(crate) listen: String,
}

/// The bot. Its token is a secret: `TELEGRAM_BOT_TOKEN`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct TelegramSection {
    /// The Bot API's server.
    pub(crate) api_url: String,
    /// Ids of the people who may do everything.
    #[serde(deserialize_with = "comma_list")]
    pub(crate) admins: Vec<i64>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: default_data_dir(|name| std::env::var_os(name).map(PathBuf::from)),
            database: DatabaseSection::default(),
            mqtt: MqttSection::default(),
            health: HealthSection::default(),
            telegram: TelegramSection::default(),
        }
    }
}

impl Default for DatabaseSection {
    fn default() -> Self {
        Self { url: "sqlite".to_owned() }
    }
}

impl Default for MqttSection {
    fn default() -> Self {
        Self { listen: "127.0.0.1:1883".to_owned() }
    }
}

impl Default for HealthSection {
    fn default() -> Self {
        Self { listen: "127.0.0.1:9876".to_owned() }
    }
}

impl Default for TelegramSection {
    fn default() -> Self {
        Self { api_url: "https://api.telegram.org".to_owned(), admins: Vec::new() }
    }
}

/// `$XDG_DATA_HOME/fieldeye/hub`, `~/.local/share/fieldeye/hub` (on Windows `%LOCALAPPDATA%\fieldeye\hub`), or a system
/// folder where there is no home.
fn default_data_dir(variable: impl Fn(&str) -> Option<PathBuf>) -> PathBuf {
    let absolute = |name: &str| variable(name).filter(|path| path.is_absolute());
    let local = || if cfg!(windows) { absolute("LOCALAPPDATA") } else { None };
    let base = absolute("XDG_DATA_HOME").or_else(local).or_else(|| Some(absolute("HOME")?.join(".local/share")));
    base.unwrap_or_else(|| PathBuf::from("/var/lib")).join("fieldeye/hub")
}

impl Config {
    /// Refuses values that could not work, naming the key.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.data_dir.as_os_str().is_empty() {
            return Err(Failure::usage("data_dir is empty"));
        }
        self.database.check()?;
        self.mqtt_listen()?;
        self.health_listen()?;
        let url = &self.telegram.api_url;
        if !url.starts_with("https://") && !url.starts_with("http://") {
            let message = format!("telegram.api_url is {url:?}, which is not an http:// or https:// URL");
            return Err(Failure::usage(message));
        }
        Ok(())
    }

    /// Where the broker listens. A plain listener that other machines can reach is refused: everybody could be any
    /// device there.
    pub(crate) fn mqtt_listen(&self) -> Result<SocketAddr, Failure> {
        let address = address("mqtt.listen", &self.mqtt.listen)?;
        if address.ip().is_loopback() {
            return Ok(address);
        }
        let message =
            format!("mqtt.listen is {address}, which other machines can reach without encryption or identity");
        Err(Failure::usage(message).hint("use 127.0.0.1 or [::1]"))
    }

    /// Where `/health` is answered.
    pub(crate) fn health_listen(&self) -> Result<SocketAddr, Failure> {
        address("health.listen", &self.health.listen)
    }
}

impl DatabaseSection {
    fn check(&self) -> Result<(), Failure> {
        if matches!(self.url.as_str(), "" | "sqlite") {
            return Ok(());
        }
        // The rest of a database's URL may hold a password.
        let scheme = self.url.split_once("://").map_or("something unknown", |(scheme, _)| scheme);
        let message = format!("database.url names {scheme}, and this version keeps its data in SQLite only");
        Err(Failure::usage(message).hint("leave database.url out, or set it to \"sqlite\""))
    }
}

fn address(key: &str, text: &str) -> Result<SocketAddr, Failure> {
    let numeric = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    numeric.as_deref().unwrap_or(text).parse().map_err(|_| {
        Failure::usage(format!("{key} is {text:?}, which is not an address and a port"))
            .hint("write it as 127.0.0.1:PORT")
    })
}

/// The failure of a program that can't listen where it should.
pub(crate) fn cannot_listen(what: &str, key: &str, address: SocketAddr, error: &io::Error) -> Failure {
    let variable = format!("{}{}", SCHEME.prefix, key.replace('.', "__").to_ascii_uppercase());
    let elsewhere = format!("another address by {key} ({variable})");
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            Failure::new(Exit::Failed, format!("can't listen on {address} for {what}: the port is already taken"))
                .hint(format!("stop the program that has it, or choose {elsewhere}"))
        }
        _ => Failure::new(Exit::Failed, format!("can't listen on {address} for {what}: {error}"))
            .hint(format!("choose {elsewhere}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl Fn(&mut Config)) -> String {
        let mut config = Config::default();
        change(&mut config);
        let failure = config.check().expect_err("refused");
        assert_eq!(failure.exit, Exit::Usage);
        failure.to_string()
    }

    #[test]
    fn the_defaults_are_good() {
        assert_eq!(Config::default().check().map_err(|error| error.to_string()), Ok(()));
    }

    #[test]
    fn a_plain_listener_stays_on_this_machine() {
        let with = |listen: &str| Config { mqtt: MqttSection { listen: listen.to_owned() }, ..Config::default() };
        for good in ["127.0.0.1:0", "127.0.0.9:1883", "[::1]:1883", "localhost:1884"] {
            assert!(with(good).check().is_ok(), "{good}");
        }
        for open in ["0.0.0.0:1883", "192.168.1.5:1883", "[::]:1883"] {
            let said = refused(|config| config.mqtt.listen = open.to_owned());
            assert!(said.contains("mqtt.listen") && said.contains("127.0.0.1"), "{said}");
        }
        assert!(refused(|config| config.mqtt.listen = "1883".to_owned()).contains("mqtt.listen"));
        assert!(refused(|config| config.health.listen = "localhost".to_owned()).contains("health.listen"));
    }

    #[test]
    fn another_database_is_refused_without_its_password() {
        let said = refused(|config| config.database.url = "postgres://hub:hunter2@db/x".to_owned());
        assert!(said.contains("postgres") && said.contains("SQLite") && !said.contains("hunter2"), "{said}");
        assert!(refused(|config| config.database.url = "hunter2".to_owned()).contains("database.url"));
    }

    #[test]
    fn a_taken_port_is_named_with_the_way_out() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = taken.local_addr().expect("an address");
        let error = std::net::TcpListener::bind(address).expect_err("taken");
        let failure = cannot_listen("MQTT", "mqtt.listen", address, &error);
        assert_eq!(failure.exit, Exit::Failed);
        let said = failure.to_string();
        for word in [address.to_string().as_str(), "already taken", "FIELDEYE_HUB_MQTT__LISTEN"] {
            assert!(said.contains(word), "{word} is missing in {said}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_data_folder_follows_the_home() {
        let with = |pairs: &'static [(&str, &str)]| {
            default_data_dir(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| PathBuf::from(value)))
        };
        assert_eq!(with(&[("HOME", "/h")]), PathBuf::from("/h/.local/share/fieldeye/hub"));
        assert_eq!(with(&[("HOME", "/h"), ("XDG_DATA_HOME", "/x")]), PathBuf::from("/x/fieldeye/hub"));
        assert_eq!(with(&[("XDG_DATA_HOME", "relative")]), PathBuf::from("/var/lib/fieldeye/hub"));
    }
}
