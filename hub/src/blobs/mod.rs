//! Pictures and videos, by their content: `blobs/ab/abcd…` through `object_store`, and what has come of those that are
//! not complete, in `parts/`.
//!
//! Chunks come in from `ingest`, each durable before it is noted in the store. When all are there, the whole is read
//! once, compared with its name, and put among the complete ones. `alerts` and the bot read pictures from here. This
//! room knows no SQL and no MQTT.

mod error;
mod parts;

pub(crate) use error::BlobError;
pub(crate) use parts::Parts;

use bytes::Bytes;
use fieldeye_base::exit::{Exit, Failure};
use fieldeye_base::{disk, sqlite};
use fieldeye_protocol::digest::Digest;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{MultipartUpload, ObjectStoreExt as _, PutPayload};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use uuid::Uuid;

/// Bytes that blobs leave free for the database, on a disk that is large enough to spare them.
const RESERVE: u64 = 64 * 1024 * 1024;
/// A blob is read and put in pieces of this many bytes.
const PIECE: u64 = 8 * 1024 * 1024;

/// The complete blobs and the parts of the others. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Blobs {
    objects: Arc<LocalFileSystem>,
    root: PathBuf,
    parts: Parts,
}

/// What the parts of a blob came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Assembled {
    /// What its name says; it is durable.
    Good,
    /// Something else.
    Wrong,
}

impl Blobs {
    /// Opens the folders inside `data_dir`, creating what is not there.
    pub(crate) fn open(data_dir: &Path) -> Result<Self, Failure> {
        let (root, parts) = (data_dir.join("blobs"), data_dir.join("parts"));
        sqlite::private_dir(&root)?;
        sqlite::private_dir(&parts)?;
        let objects = LocalFileSystem::new_with_prefix(&root)
            .map_err(|error| Failure::new(Exit::Failed, format!("can't use the folder {}: {error}", root.display())))?;
        Ok(Self { objects: Arc::new(objects.with_fsync(true)), root, parts: Parts::new(parts) })
    }

    /// Where a blob is inside the blob store.
    pub(crate) fn key(sha256: &Digest) -> String {
        let name = sha256.to_string();
        format!("{}/{name}", &name[..2])
    }

    /// Where a blob is on the disk, if it is there.
    pub(crate) fn path(&self, sha256: &Digest) -> PathBuf {
        self.root.join(Self::key(sha256))
    }

    /// What has come of blobs that are not complete.
    pub(crate) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The whole content of a blob.
    pub(crate) async fn get(&self, sha256: &Digest) -> Result<Bytes, BlobError> {
        let fail = |error| BlobError::object("read", &self.path(sha256), error);
        let found = self.objects.get(&location(sha256)).await.map_err(fail)?;
        found.bytes().await.map_err(fail)
    }

    /// The size of a blob that is there.
    pub(crate) async fn size(&self, sha256: &Digest) -> Result<Option<u64>, BlobError> {
        match self.objects.head(&location(sha256)).await {
            Ok(found) => Ok(Some(found.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(BlobError::object("look at", &self.path(sha256), error)),
        }
    }

    /// Keeps a blob that came in one piece, if it is what its name says. When this returns, it survives a power cut.
    pub(crate) async fn put(&self, sha256: &Digest, bytes: Bytes) -> Result<Assembled, BlobError> {
        let path = self.path(sha256);
        let (content, folder, wanted) = (bytes.clone(), self.root.clone(), *sha256);
        let good = blocking(move || {
            require_room(&folder, content.len() as u64)?;
            Ok(Digest::of(&content) == wanted)
        })
        .await?;
        if !good {
            return Ok(Assembled::Wrong);
        }
        let payload = PutPayload::from_bytes(bytes);
        self.objects.put(&location(sha256), payload).await.map_err(|error| BlobError::object("write", &path, error))?;
        Ok(Assembled::Good)
    }

    /// Puts a blob together whose parts have all come, if it is what its name says. When this returns, it survives a
    /// power cut. The parts stay until [`Parts::discard`].
    pub(crate) async fn assemble(&self, device: &str, sha256: &Digest, size: u64) -> Result<Assembled, BlobError> {
        if size <= PIECE {
            let Some(bytes) = self.parts.read(device, sha256, 0, size).await? else { return Ok(Assembled::Wrong) };
            return self.put(sha256, bytes).await;
        }
        let folder = self.root.clone();
        blocking(move || require_room(&folder, size)).await?;
        let fail = |error| BlobError::object("write", &self.path(sha256), error);
        let mut upload = self.objects.put_multipart(&location(sha256)).await.map_err(fail)?;
        match self.copy(device, sha256, size, upload.as_mut()).await {
            Ok(true) => upload.complete().await.map(|_| Assembled::Good).map_err(fail),
            Ok(false) => upload.abort().await.map(|()| Assembled::Wrong).map_err(fail),
            Err(error) => {
                // The first error is the one to tell.
                let _ = upload.abort().await;
                Err(error)
            }
        }
    }

    /// Reads the parts piece by piece; gives whether the digest is right.
    async fn copy(
        &self,
        device: &str,
        sha256: &Digest,
        size: u64,
        upload: &mut dyn MultipartUpload,
    ) -> Result<bool, BlobError> {
        let mut hasher = Sha256::new();
        let mut at = 0;
        while at < size {
            let end = size.min(at + PIECE);
            let Some(bytes) = self.parts.read(device, sha256, at, end).await? else { return Ok(false) };
            let content = bytes.clone();
            hasher = blocking(move || {
                hasher.update(&content);
                Ok(hasher)
            })
            .await?;
            let put = upload.put_part(PutPayload::from_bytes(bytes));
            put.await.map_err(|error| BlobError::object("write", &self.path(sha256), error))?;
            at = end;
        }
        Ok(Digest::from_bytes(hasher.finalize().into()) == *sha256)
    }

    /// Removes what an earlier life left behind: parts that the store `store` knows nothing of, and blobs that were
    /// being written. Folders that belong to another store are left alone. Gives how many files went.
    pub(crate) async fn clean(&self, store: Uuid, known: Vec<(String, String)>) -> Result<u64, BlobError> {
        let (root, parts) = (self.root.clone(), self.parts.clone());
        blocking(move || {
            let mut removed = 0;
            if is_ours(parts.root(), store)? {
                removed += parts.clean(&known)?;
            }
            if is_ours(&root, store)? {
                removed += remove_unfinished(&root)?;
            }
            Ok(removed)
        })
        .await
    }
}

fn location(sha256: &Digest) -> Key {
    Key::from(Blobs::key(sha256))
}

/// Runs `work` on a thread that may block.
async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> Result<R, BlobError> + Send + 'static,
) -> Result<R, BlobError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| BlobError::Interrupted)?
}

/// Fails when `size` more bytes would eat into the reserve.
fn require_room(folder: &Path, size: u64) -> Result<(), BlobError> {
    match disk::room(folder) {
        Some(room) if room.free < RESERVE.min(room.total / 16) + size => {
            Err(BlobError::Full { path: folder.to_owned(), free: Some(room.free) })
        }
        _ => Ok(()),
    }
}

/// Whether a folder carries this store's id. One that carries none gets it.
fn is_ours(folder: &Path, store: Uuid) -> Result<bool, BlobError> {
    let path = folder.join(".store-id");
    match fs::read_to_string(&path) {
        Ok(text) if text.trim() == store.to_string() => Ok(true),
        Ok(other) => {
            tracing::warn!(folder = %folder.display(), owner = other.trim(), "the folder belongs to another store; nothing in it is cleaned");
            Ok(false)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            fs::write(&path, store.to_string()).map_err(|error| BlobError::file("write", &path, error))?;
            Ok(true)
        }
        Err(error) => Err(BlobError::file("read", &path, error)),
    }
}

/// Files that `object_store` was writing carry a `#` in their names until they are complete.
fn remove_unfinished(root: &Path) -> Result<u64, BlobError> {
    let mut removed = 0;
    for shard in parts::entries(root)?.into_iter().filter(|path| path.is_dir()) {
        for path in parts::entries(&shard)? {
            let unfinished = path.file_name().is_some_and(|name| name.to_string_lossy().contains('#'));
            if unfinished {
                fs::remove_file(&path).map_err(|error| BlobError::file("remove", &path, error))?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> (Blobs, tempfile::TempDir) {
        let dir = tempfile::tempdir().expect("dir");
        (Blobs::open(dir.path()).expect("opened"), dir)
    }

    fn content(bytes: u64) -> Bytes {
        (0..bytes).map(|n| (n % 251) as u8).collect()
    }

    #[tokio::test]
    async fn what_is_put_is_there_under_its_digest() {
        let (blobs, dir) = open();
        let picture = Bytes::from_static(b"picture");
        let sha256 = Digest::of(&picture);
        assert_eq!(blobs.size(&sha256).await.expect("looked"), None);
        assert!(blobs.get(&sha256).await.expect_err("not there").to_string().contains(&sha256.to_string()));
        assert_eq!(blobs.put(&sha256, Bytes::from_static(b"scratch")).await.expect("tried"), Assembled::Wrong);
        assert_eq!(blobs.size(&sha256).await.expect("looked"), None);
        for _ in 0..2 {
            assert_eq!(blobs.put(&sha256, picture.clone()).await.expect("put"), Assembled::Good);
        }
        assert_eq!(blobs.get(&sha256).await.expect("read"), picture);
        assert_eq!(blobs.size(&sha256).await.expect("looked"), Some(7));
        assert_eq!(blobs.path(&sha256), dir.path().join("blobs").join(Blobs::key(&sha256)));
        assert_eq!(fs::read(blobs.path(&sha256)).expect("a file"), picture);
    }

    #[tokio::test]
    async fn small_and_large_blobs_are_put_together() {
        for size in [1, PIECE, PIECE + 1, 2 * PIECE + 77] {
            let (blobs, _dir) = open();
            let (whole, sha256) = (content(size), Digest::of(&content(size)));
            let middle = size / 2;
            for (start, end) in [(middle, size), (0, middle)] {
                let piece = whole.slice(start as usize..end as usize);
                blobs.parts().write("cam-7", &sha256, start, piece).await.expect("written");
            }
            assert_eq!(blobs.assemble("cam-7", &sha256, size).await.expect("read"), Assembled::Good, "{size}");
            assert_eq!(blobs.get(&sha256).await.expect("read"), whole);
            let other = Digest::of(b"other");
            blobs.parts().write("cam-7", &other, 0, whole).await.expect("written");
            assert_eq!(blobs.assemble("cam-7", &other, size).await.expect("read"), Assembled::Wrong, "{size}");
            assert_eq!(blobs.size(&other).await.expect("looked"), None);
            assert_eq!(blobs.assemble("cam-8", &other, size).await.expect("read"), Assembled::Wrong, "no parts at all");
        }
    }

    #[tokio::test]
    async fn leftovers_go_and_the_rest_stays() {
        let (blobs, dir) = open();
        let (kept, lost, picture) = (Digest::of(b"kept"), Digest::of(b"lost"), Bytes::from_static(b"picture"));
        blobs.parts().write("cam-7", &kept, 0, picture.clone()).await.expect("written");
        blobs.parts().write("cam-7", &lost, 0, picture.clone()).await.expect("written");
        blobs.put(&Digest::of(&picture), picture.clone()).await.expect("put");
        let unfinished = blobs.path(&Digest::of(&picture)).with_extension("").display().to_string() + "#1";
        fs::write(&unfinished, b"half").expect("written");
        let known = vec![("cam-7".to_owned(), kept.to_string())];
        let store = Uuid::from_u128(1);
        assert_eq!(blobs.clean(store, known.clone()).await.expect("cleaned"), 2);
        assert!(!Path::new(&unfinished).exists());
        assert!(blobs.parts().read("cam-7", &kept, 0, 7).await.expect("read").is_some());
        assert!(blobs.parts().read("cam-7", &lost, 0, 7).await.expect("read").is_none());
        assert_eq!(blobs.size(&Digest::of(&picture)).await.expect("looked"), Some(7));
        let other = Blobs::open(dir.path()).expect("opened");
        assert_eq!(other.clean(Uuid::from_u128(2), vec![]).await.expect("looked"), 0, "another store's folders");
        assert!(blobs.parts().read("cam-7", &kept, 0, 7).await.expect("read").is_some());
    }
}
