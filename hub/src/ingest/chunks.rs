//! Chunks of blobs: durable in the folder of parts before the store notes them, and called stored only after the whole
//! was compared with its name.

use super::desk::Desk;
use crate::blobs::{Assembled, BlobError, Blobs};
use crate::store::{Standing, StoreError};
use bytes::Bytes;
use fieldeye_protocol::blob::MAX_CHUNK_BYTES;
use fieldeye_protocol::device::DeviceId;
use fieldeye_protocol::digest::Digest;

impl Desk {
    /// Takes a chunk, or the question what there is (no bytes at all). `None` when nothing is to be answered: the
    /// device asks again after a while.
    pub(super) async fn chunk(
        &self,
        device: &DeviceId,
        sha256: &Digest,
        offset: u64,
        bytes: Bytes,
    ) -> Result<Option<Standing>, StoreError> {
        let mut standing = self.store.blob_standing(device.clone(), *sha256).await?;
        let whole = match &standing {
            Standing::Unnamed { .. } if bytes.is_empty() => {
                // A device may ask before a hub that is new to it was told the records: the answer shows it which hub
                // this is, and that nothing is here.
                return Ok(Some(Standing::Wanted { size: 0, ranges: vec![] }));
            }
            Standing::Unnamed { elsewhere: false } => {
                // A record may still name it: "refused" would be for ever.
                tracing::warn!(%device, %sha256, "a chunk of a blob that nobody has named");
                return Ok(None);
            }
            Standing::Unnamed { elsewhere: true } => {
                tracing::warn!(%device, %sha256, "a chunk of a blob that only another device has named");
                return Ok(Some(standing));
            }
            Standing::Refused(_) => return Ok(Some(standing)),
            Standing::Stored => match self.is_there(sha256).await? {
                true => return Ok(Some(standing)),
                false => {
                    standing = self.store.blob_standing(device.clone(), *sha256).await?;
                    false
                }
            },
            Standing::Wanted { size, .. } => {
                let length = bytes.len() as u64;
                offset == 0 && length == *size && (1..=MAX_CHUNK_BYTES).contains(&length)
            }
        };
        let result = if whole {
            self.whole(device, sha256, bytes).await
        } else {
            self.part(device, sha256, offset, bytes, standing).await
        };
        match result {
            Ok(standing) => Ok(Some(standing)),
            Err(Trouble::Store(error)) => Err(error),
            Err(Trouble::Blob(error)) => {
                tracing::error!(%device, %sha256, %error, "a chunk is not kept; the device sends it again");
                Ok(None)
            }
        }
    }

    /// Whether a blob that counts as stored is in the blob store. If not, it is wanted again.
    async fn is_there(&self, sha256: &Digest) -> Result<bool, StoreError> {
        match self.blobs.size(sha256).await {
            Ok(Some(_)) => Ok(true),
            Ok(None) => {
                tracing::error!(%sha256, path = %self.blobs.path(sha256).display(), "a stored blob is gone; it is asked for again");
                self.store.blob_lost(*sha256).await?;
                Ok(false)
            }
            Err(error) => {
                tracing::error!(%sha256, %error, "a stored blob can't be looked at");
                Ok(true)
            }
        }
    }

    /// The whole blob in one chunk.
    async fn whole(&self, device: &DeviceId, sha256: &Digest, bytes: Bytes) -> Result<Standing, Trouble> {
        let size = bytes.len() as u64;
        let assembled = self.blobs.put(sha256, bytes).await?;
        self.settle(device, sha256, size, assembled).await
    }

    /// One of several chunks, or a question.
    async fn part(
        &self,
        device: &DeviceId,
        sha256: &Digest,
        offset: u64,
        bytes: Bytes,
        standing: Standing,
    ) -> Result<Standing, Trouble> {
        let Standing::Wanted { size, .. } = standing else { return Ok(standing) };
        let length = bytes.len() as u64;
        let end = offset.saturating_add(length);
        let standing = if length == 0 {
            standing
        } else if length > MAX_CHUNK_BYTES || end > size {
            tracing::warn!(%device, %sha256, offset, length, size, "a chunk that does not fit");
            standing
        } else {
            self.blobs.parts().write(device.as_str(), sha256, offset, bytes).await?;
            self.store.blob_part(device.clone(), *sha256, [offset, end]).await?
        };
        if !standing.is_complete() {
            return Ok(standing);
        }
        let assembled = match size {
            0 => self.blobs.put(sha256, Bytes::new()).await?,
            _ => self.blobs.assemble(device.as_str(), sha256, size).await?,
        };
        self.settle(device, sha256, size, assembled).await
    }

    /// Notes what a complete blob came to, and forgets its parts.
    async fn settle(
        &self,
        device: &DeviceId,
        sha256: &Digest,
        size: u64,
        assembled: Assembled,
    ) -> Result<Standing, Trouble> {
        match assembled {
            Assembled::Good => {
                let senders = self.store.blob_stored(*sha256, size, Blobs::key(sha256)).await?;
                tracing::debug!(%device, %sha256, size, "a blob is stored");
                for sender in senders {
                    self.discard(&sender, sha256).await;
                }
                Ok(Standing::Stored)
            }
            Assembled::Wrong => {
                let standing = self.store.blob_wrong(device.clone(), *sha256).await?;
                tracing::warn!(%device, %sha256, size, ?standing, "a blob has another content than its name says");
                self.discard(device.as_str(), sha256).await;
                Ok(standing)
            }
        }
    }

    /// What can't be removed now is removed at the next start.
    async fn discard(&self, device: &str, sha256: &Digest) {
        if let Err(error) = self.blobs.parts().discard(device, sha256).await {
            tracing::warn!(device, %sha256, %error, "parts are left behind");
        }
    }
}

/// What stopped a chunk.
#[derive(Debug)]
enum Trouble {
    Store(StoreError),
    Blob(BlobError),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<BlobError> for Trouble {
    fn from(error: BlobError) -> Self {
        Self::Blob(error)
    }
}
