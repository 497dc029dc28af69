//! A model package: a folder with `model.toml` and what it names.
//!
//! Everything that can be wrong with a package is found here, before a model is built from it, and told with the file
//! and what to do. A package comes from a folder or from bytes inside the program (the default model).

mod manifest;

pub use manifest::{
    Channels, Class, Decoder, InputSpec, Manifest, ModelInfo, OutputSpec, Resize, SelfTest, Task, Tiles,
};

use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};

/// What is wrong with a package. Programs end with exit 4.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackageError {
    /// A file of the package can't be read.
    #[error("can't read {path}: {why}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// `model.toml` is not as the format wants it.
    #[error("{path}: {why}")]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The model file is not the one that the manifest was written for.
    #[error(
        "{path} has SHA-256 {found}, its manifest says {expected}; the file is damaged or the manifest is of another version"
    )]
    Digest {
        /// The model file.
        path: PathBuf,
        /// What the file has.
        found: String,
        /// What the manifest says.
        expected: String,
    },
    /// The runtime can't use the model.
    #[error("{path}: {why}")]
    Model {
        /// The model file.
        path: PathBuf,
        /// What the runtime said.
        why: String,
    },
}

/// A package that was read and whose digest was checked.
#[derive(Debug, Clone)]
pub struct Package {
    /// The manifest.
    pub manifest: Manifest,
    /// The ONNX file.
    pub model: Vec<u8>,
    /// Where the model file is, or a name for one inside the program.
    pub path: PathBuf,
}

impl Package {
    /// Reads a package from its folder.
    pub fn open(folder: &Path) -> Result<Self, PackageError> {
        let read = |path: &Path| {
            let why = |error: std::io::Error| error.to_string();
            std::fs::read(path).map_err(|error| PackageError::Read { path: path.to_path_buf(), why: why(error) })
        };
        let manifest_path = folder.join("model.toml");
        let bytes = read(&manifest_path)?;
        let bad = |why: String| PackageError::Manifest { path: manifest_path.clone(), why };
        let text = std::str::from_utf8(&bytes).map_err(|_| bad("is not text in UTF-8".to_owned()))?;
        let manifest = Manifest::parse(text).map_err(bad)?;
        let path = folder.join(&manifest.model.file);
        let model = read(&path)?;
        Self::checked(manifest, model, path)
    }

    /// Takes a package that is part of the program.
    pub fn embedded(manifest: &str, model: &[u8]) -> Result<Self, PackageError> {
        let path = PathBuf::from("(built-in model)");
        let manifest = Manifest::parse(manifest).map_err(|why| PackageError::Manifest { path: path.clone(), why })?;
        Self::checked(manifest, model.to_vec(), path)
    }

    fn checked(manifest: Manifest, model: Vec<u8>, path: PathBuf) -> Result<Self, PackageError> {
        let found = digest(&model);
        if found != manifest.model.sha256 {
            return Err(PackageError::Digest { path, found, expected: manifest.model.sha256 });
        }
        Ok(Self { manifest, model, path })
    }
}

/// SHA-256 as a manifest writes it.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(manifest: &str, model: Option<&[u8]>) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("dir");
        std::fs::write(dir.path().join("model.toml"), manifest).expect("written");
        if let Some(model) = model {
            std::fs::write(dir.path().join("model.onnx"), model).expect("written");
        }
        dir
    }

    #[test]
    fn every_damage_has_its_own_words() {
        let text = manifest::tests::EXAMPLE;
        let missing = folder(text, None);
        let error = Package::open(missing.path()).expect_err("no model");
        assert!(matches!(&error, PackageError::Read { path, .. } if path.ends_with("model.onnx")), "{error}");
        let other = folder(text, Some(b"something else"));
        assert!(matches!(Package::open(other.path()), Err(PackageError::Digest { .. })));
        let broken = folder("[model\nname=", Some(b""));
        assert!(matches!(Package::open(broken.path()), Err(PackageError::Manifest { .. })));
        let nowhere = Package::open(Path::new("/nonexistent")).expect_err("no folder");
        assert!(nowhere.to_string().contains("model.toml"));
        let good = text.replace(&"0".repeat(64), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(Package::open(folder(&good, Some(b"abc")).path()).expect("good").model, b"abc");
    }
}
