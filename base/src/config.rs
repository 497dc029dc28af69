//! Configuration in layers: defaults < file < environment < flags, and where each value came from.
//!
//! The defaults, serialised, are the schema: a key that they do not have is an error that names the nearest known one.
//! Environment variables are `<PREFIX>A__B` for `a.b`; a `.env` file in the working directory counts as environment,
//! but never overrides it.

use crate::exit::Failure;
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// What a program tells about its configuration.
#[derive(Debug, Clone, Copy)]
pub struct Scheme {
    /// Environment prefix with its underscore: `FIELDEYE_HUB_`.
    pub prefix: &'static str,
    /// The file's usual name: `hub.toml`.
    pub file_name: &'static str,
}

/// A value given by a flag: dotted key and text.
pub type Flag = (&'static str, Option<String>);

/// A loaded configuration with the origin of every value.
#[derive(Debug, Clone)]
pub struct Loaded<T> {
    /// The values.
    pub value: T,
    /// One `(key, value as JSON, origin)` for each key, in order.
    pub origins: Vec<(String, String, String)>,
}

/// Puts the variables of `./.env` into the environment where they are not set. Call before any thread starts.
pub fn load_dotenv() -> Result<(), Failure> {
    match dotenvy::from_path(Path::new(".env")) {
        Ok(()) => Ok(()),
        Err(error) if error.not_found() => Ok(()),
        Err(error) => Err(Failure::usage(format!("can't read .env: {error}"))),
    }
}

/// Loads the layers. `file` is the path from `--config`, which must exist; without it `./<file_name>` is taken if there.
pub fn load<T>(scheme: &Scheme, file: Option<&Path>, flags: &[Flag]) -> Result<Loaded<T>, Failure>
where
    T: Default + Serialize + DeserializeOwned,
{
    let environment = std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.to_string_lossy().into_owned())));
    load_from(scheme, file, environment.collect(), flags)
}

fn load_from<T>(
    scheme: &Scheme,
    file: Option<&Path>,
    environment: Vec<(String, String)>,
    flags: &[Flag],
) -> Result<Loaded<T>, Failure>
where
    T: Default + Serialize + DeserializeOwned,
{
    let schema = Value::serialize(T::default()).map_err(|error| Failure::usage(format!("bad defaults: {error}")))?;
    let mut figment = Figment::from(figment::providers::Serialized::defaults(T::default()));
    if let Some(layer) = file_layer(scheme, file)? {
        check_keys(&layer, &schema)?;
        figment = figment.merge(layer);
    }
    for (key, text) in environment {
        let Some(name) = key.strip_prefix(scheme.prefix) else { continue };
        let dotted = name.to_ascii_lowercase().replace("__", ".");
        let layer = Layer::single(&dotted, &text, format!("environment variable {key}"), &schema);
        check_keys(&layer, &schema)?;
        figment = figment.merge(layer);
    }
    for (dotted, text) in flags {
        let Some(text) = text else { continue };
        figment = figment.merge(Layer::single(dotted, text, format!("flag --{}", flag_name(dotted)), &schema));
    }
    let value = figment.extract::<T>().map_err(|error| explain(&error))?;
    let merged = Value::serialize(&value).map_err(|error| Failure::usage(format!("bad configuration: {error}")))?;
    let mut origins = Vec::new();
    walk(&merged, "", &mut |key, value| {
        let origin = figment.find_metadata(key).map_or("default", |metadata| {
            if metadata.name.starts_with("Default") || metadata.name.contains("::") {
                "default"
            } else {
                &metadata.name
            }
        });
        origins.push((key.to_owned(), serde_json::to_string(value).unwrap_or_default(), origin.to_owned()));
    });
    Ok(Loaded { value, origins })
}

fn flag_name(dotted: &str) -> String {
    dotted.rsplit('.').next().unwrap_or(dotted).replace('_', "-")
}

fn explain(error: &figment::Error) -> Failure {
    let first = error.clone().into_iter().next();
    let Some(first) = first else { return Failure::usage(format!("bad configuration: {error}")) };
    let origin = first.metadata.as_ref().map_or_else(|| "the configuration".to_owned(), |m| m.name.to_string());
    Failure::usage(format!("{origin}: {}: {}", first.path.join("."), first.kind))
}

/// One layer: a tree of values and the name of where they are from.
#[derive(Debug, Clone)]
struct Layer {
    name: String,
    values: Dict,
}

impl Layer {
    /// A single dotted key. The text becomes what the default at this key is: a text stays a text.
    fn single(dotted: &str, text: &str, name: String, schema: &Value) -> Self {
        let parts: Vec<&str> = dotted.split('.').collect();
        let expected = schema.find_ref(dotted);
        let value = match expected {
            Some(Value::String(..) | Value::Empty(..) | Value::Array(..)) | None => Value::from(text.to_owned()),
            Some(_) => text.parse::<Value>().unwrap_or_else(|never| match never {}),
        };
        let (last, parents) = parts.split_last().expect("split gives at least one part");
        let leaf = Dict::from([((*last).to_owned(), value)]);
        let values =
            parents.iter().rev().fold(leaf, |inner, part| Dict::from([((*part).to_owned(), Value::from(inner))]));
        Self { name, values }
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

fn file_layer(scheme: &Scheme, file: Option<&Path>) -> Result<Option<Layer>, Failure> {
    let path = match file {
        Some(path) => path.to_path_buf(),
        None => PathBuf::from(scheme.file_name),
    };
    if file.is_none() && !path.exists() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&path)
        .map_err(|error| Failure::usage(format!("can't read the configuration {}: {error}", path.display())))?;
    use figment::providers::{Format as _, Toml};
    let values = Toml::from_str::<Dict>(&text).map_err(|error| {
        Failure::usage(format!("{} is not valid TOML: {}", path.display(), error.to_string().trim()))
    })?;
    Ok(Some(Layer { name: path.display().to_string(), values }))
}

/// Every key of a layer must stand in the schema.
fn check_keys(layer: &Layer, schema: &Value) -> Result<(), Failure> {
    let mut known = Vec::new();
    walk(schema, "", &mut |key, _| known.push(key.to_owned()));
    let mut unknown = None;
    walk(&Value::from(layer.values.clone()), "", &mut |key, _| {
        let fits = known.iter().any(|k| k == key || key.starts_with(&format!("{k}.")));
        if !fits && unknown.is_none() {
            unknown = Some(key.to_owned());
        }
    });
    let Some(key) = unknown else { return Ok(()) };
    let nearest = known.iter().min_by_key(|known| strsim::damerau_levenshtein(known, &key));
    let hint = nearest.map_or_else(String::new, |nearest| format!("did you mean `{nearest}`?"));
    Err(Failure::usage(format!("{}: unknown key `{key}`", layer.name)).hint(hint))
}

/// Visits every leaf with its dotted key. Arrays and empty tables count as leaves.
fn walk(value: &Value, prefix: &str, visit: &mut dyn FnMut(&str, &Value)) {
    match value {
        Value::Dict(_, dict) if !dict.is_empty() => {
            for (key, inner) in dict {
                let dotted = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                walk(inner, &dotted, visit);
            }
        }
        Value::Dict(..) if prefix.is_empty() => {}
        leaf => visit(prefix, leaf),
    }
}

/// Reads a list from a TOML array, one value, or a text with commas (as environment variables have it).
pub fn comma_list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    use serde::Deserialize as _;
    use serde::de::Error as _;
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum One {
        Number(i64),
        Text(String),
    }
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Shape {
        One(One),
        Many(Vec<One>),
    }
    let text = |one: One| match one {
        One::Number(number) => number.to_string(),
        One::Text(text) => text,
    };
    let parts: Vec<String> = match Shape::deserialize(deserializer)? {
        Shape::One(one) => text(one).split(',').map(|part| part.trim().to_owned()).collect(),
        Shape::Many(many) => many.into_iter().map(text).collect(),
    };
    parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().map_err(|error| D::Error::custom(format!("{part:?}: {error}"))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(default)]
    struct Config {
        data_dir: String,
        name: Option<String>,
        mqtt: Mqtt,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(default)]
    struct Mqtt {
        listen: String,
        port: u16,
        #[serde(deserialize_with = "comma_list")]
        admins: Vec<i64>,
    }

    impl Default for Config {
        fn default() -> Self {
            Self { data_dir: "/d".into(), name: None, mqtt: Mqtt::default() }
        }
    }

    impl Default for Mqtt {
        fn default() -> Self {
            Self { listen: "a:1".into(), port: 1, admins: vec![] }
        }
    }

    const SCHEME: Scheme = Scheme { prefix: "FE_", file_name: "no-such-file.toml" };

    fn load_text(toml: &str, env: &[(&str, &str)], flags: &[Flag]) -> Result<Loaded<Config>, Failure> {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("x.toml");
        std::fs::write(&path, toml).expect("written");
        let env = env.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        load_from(&SCHEME, Some(&path), env, flags)
    }

    #[test]
    fn later_layers_are_stronger() {
        let toml = "data_dir = \"/f\"\n[mqtt]\nport = 2\nlisten = \"file\"";
        let env = [("FE_MQTT__PORT", "3"), ("FE_MQTT__LISTEN", "env"), ("FE_NAME", "007"), ("OTHER", "x")];
        let flags: [Flag; 2] = [("mqtt.port", Some("4".into())), ("data_dir", None)];
        let loaded = load_text(toml, &env, &flags).expect("good");
        let config = &loaded.value;
        assert_eq!((config.data_dir.as_str(), config.mqtt.port, config.mqtt.listen.as_str()), ("/f", 4, "env"));
        assert_eq!(config.name.as_deref(), Some("007"), "a text stays a text");
        let origin =
            |key: &str| loaded.origins.iter().find(|(k, ..)| k == key).map(|(_, _, o)| o.clone()).expect("key");
        assert!(origin("data_dir").ends_with("x.toml"));
        assert_eq!(origin("mqtt.listen"), "environment variable FE_MQTT__LISTEN");
        assert_eq!(origin("mqtt.port"), "flag --port");
        assert_eq!(origin("mqtt.admins"), "default");
    }

    #[test]
    fn lists_come_in_every_shape() {
        for env in ["7", "7,8", " 7 , 8 "] {
            let config = load_text("", &[("FE_MQTT__ADMINS", env)], &[]).expect("good").value;
            assert_eq!(config.mqtt.admins[0], 7);
        }
        assert_eq!(load_text("[mqtt]\nadmins=[1,2]", &[], &[]).expect("good").value.mqtt.admins, [1, 2]);
        assert!(load_text("", &[("FE_MQTT__ADMINS", "7,x")], &[]).is_err());
    }

    #[test]
    fn a_wrong_key_names_the_nearest() {
        let error = load_text("[mqtt]\nlisteen = \"x\"", &[], &[]).expect_err("unknown");
        assert!(error.to_string().contains("did you mean `mqtt.listen`"), "{error}");
        let error = load_text("", &[("FE_DATADIR", "x")], &[]).expect_err("unknown");
        assert!(error.to_string().contains("FE_DATADIR") && error.to_string().contains("data_dir"), "{error}");
        assert_eq!(error.exit as u8, 2);
    }

    #[test]
    fn a_wrong_type_names_the_key() {
        let error = load_text("[mqtt]\nport = \"many\"", &[], &[]).expect_err("type");
        assert!(error.to_string().contains("mqtt.port"), "{error}");
        assert!(load_text("not toml at all", &[], &[]).is_err());
    }
}
