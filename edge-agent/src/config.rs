//! `agent.toml`: its keys, their defaults and what makes a value acceptable.

use crate::capture::camera::Transport;
use fieldeye_base::config::{Scheme, comma_list};
use fieldeye_base::exit::Failure;
use fieldeye_protocol::blob::CHUNK_BYTES;
use fieldeye_protocol::device::DeviceId;
use fieldeye_vision::detect::{Provider, RuntimeConfig, RuntimeKind};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Names of file and environment variables.
pub(crate) const SCHEME: Scheme = Scheme { prefix: "FIELDEYE_AGENT_", file_name: "agent.toml" };

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Config {
    /// Folder for the database, pictures and logs.
    pub(crate) data_dir: PathBuf,
    /// Files and folders that `run` analyses, each content once, and cameras that it watches (`rtsp:`, `v4l2:`, `libcamera:`,
    /// `nvargus:`, `test:`; `play:` plays a file in real time).
    #[serde(deserialize_with = "comma_list")]
    pub(crate) sources: Vec<String>,
    pub(crate) device: DeviceSection,
    pub(crate) hub: HubSection,
    pub(crate) sync: SyncSection,
    pub(crate) camera: CameraSection,
    pub(crate) detect: DetectSection,
    pub(crate) model: ModelSection,
    pub(crate) session: SessionSection,
    pub(crate) retention: RetentionSection,
}

/// Who this device is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct DeviceSection {
    /// The device id; without one, it is made from the host name at the first start and kept.
    pub(crate) id: Option<String>,
}

/// Where the hub is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct HubSection {
    /// `mqtt://host[:port]`.
    pub(crate) url: String,
}

/// How records and pictures travel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SyncSection {
    /// Seconds after which what the hub has not answered is sent again.
    pub(crate) ack_timeout: u64,
    /// Most records in a batch.
    pub(crate) batch_records: usize,
    /// Most bytes of records in a batch, before compression.
    pub(crate) batch_bytes: usize,
    /// How long a record that is not urgent waits for company, in milliseconds.
    pub(crate) batch_delay_ms: u64,
    /// Most batches under way without an answer.
    pub(crate) window: usize,
    /// Most chunks of pictures under way.
    pub(crate) chunk_window: usize,
}

/// How live cameras are watched and recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct CameraSection {
    /// When a session begins: `source` (as soon as there is a picture) or `hand` (when someone says so).
    pub(crate) start: Start,
    /// File with `user:password` of network cameras, readable by this user alone.
    pub(crate) credentials_file: Option<PathBuf>,
    /// How network cameras send: `tcp` or `udp`.
    pub(crate) transport: Transport,
    /// Seconds without a picture after which a camera is connected to anew.
    pub(crate) stall_s: f64,
    /// Longest wait between two attempts to connect, seconds; the first ones are shorter.
    pub(crate) reconnect_s: f64,
    /// Whether the video is kept.
    pub(crate) record: bool,
    /// Seconds of video in a file.
    pub(crate) piece_s: f64,
    /// Most megabytes of video; what shows nothing goes first.
    pub(crate) budget_mb: u64,
    /// Megabytes that video leaves free on the disk.
    pub(crate) free_mb: u64,
}

/// When a session begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Start {
    /// As soon as there is a picture.
    #[default]
    Source,
    /// When someone says so.
    Hand,
}

impl Start {
    /// Whether nobody needs to say anything.
    pub(crate) fn is_by_itself(self) -> bool {
        self == Self::Source
    }
}

/// How videos are looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct DetectSection {
    /// How often the detector looks, per second of video.
    pub(crate) rate_hz: f64,
    /// What runs the model: `tract`, or `onnxruntime` where the program was built with it.
    pub(crate) runtime: RuntimeKind,
    /// The library of ONNX Runtime, if it is not where the system keeps libraries.
    pub(crate) library: Option<PathBuf>,
    /// What ONNX Runtime may calculate on, best first: `tensorrt`, `cuda`, `cpu`.
    #[serde(deserialize_with = "comma_list")]
    pub(crate) providers: Vec<String>,
    /// Threads of ONNX Runtime.
    pub(crate) threads: usize,
    /// Decode only what a search for pauses needs.
    pub(crate) skim: bool,
}

/// Which defect model runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ModelSection {
    /// Folder of a model package; the built-in one without it.
    pub(crate) path: Option<PathBuf>,
}

/// Facts that are the same for every session of this device.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SessionSection {
    /// Who holds the camera.
    pub(crate) technician_id: Option<String>,
    /// Which vehicle or unit is inspected.
    pub(crate) vehicle_id: Option<String>,
    /// `coaster`, `motor`, `panel`, `pump` …
    pub(crate) equipment_type: Option<String>,
    /// Model of the camera.
    pub(crate) camera_model: Option<String>,
    /// `flat_clip`, `ring_clamp`, `lapel_clip` …
    pub(crate) mount_type: Option<String>,
}

/// How long things stay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RetentionSection {
    /// Days that events stay here after the hub has them.
    pub(crate) synced_days: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: default_data_dir(|name| std::env::var_os(name).map(PathBuf::from)),
            sources: Vec::new(),
            device: DeviceSection::default(),
            hub: HubSection::default(),
            sync: SyncSection::default(),
            camera: CameraSection::default(),
            detect: DetectSection::default(),
            model: ModelSection::default(),
            session: SessionSection::default(),
            retention: RetentionSection::default(),
        }
    }
}

impl Default for HubSection {
    fn default() -> Self {
        Self { url: "mqtt://127.0.0.1:1883".to_owned() }
    }
}

impl Default for SyncSection {
    fn default() -> Self {
        Self {
            ack_timeout: 20,
            batch_records: 500,
            batch_bytes: 256 * 1024,
            batch_delay_ms: 50,
            window: 4,
            chunk_window: 8,
        }
    }
}

impl Default for CameraSection {
    fn default() -> Self {
        Self {
            start: Start::default(),
            credentials_file: None,
            transport: Transport::default(),
            stall_s: 5.0,
            reconnect_s: 10.0,
            record: true,
            piece_s: 10.0,
            budget_mb: 8000,
            free_mb: 500,
        }
    }
}

impl Default for DetectSection {
    fn default() -> Self {
        let RuntimeConfig { kind, library, threads, .. } = RuntimeConfig::default();
        Self { rate_hz: 2.0, runtime: kind, library, providers: Vec::new(), threads, skim: false }
    }
}

impl Default for RetentionSection {
    fn default() -> Self {
        Self { synced_days: 90 }
    }
}

/// `$XDG_DATA_HOME/fieldeye/agent`, `~/.local/share/fieldeye/agent`, or a system folder where there is no home.
fn default_data_dir(variable: impl Fn(&str) -> Option<PathBuf>) -> PathBuf {
    let absolute = |name: &str| variable(name).filter(|path| path.is_absolute());
    let base = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")));
    base.unwrap_or_else(|| PathBuf::from("/var/lib")).join("fieldeye/agent")
}

impl Config {
    /// Refuses values that could not work, naming the key.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.data_dir.as_os_str().is_empty() {
            return Err(Failure::usage("data_dir is empty"));
        }
        self.device_id()?;
        self.hub_address()?;
        let sync = &self.sync;
        let positive = [
            ("sync.ack_timeout", sync.ack_timeout),
            ("sync.batch_records", sync.batch_records as u64),
            ("sync.batch_bytes", sync.batch_bytes as u64),
            ("sync.window", sync.window as u64),
            ("sync.chunk_window", sync.chunk_window as u64),
        ];
        if let Some((key, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(Failure::usage(format!("{key} must be at least 1")));
        }
        let most = [
            ("sync.ack_timeout", sync.ack_timeout, 86_400),
            ("sync.batch_records", sync.batch_records as u64, fieldeye_protocol::batch::MAX_BATCH_RECORDS as u64),
            ("sync.batch_bytes", sync.batch_bytes as u64, fieldeye_protocol::batch::MAX_BATCH_BYTES / 2),
            ("sync.batch_delay_ms", sync.batch_delay_ms, 60_000),
            ("sync.window", sync.window as u64, 16),
            ("sync.chunk_window", sync.chunk_window as u64, 16),
        ];
        if let Some((key, _, limit)) = most.iter().find(|(_, value, limit)| value > limit) {
            return Err(Failure::usage(format!("{key} must be at most {limit}")));
        }
        let rate = self.detect.rate_hz;
        if !(rate.is_finite() && rate > 0.0 && rate <= 120.0) {
            return Err(Failure::usage(format!("detect.rate_hz is {rate}, it must be above 0 and at most 120")));
        }
        let seconds = [
            ("camera.stall_s", self.camera.stall_s, 0.5, 600.0),
            ("camera.piece_s", self.camera.piece_s, 1.0, 600.0),
            ("camera.reconnect_s", self.camera.reconnect_s, 0.1, 3600.0),
        ];
        if let Some((key, value, least, most)) =
            seconds.iter().find(|(_, value, least, most)| !(least..=most).contains(&value))
        {
            return Err(Failure::usage(format!("{key} is {value}, it must be {least} to {most}")));
        }
        self.detect.runtime_config()?;
        Ok(())
    }

    /// The configured device id, checked.
    pub(crate) fn device_id(&self) -> Result<Option<DeviceId>, Failure> {
        self.device
            .id
            .as_deref()
            .map(DeviceId::parse)
            .transpose()
            .map_err(|error| Failure::usage(format!("device.id: {error}")))
    }

    /// Host and port of the hub's broker.
    pub(crate) fn hub_address(&self) -> Result<HubAddress, Failure> {
        HubAddress::parse(&self.hub.url).map_err(|why| {
            Failure::usage(format!("hub.url is {:?}: {why}", self.hub.url)).hint("write it as mqtt://host:1883")
        })
    }
}

impl DetectSection {
    /// What is to run the model.
    pub(crate) fn runtime_config(&self) -> Result<RuntimeConfig, Failure> {
        if !RuntimeKind::built_in().contains(&self.runtime) {
            return Err(Failure::usage(format!(
                "detect.runtime is {}, and this program was built without it",
                self.runtime.as_str()
            ))
            .hint("build it with `--features onnxruntime`, or choose tract"));
        }
        let provider = |name: &String| {
            Provider::parse(name).ok_or_else(|| {
                Failure::usage(format!("detect.providers names {name:?}; tensorrt, cuda and cpu are known"))
            })
        };
        let providers = self.providers.iter().map(provider).collect::<Result<_, _>>()?;
        Ok(RuntimeConfig { kind: self.runtime, library: self.library.clone(), providers, threads: self.threads })
    }
}

impl SyncSection {
    /// [`SyncSection::ack_timeout`] as a duration.
    pub(crate) fn ack_timeout(&self) -> Duration {
        Duration::from_secs(self.ack_timeout)
    }

    /// Most bytes of pictures under way.
    pub(crate) fn chunk_budget(&self) -> u64 {
        self.chunk_window as u64 * CHUNK_BYTES
    }
}

/// Where a broker listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HubAddress {
    /// Host name or address; an IPv6 address stands in brackets.
    pub(crate) host: String,
    /// TCP port.
    pub(crate) port: u16,
}

impl HubAddress {
    fn parse(url: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = url.split_once("://") else { return Err("the scheme is missing".to_owned()) };
        if scheme != "mqtt" {
            return Err(format!("the scheme {scheme:?} is not known"));
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#', '@']) || rest.contains(char::is_whitespace) {
            return Err("only a host and a port can stand in it".to_owned());
        }
        let after_host = if rest.starts_with('[') {
            rest.find(']').map(|end| end + 1).ok_or("the bracket is not closed")?
        } else {
            rest.find(':').unwrap_or(rest.len())
        };
        let (host, port) = rest.split_at(after_host);
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or(format!("{port:?} is not a port"))?,
            None if port.is_empty() => 1883,
            None => return Err("there is something behind the host".to_owned()),
        };
        if host.is_empty() { Err("the host is missing".to_owned()) } else { Ok(Self { host: host.to_owned(), port }) }
    }

    /// Whether it is this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl std::fmt::Display for HubAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hub_addresses() {
        let parse = |url: &str| HubAddress::parse(url).map(|address| address.to_string());
        assert_eq!(parse("mqtt://127.0.0.1:1884").as_deref(), Ok("127.0.0.1:1884"));
        assert_eq!(parse("mqtt://hub.example/").as_deref(), Ok("hub.example:1883"));
        assert_eq!(parse("mqtt://[::1]:99").as_deref(), Ok("[::1]:99"));
        for bad in [
            "127.0.0.1",
            "http://x",
            "mqtt://",
            "mqtt://h:0",
            "mqtt://h:x",
            "mqtt://u:p@h",
            "mqtt://[::1",
            "mqtt://[::1]x",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(HubAddress::parse("mqtt://[::1]").expect("valid").is_loopback());
        assert!(!HubAddress::parse("mqtt://10.0.0.1").expect("valid").is_loopback());
    }

    #[test]
    fn the_data_folder_follows_the_home() {
        let with = |pairs: &'static [(&str, &str)]| {
            default_data_dir(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| PathBuf::from(value)))
        };
        assert_eq!(with(&[("HOME", "/h")]), PathBuf::from("/h/.local/share/fieldeye/agent"));
        assert_eq!(with(&[("HOME", "/h"), ("XDG_DATA_HOME", "/x")]), PathBuf::from("/x/fieldeye/agent"));
        assert_eq!(with(&[("XDG_DATA_HOME", "relative")]), PathBuf::from("/var/lib/fieldeye/agent"));
    }

    #[test]
    fn senseless_values_are_refused_by_name() {
        let refused = |change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            config.check().expect_err("refused").to_string()
        };
        assert_eq!(Config::default().check().map_err(|error| error.to_string()), Ok(()));
        assert!(refused(|config| config.sync.window = 0).contains("sync.window"));
        assert!(refused(|config| config.sync.batch_records = 1_000_000).contains("sync.batch_records"));
        assert!(refused(|config| config.detect.rate_hz = f64::NAN).contains("detect.rate_hz"));
        assert!(refused(|config| config.detect.providers = vec!["gpu".into()]).contains("\"gpu\""));
        assert!(refused(|config| config.device.id = Some("X".into())).contains("device.id"));
        assert!(refused(|config| config.hub.url = "mqtts://h".into()).contains("hub.url"));
    }
}
