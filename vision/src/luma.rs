//! A borrowed look at the brightness of a picture.
//!
//! Motion and pauses need brightness only. Decoders give it as the first plane of NV12, I420 or GRAY8, with rows that
//! may be longer than the picture is wide; nothing here copies it.

use thiserror::Error;

/// Why a buffer can't be seen as a luma plane.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LumaError {
    /// A picture without pixels.
    #[error("a luma plane of {width}x{height} has no pixels")]
    Empty {
        /// Width asked for, px.
        width: u32,
        /// Height asked for, px.
        height: u32,
    },
    /// Rows that overlap.
    #[error("the luma rows are {stride} bytes apart, fewer than the picture's width of {width} px")]
    Stride {
        /// Bytes from one row to the next.
        stride: usize,
        /// Width asked for, px.
        width: u32,
    },
    /// A buffer that ends before the last row does.
    #[error("the luma plane holds {got} bytes, {width}x{height} px with a stride of {stride} need {need}")]
    Short {
        /// Bytes present.
        got: usize,
        /// Bytes needed (the last row may end at the picture's width).
        need: usize,
        /// Width asked for, px.
        width: u32,
        /// Height asked for, px.
        height: u32,
        /// Bytes from one row to the next.
        stride: usize,
    },
}

/// An 8 bit luma plane, borrowed: row `y` is the `width` bytes from `y * stride`.
///
/// The fields are public for reading; [`LumaView::new`] is the way to make one that is known to be whole. Code that
/// reads rows goes through [`LumaView::row`], which gives an empty row rather than reading past the end.
#[derive(Debug, Clone, Copy)]
pub struct LumaView<'a> {
    /// The bytes of the plane.
    pub data: &'a [u8],
    /// Width, px.
    pub width: u32,
    /// Height, px.
    pub height: u32,
    /// Bytes from the start of one row to the start of the next.
    pub stride: usize,
}

impl<'a> LumaView<'a> {
    /// A view of `data`, after checking that every row lies inside it.
    ///
    /// # Errors
    /// [`LumaError`] when the picture has no pixels, the rows overlap, or the buffer is too short.
    pub fn new(data: &'a [u8], width: u32, height: u32, stride: usize) -> Result<Self, LumaError> {
        if width == 0 || height == 0 {
            return Err(LumaError::Empty { width, height });
        }
        if stride < width as usize {
            return Err(LumaError::Stride { stride, width });
        }
        let need = stride.saturating_mul(height as usize - 1).saturating_add(width as usize);
        if data.len() < need {
            return Err(LumaError::Short { got: data.len(), need, width, height, stride });
        }
        Ok(Self { data, width, height, stride })
    }

    /// A view of a plane whose rows follow each other without a gap.
    ///
    /// # Errors
    /// As [`LumaView::new`].
    pub fn packed(data: &'a [u8], width: u32, height: u32) -> Result<Self, LumaError> {
        Self::new(data, width, height, width as usize)
    }

    /// The pixels of row `y`; empty when the buffer doesn't reach that far.
    #[must_use]
    pub fn row(&self, y: usize) -> &'a [u8] {
        let start = y.saturating_mul(self.stride);
        self.data.get(start..start.saturating_add(self.width as usize)).unwrap_or(&[])
    }

    /// Whether every row lies inside the buffer, as [`LumaView::new`] makes sure of.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        Self::new(self.data, self.width, self.height, self.stride).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_follow_the_stride() {
        let data: Vec<u8> = (0..22).collect();
        let view = LumaView::new(&data, 4, 3, 9).unwrap();
        assert_eq!(view.row(0), &[0, 1, 2, 3]);
        assert_eq!(view.row(2), &[18, 19, 20, 21], "the last row may end at the picture's width");
        assert!(view.row(3).is_empty());
    }

    #[test]
    fn wrong_sizes_are_refused() {
        assert!(matches!(LumaView::packed(&[], 0, 4), Err(LumaError::Empty { .. })));
        assert!(matches!(LumaView::new(&[0; 64], 8, 8, 7), Err(LumaError::Stride { stride: 7, width: 8 })));
        assert!(matches!(LumaView::packed(&[0; 63], 8, 8), Err(LumaError::Short { need: 64, got: 63, .. })));
        assert!(LumaView::packed(&[0; 63], u32::MAX, u32::MAX).is_err());
    }
}
