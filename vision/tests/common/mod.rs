//! What the tests of models share.

use fieldeye_vision::picture::Picture;
use std::path::{Path, PathBuf};

/// The workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_path_buf()
}

/// A decoded picture.
pub(crate) fn picture(path: &Path) -> Picture {
    let rgb = image::open(path).expect("a picture").into_rgb8();
    let (width, height) = rgb.dimensions();
    Picture::from_rgb(width, height, rgb.into_raw()).expect("whole")
}
