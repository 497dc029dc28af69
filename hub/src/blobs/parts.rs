//! What has come of blobs that are not complete: one file for each device and blob, in which every chunk stands at its
//! own offset. The store knows which bytes of it count.

use super::{BlobError, blocking, require_room};
use bytes::Bytes;
use fieldeye_protocol::digest::Digest;
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The folder of parts. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    root: PathBuf,
}

impl Parts {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    fn path(&self, device: &str, sha256: &Digest) -> PathBuf {
        self.root.join(device).join(sha256.to_string())
    }

    /// Writes a chunk at its offset. When this returns, it survives a power cut.
    pub(crate) async fn write(
        &self,
        device: &str,
        sha256: &Digest,
        offset: u64,
        bytes: Bytes,
    ) -> Result<(), BlobError> {
        let path = self.path(device, sha256);
        blocking(move || {
            let folder = path.parent().unwrap_or(&path).to_owned();
            let fail = |error| BlobError::file("write", &path, error);
            fieldeye_base::sqlite::private_dir(&folder)
                .map_err(|failure| BlobError::file("create", &folder, io::Error::other(failure.message)))?;
            require_room(&folder, bytes.len() as u64)?;
            let new = !path.exists();
            let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(fail)?;
            file.seek(SeekFrom::Start(offset)).map_err(fail)?;
            file.write_all(&bytes).map_err(fail)?;
            file.sync_data().map_err(fail)?;
            if new {
                sync_folder(&folder).map_err(fail)?;
                sync_folder(folder.parent().unwrap_or(&folder)).map_err(fail)?;
            }
            Ok(())
        })
        .await
    }

    /// Reads the bytes `start..end`; `None` when the file is not that long, or not there.
    pub(crate) async fn read(
        &self,
        device: &str,
        sha256: &Digest,
        start: u64,
        end: u64,
    ) -> Result<Option<Bytes>, BlobError> {
        let path = self.path(device, sha256);
        blocking(move || match read(&path, start, end) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) => Ok(None),
            Err(error) => Err(BlobError::file("read", &path, error)),
        })
        .await
    }

    /// Removes what has come of a blob from a device.
    pub(crate) async fn discard(&self, device: &str, sha256: &Digest) -> Result<(), BlobError> {
        let path = self.path(device, sha256);
        blocking(move || match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(BlobError::file("remove", &path, error)),
            _ => Ok(()),
        })
        .await
    }

    /// Removes all files but those of the `known` devices and digests. Gives how many.
    pub(super) fn clean(&self, known: &[(String, String)]) -> Result<u64, BlobError> {
        let known: HashSet<PathBuf> =
            known.iter().map(|(device, sha256)| self.root.join(device).join(sha256)).collect();
        let mut removed = 0;
        for folder in entries(&self.root)?.into_iter().filter(|path| path.is_dir()) {
            for path in entries(&folder)?.into_iter().filter(|path| !known.contains(path)) {
                fs::remove_file(&path).map_err(|error| BlobError::file("remove", &path, error))?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

fn read(path: &Path, start: u64, end: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(start))?;
    let length = usize::try_from(end.saturating_sub(start)).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// What is in a folder.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>, BlobError> {
    let list = || -> io::Result<Vec<PathBuf>> { fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect() };
    list().map_err(|error| BlobError::file("list", folder, error))
}

/// Makes new names in a folder durable, where the system can.
fn sync_folder(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}
