//! What comes from outside: the defect model, the decoders, the hub, the time.

use super::Check;
use crate::config::{Config, HubAddress};
use crate::model;
use crate::store::{self, meta};
use crate::sync::link::{Introduction, Link, LinkEvent};
use fieldeye_base::{clock, sqlite};
use gstreamer::prelude::{GstObjectExt as _, PluginFeatureExtManual as _};
use gstreamer::{Caps, ElementFactory, ElementFactoryType, Rank};
use std::io::ErrorKind;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;
use uuid::Uuid;

/// How long the network and the broker have.
const PATIENCE: Duration = Duration::from_secs(4);

/// All checks of this room.
pub(super) fn checks(config: &Config) -> anyhow::Result<Vec<Check>> {
    let mut checks = vec![the_model(config)];
    checks.extend(decoders());
    checks.push(hub(config)?);
    checks.push(the_clock());
    Ok(checks)
}

fn the_model(config: &Config) -> Check {
    const NAME: &str = "model";
    match model::configured(config) {
        Ok(loaded) => {
            let (reference, runtime) = (loaded.reference, loaded.detector.runtime().as_str());
            let from = config.model.path.as_ref().map_or("built in".to_owned(), |path| path.display().to_string());
            Check::ok(NAME, format!("{} {} ({from}) is ready, with {runtime}", reference.name, reference.version))
        }
        Err(failure) => {
            let hint = failure.hint.unwrap_or_else(|| "set model.path to a model package, or leave it out".to_owned());
            Check::fail(NAME, failure.message, hint)
        }
    }
}

fn decoders() -> Vec<Check> {
    const INSTALL: &str = "install gstreamer1.0-plugins-good, -plugins-bad and -libav";
    if let Err(error) = gstreamer::init() {
        return vec![Check::fail("gstreamer", error.to_string(), "install GStreamer 1.20 or newer")];
    }
    let (major, minor, micro, _) = gstreamer::version();
    let version = format!("version {major}.{minor}.{micro}");
    let needed = ["qtdemux", "h264parse", "appsink"];
    let missing: Vec<&str> = needed.into_iter().filter(|name| ElementFactory::find(name).is_none()).collect();
    let library = if missing.is_empty() {
        Check::ok("gstreamer", version)
    } else {
        Check::fail("gstreamer", format!("{version}, without {}", missing.join(", ")), INSTALL)
    };
    let caps = Caps::builder("video/x-h264").build();
    let kind = ElementFactoryType::DECODER | ElementFactoryType::MEDIA_VIDEO;
    let mut found: Vec<(Rank, String)> = ElementFactory::factories_with_type(kind, Rank::MARGINAL)
        .iter()
        .filter(|factory| factory.can_sink_any_caps(&caps))
        .map(|factory| (factory.rank(), factory.name().to_string()))
        .collect();
    found.sort_by_key(|(rank, _)| std::cmp::Reverse(i32::from(*rank)));
    let names: Vec<String> = found.into_iter().map(|(_, name)| name).collect();
    let decoder = match names.first() {
        Some(first) => Check::ok("H.264", format!("decoded by {first} ({} in all)", names.len())),
        None => Check::fail("H.264", "no decoder is installed", INSTALL),
    };
    vec![library, decoder]
}

fn hub(config: &Config) -> anyhow::Result<Check> {
    const NAME: &str = "hub";
    let address = config.hub_address()?;
    let db = sqlite::open_beside(&store::database_path(&config.data_dir)).ok();
    let fact = |key: &str| db.as_ref().and_then(|db| meta::get(db, key).ok().flatten());
    let line = db.as_ref().and_then(|db| meta::line(db).ok().flatten());
    if let Some(line) = line.filter(meta::Line::is_up) {
        let text = format!("{address} hears this device (connected by process {})", line.process);
        return Ok(Check::ok(NAME, text));
    }
    if let Err((why, hint)) = reach(&address) {
        return Ok(Check::fail(NAME, format!("{address}: {why}"), hint));
    }
    // Not the device's own id: that would take the line away from a program that connects meanwhile.
    let chance = Uuid::new_v4().simple().to_string();
    let client_id = format!("doctor-{}", &chance[..12]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let greeted = runtime.block_on(greet(&address, client_id));
    runtime.shutdown_timeout(Duration::from_millis(500));
    Ok(match greeted {
        Ok(()) => {
            Check::ok(NAME, format!("{address} takes connections; {} is not connected now", whom(fact("device"))))
        }
        Err(why) => {
            let hint = "see the hub's log, and whether hub.url names a Field Eye hub's MQTT 5 broker";
            Check::fail(NAME, format!("something listens at {address}, but: {why}"), hint)
        }
    })
}

fn whom(device: Option<String>) -> String {
    device.unwrap_or_else(|| "this device".to_owned())
}

/// Whether anything listens there; if not, why, and what to do.
fn reach(address: &HubAddress) -> Result<(), (String, &'static str)> {
    let bare = address.host.trim_start_matches('[').trim_end_matches(']');
    let addresses = (bare, address.port).to_socket_addrs().map_err(|error| {
        (format!("the name can't be resolved: {error}"), "mend hub.url or the network's name service")
    })?;
    let mut last = ("the name has no address".to_owned(), "mend hub.url");
    for address in addresses {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(_) => return Ok(()),
            Err(error) => last = explain(&error),
        }
    }
    Err(last)
}

fn explain(error: &std::io::Error) -> (String, &'static str) {
    match error.kind() {
        ErrorKind::ConnectionRefused => {
            ("nobody listens on that port".to_owned(), "start `fieldeye-hub serve` there, or mend hub.url")
        }
        ErrorKind::TimedOut | ErrorKind::WouldBlock => {
            (format!("no answer within {} s", PATIENCE.as_secs()), "a firewall, or a machine that is switched off")
        }
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable => {
            (format!("there is no way to it: {error}"), "connect this device to the network; nothing is lost meanwhile")
        }
        _ => (error.to_string(), "mend the network or hub.url"),
    }
}

/// Connects as the agent does, and goes.
async fn greet(address: &HubAddress, client_id: String) -> Result<(), String> {
    let mut link = Link::open(address, Introduction { client_id, will: None });
    let greeting = async {
        loop {
            match link.event().await {
                LinkEvent::Connected { .. } => break Ok(()),
                LinkEvent::Lost(why) => break Err(why),
                _ => {}
            }
        }
    };
    let greeted = tokio::time::timeout(PATIENCE, greeting).await;
    greeted.unwrap_or_else(|_| Err(format!("no MQTT answer within {} s", PATIENCE.as_secs())))?;
    link.close();
    let farewell = async { while !matches!(link.event().await, LinkEvent::Closing | LinkEvent::Lost(_)) {} };
    let _ = tokio::time::timeout(PATIENCE, farewell).await;
    Ok(())
}

fn the_clock() -> Check {
    const NAME: &str = "clock";
    let now = clock::now();
    if clock::synchronised() {
        Check::ok(NAME, format!("{now:.0}, synchronised"))
    } else {
        let hint =
            "switch time synchronisation on (timedatectl set-ntp true); until then the hub orders by its own clock";
        Check::warn(NAME, format!("{now:.0}, not synchronised"), hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn address(port: u16) -> HubAddress {
        HubAddress { host: "127.0.0.1".to_owned(), port }
    }

    #[test]
    fn a_closed_port_says_what_to_start() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let port = listener.local_addr().expect("address").port();
        assert_eq!(reach(&address(port)), Ok(()));
        drop(listener);
        let (why, hint) = reach(&address(port)).expect_err("closed");
        assert!(why.contains("nobody listens") && hint.contains("fieldeye-hub serve"), "{why}");
    }
}
