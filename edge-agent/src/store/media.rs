//! The folder with the pictures: `media/keyframes/<sha256>.jpg`, each durable before a record names it.
//!
//! The folder carries the id of the store it belongs to. Nothing is deleted here.

use crate::store::StoreError;
use fieldeye_base::{disk, sqlite};
use fieldeye_protocol::digest::Digest;
use sha2::{Digest as _, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Bytes that pictures leave free for the database, on a disk that is large enough to spare them.
const RESERVE: u64 = 64 * 1024 * 1024;

/// The media folder of a store.
#[derive(Debug, Clone)]
pub(crate) struct Media {
    root: PathBuf,
    ours: bool,
}

/// A picture on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Its content.
    pub(crate) sha256: Digest,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// Where it is, relative to the media folder.
    pub(crate) path: String,
}

/// What a look at a file of the folder showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Look {
    /// It is what it was.
    Good,
    /// It is gone or another one; why, for a person.
    Bad(String),
}

impl Media {
    /// Opens the folder of the store `store_id` in `data_dir`, creating it if need be.
    pub(super) fn open(data_dir: &Path, store_id: Uuid) -> Result<Self, StoreError> {
        let root = data_dir.join("media");
        let keyframes = root.join("keyframes");
        sqlite::private_dir(&keyframes)
            .map_err(|failure| StoreError::file("create", &keyframes, io::Error::other(failure.message)))?;
        let ours = match owner(&root)? {
            Some(owner) => owner == store_id.to_string(),
            None => {
                write_durably(&root, ".store-id", store_id.to_string().as_bytes())?;
                // The folder itself must survive, too.
                sync(data_dir).map_err(|error| StoreError::file("write", data_dir, error))?;
                true
            }
        };
        Ok(Self { root, ours })
    }

    /// The folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Whether the folder carries this store's id.
    pub(crate) fn is_ours(&self) -> bool {
        self.ours
    }

    /// Keeps a JPEG: when this returns, it survives a power cut.
    pub(crate) fn keep_jpeg(&self, jpeg: &[u8]) -> Result<Kept, StoreError> {
        let sha256 = Digest::of(jpeg);
        let size = jpeg.len() as u64;
        let name = format!("{sha256}.jpg");
        let kept = Kept { sha256, size, path: format!("keyframes/{name}") };
        let folder = self.root.join("keyframes");
        if self.look(&kept.path, size, &sha256) == Look::Good {
            // A program that died here before may have left the name behind, but not on the disk.
            sync(&folder).map_err(|error| StoreError::file("write", &folder, error))?;
            return Ok(kept);
        }
        if disk::room(&folder).is_some_and(|room| room.free < RESERVE.min(room.total / 16) + size) {
            return Err(StoreError::full(&folder.join(&name)));
        }
        write_durably(&folder, &name, jpeg)?;
        Ok(kept)
    }

    /// Reads the whole file and compares it with what it must be.
    pub(crate) fn look(&self, path: &str, size: u64, sha256: &Digest) -> Look {
        let path = self.root.join(path);
        match digest_of(&path) {
            Ok((_, found)) if found != size => Look::Bad(format!("{} has {found} bytes, not {size}", path.display())),
            Ok((digest, _)) if digest != *sha256 => Look::Bad(format!("{} has another content", path.display())),
            Ok(_) => Look::Good,
            Err(error) => Look::Bad(format!("{}: {error}", path.display())),
        }
    }

    /// Reads the bytes `start..end` of a file.
    pub(crate) fn read(&self, path: &str, start: u64, end: u64) -> io::Result<Vec<u8>> {
        let mut file = File::open(self.root.join(path))?;
        file.seek(SeekFrom::Start(start))?;
        let length = usize::try_from(end.saturating_sub(start)).map_err(io::Error::other)?;
        let mut bytes = vec![0; length];
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

/// Which store a media folder says it belongs to.
pub(crate) fn owner(root: &Path) -> Result<Option<String>, StoreError> {
    let path = root.join(".store-id");
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::file("read", &path, error)),
    }
}

/// The digest and size of a file, read in pieces.
fn digest_of(path: &Path) -> io::Result<(Digest, u64)> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut size = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((Digest::from_bytes(hasher.finalize().into()), size));
        }
        hasher.update(&buffer[..read]);
        size += read as u64;
    }
}

/// Temporary file, fsync, rename, fsync of the folder. The temporary name is always the same for the same file, so a
/// crash leaves at most one behind and the next attempt takes it over.
fn write_durably(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
    let path = folder.join(name);
    let temporary = folder.join(format!(".{name}.tmp"));
    let write = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.create(true).truncate(true).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        sync(folder)
    };
    write().map_err(|error| {
        // What did not fit on a full disk must not fill it.
        let _ = fs::remove_file(&temporary);
        StoreError::file("write", &path, error)
    })
}

/// Makes the names in a folder survive a power cut.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_kept_once_and_mended() {
        let dir = tempfile::tempdir().expect("dir");
        let media = Media::open(dir.path(), Uuid::from_u128(1)).expect("opened");
        let kept = media.keep_jpeg(b"picture").expect("kept");
        let file = media.root().join(&kept.path);
        assert_eq!(fs::read(&file).expect("there"), b"picture");
        assert_eq!(media.keep_jpeg(b"picture").expect("kept"), kept);
        assert_eq!(media.look(&kept.path, kept.size, &kept.sha256), Look::Good);
        assert_eq!(media.read(&kept.path, 2, 5).expect("read"), b"ctu");
        fs::write(&file, b"pictura").expect("bent");
        assert!(matches!(media.look(&kept.path, kept.size, &kept.sha256), Look::Bad(why) if why.contains("content")));
        media.keep_jpeg(b"picture").expect("kept again");
        assert_eq!(fs::read(&file).expect("there"), b"picture");
        let left: Vec<_> = fs::read_dir(media.root().join("keyframes")).expect("listed").collect();
        assert_eq!(left.len(), 1, "no temporary file stays");
    }

    #[test]
    fn another_stores_folder_is_recognised_and_left_as_it_is() {
        let dir = tempfile::tempdir().expect("dir");
        assert!(Media::open(dir.path(), Uuid::from_u128(1)).expect("opened").is_ours());
        assert!(Media::open(dir.path(), Uuid::from_u128(1)).expect("opened").is_ours());
        assert!(!Media::open(dir.path(), Uuid::from_u128(2)).expect("opened").is_ours());
        assert_eq!(owner(&dir.path().join("media")).expect("read"), Some(Uuid::from_u128(1).to_string()));
    }
}
