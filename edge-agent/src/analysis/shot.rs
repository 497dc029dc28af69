//! A frame that was copied because it may be looked at or kept.

use super::findings::{Identity, Keyframe};
use crate::capture::Frame;
use fieldeye_protocol::record::RecordKind;
use fieldeye_vision::picture::{BadPicture, Orientation, Picture};
use fieldeye_vision::track::Pose;
use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use std::sync::{Arc, OnceLock};

/// JPEG quality of kept pictures, of 100.
const QUALITY: u8 = 85;

/// A copied frame, and where the camera pointed.
#[derive(Debug)]
pub(super) struct Shot {
    pub(super) picture: Picture,
    /// Presentation time, seconds.
    pub(super) pts_s: f64,
    pub(super) pose: Pose,
    /// The camera was held, as far as was known.
    pub(super) held: bool,
    /// As stored, px.
    pub(super) stored_size: (u32, u32),
    pub(super) orientation: Orientation,
    number: u64,
    jpeg: OnceLock<Arc<[u8]>>,
}

impl Shot {
    pub(super) fn of(frame: &Frame, pts_s: f64, pose: Pose, held: bool) -> Result<Arc<Self>, BadPicture> {
        Ok(Arc::new(Self {
            picture: frame.copy()?,
            pts_s,
            pose,
            held,
            stored_size: frame.stored_size(),
            orientation: frame.orientation(),
            number: frame.number,
            jpeg: OnceLock::new(),
        }))
    }

    /// A black picture.
    #[cfg(test)]
    pub(super) fn blank(pts_s: f64) -> Self {
        Self {
            picture: Picture::from_rgb(16, 16, vec![0; 16 * 16 * 3]).expect("whole"),
            pts_s,
            pose: Pose::start(),
            held: false,
            stored_size: (16, 16),
            orientation: Orientation::default(),
            number: 0,
            jpeg: OnceLock::new(),
        }
    }

    /// As a kept picture: encoded at the first call.
    pub(super) fn keyframe(&self, identity: &Identity) -> Result<Keyframe, String> {
        let (width, height) = self.picture.view().displayed_size();
        let jpeg = match self.jpeg.get() {
            Some(jpeg) => jpeg.clone(),
            None => {
                let jpeg = self.encode(width, height)?;
                self.jpeg.get_or_init(|| jpeg).clone()
            }
        };
        Ok(Keyframe {
            id: identity.id(&RecordKind::Frame, self.pts_s, ""),
            frame_number: self.number,
            timestamp_s: self.pts_s,
            width,
            height,
            jpeg,
        })
    }

    fn encode(&self, width: u32, height: u32) -> Result<Arc<[u8]>, String> {
        let mut jpeg = Vec::new();
        let rgb = self.picture.view().to_rgb();
        JpegEncoder::new_with_quality(&mut jpeg, QUALITY)
            .encode(&rgb, width, height, ExtendedColorType::Rgb8)
            .map_err(|error| format!("a {width}x{height} picture can't be kept as JPEG: {error}"))?;
        Ok(jpeg.into())
    }
}
