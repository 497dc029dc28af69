//! A decoded frame: planes of 8-bit samples, how to read colours from them, and which way up it is shown.

/// Which planes there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Y, U, V; chroma halved in both directions.
    I420,
    /// Y, then U and V interleaved; chroma halved in both directions.
    Nv12,
    /// One plane of luma.
    Gray8,
    /// One plane of R, G, B.
    Rgb24,
}

/// How YCbCr becomes RGB.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Colour {
    /// Weight of red in luma: 0.299 (BT.601), 0.2126 (BT.709), 0.2627 (BT.2020).
    pub kr: f32,
    /// Weight of blue in luma: 0.114, 0.0722, 0.0593.
    pub kb: f32,
    /// Luma 0–255 instead of 16–235.
    pub full_range: bool,
}

impl Colour {
    /// ITU-R BT.601, studio range: standard definition.
    pub const BT601: Self = Self { kr: 0.299, kb: 0.114, full_range: false };
    /// ITU-R BT.709, studio range: high definition.
    pub const BT709: Self = Self { kr: 0.2126, kb: 0.0722, full_range: false };
    /// ITU-R BT.2020 (non-constant luminance), studio range.
    pub const BT2020: Self = Self { kr: 0.2627, kb: 0.0593, full_range: false };

    fn coefficients(self) -> YuvToRgb {
        let (luma_scale, chroma_scale, black) =
            if self.full_range { (1.0, 1.0, 0.0) } else { (255.0 / 219.0, 255.0 / 224.0, 16.0) };
        let kg = 1.0 - self.kr - self.kb;
        YuvToRgb {
            black,
            luma: luma_scale,
            v_to_r: 2.0 * (1.0 - self.kr) * chroma_scale,
            u_to_g: -2.0 * (1.0 - self.kb) * self.kb / kg * chroma_scale,
            v_to_g: -2.0 * (1.0 - self.kr) * self.kr / kg * chroma_scale,
            u_to_b: 2.0 * (1.0 - self.kb) * chroma_scale,
        }
    }
}

/// The matrix of [`Colour`], ready to multiply.
#[derive(Debug, Clone, Copy)]
struct YuvToRgb {
    black: f32,
    luma: f32,
    v_to_r: f32,
    u_to_g: f32,
    v_to_g: f32,
    u_to_b: f32,
}

impl YuvToRgb {
    #[inline]
    fn rgb(&self, y: f32, u: f32, v: f32) -> [f32; 3] {
        let (y, u, v) = ((y - self.black) * self.luma, u - 128.0, v - 128.0);
        [
            (y + self.v_to_r * v).clamp(0.0, 255.0),
            (y + self.u_to_g * u + self.v_to_g * v).clamp(0.0, 255.0),
            (y + self.u_to_b * u).clamp(0.0, 255.0),
        ]
    }
}

/// How the stored picture must be turned to be shown: mirrored first, then rotated clockwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Orientation {
    /// Left and right exchanged before the rotation.
    pub mirrored: bool,
    /// Quarter turns clockwise, 0 to 3.
    pub quarter_turns: u8,
}

impl Orientation {
    /// Size as shown of a picture stored as `width` × `height`.
    pub fn displayed_size(self, width: u32, height: u32) -> (u32, u32) {
        if self.quarter_turns % 2 == 1 { (height, width) } else { (width, height) }
    }

    /// Stored coordinates (pixel centres at .0) of the displayed point `(x, y)`; `width`, `height` as stored.
    #[inline]
    pub fn to_stored(self, x: f32, y: f32, width: u32, height: u32) -> (f32, f32) {
        let (right, bottom) = (width as f32 - 1.0, height as f32 - 1.0);
        let (sx, sy) = match self.quarter_turns % 4 {
            0 => (x, y),
            1 => (y, bottom - x),
            2 => (right - x, bottom - y),
            _ => (right - y, x),
        };
        if self.mirrored { (right - sx, sy) } else { (sx, sy) }
    }

    /// The inverse of [`Orientation::to_stored`].
    fn to_displayed(self, x: f32, y: f32, width: u32, height: u32) -> (f32, f32) {
        let (right, bottom) = (width as f32 - 1.0, height as f32 - 1.0);
        let x = if self.mirrored { right - x } else { x };
        match self.quarter_turns % 4 {
            0 => (x, y),
            1 => (bottom - y, x),
            2 => (right - x, bottom - y),
            _ => (y, right - x),
        }
    }
}

/// One plane of samples.
#[derive(Debug, Clone, Copy)]
pub struct Plane<'a> {
    /// The bytes.
    pub data: &'a [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
}

/// A borrowed picture.
#[derive(Debug, Clone, Copy)]
pub struct PictureView<'a> {
    layout: Layout,
    width: u32,
    height: u32,
    orientation: Orientation,
    matrix: YuvToRgb,
    planes: [Plane<'a>; 3],
}

/// A picture whose planes are too short for its size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("plane {plane} of a {width}x{height} picture has {bytes} bytes, {needed} are needed")]
pub struct BadPicture {
    /// Which plane, from 0.
    pub plane: usize,
    /// Stored width.
    pub width: u32,
    /// Stored height.
    pub height: u32,
    /// What is there.
    pub bytes: usize,
    /// What must be there.
    pub needed: usize,
}

impl<'a> PictureView<'a> {
    /// Checks that the planes hold a picture of `width` × `height` (as stored). Planes beyond the layout's are ignored.
    pub fn new(
        layout: Layout,
        (width, height): (u32, u32),
        planes: &[Plane<'a>],
        colour: Colour,
        orientation: Orientation,
    ) -> Result<Self, BadPicture> {
        let (w, h) = (width as usize, height as usize);
        let half = (w.div_ceil(2), h.div_ceil(2));
        let rows: &[(usize, usize)] = match layout {
            Layout::I420 => &[(w, h), half, half],
            Layout::Nv12 => &[(w, h), (half.0 * 2, half.1)],
            Layout::Gray8 => &[(w, h)],
            Layout::Rgb24 => &[(w * 3, h)],
        };
        let mut kept = [Plane { data: &[], stride: 0 }; 3];
        for (index, &(bytes_in_row, rows)) in rows.iter().enumerate() {
            let plane = planes.get(index).copied().unwrap_or(Plane { data: &[], stride: 0 });
            let needed = if rows == 0 { 0 } else { plane.stride.max(bytes_in_row) * (rows - 1) + bytes_in_row };
            if plane.stride < bytes_in_row || plane.data.len() < needed || w == 0 || h == 0 {
                return Err(BadPicture { plane: index, width, height, bytes: plane.data.len(), needed });
            }
            kept[index] = plane;
        }
        Ok(Self { layout, width, height, orientation, matrix: colour.coefficients(), planes: kept })
    }

    /// Size as shown, in pixels.
    pub fn displayed_size(&self) -> (u32, u32) {
        self.orientation.displayed_size(self.width, self.height)
    }

    /// Size as stored, in pixels.
    pub(crate) fn stored_size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// How it is turned to be shown.
    pub(crate) fn orientation(&self) -> Orientation {
        self.orientation
    }

    /// Which planes there are.
    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// The planes; those that the layout doesn't have are empty.
    pub(crate) fn planes(&self) -> [Plane<'a>; 3] {
        self.planes
    }

    /// A part of the picture, without a copy: at least the displayed pixels from `(x, y)` on, `width` × `height` of them,
    /// as far as there are any. Chroma is shared by pixels, so that a part may begin and end a pixel further out; where
    /// it really begins, as displayed, is told, too.
    pub(crate) fn part(&self, (x, y): (u32, u32), (width, height): (u32, u32)) -> (Self, (u32, u32)) {
        let shown = self.displayed_size();
        let (x, y) = (x.min(shown.0 - 1), y.min(shown.1 - 1));
        let last = |from: u32, length: u32, side: u32| from.saturating_add(length.max(1)).min(side) - 1;
        let corner = |x: u32, y: u32| {
            let (x, y) = self.orientation.to_stored(x as f32, y as f32, self.width, self.height);
            (x as u32, y as u32)
        };
        let (a, b) = (corner(x, y), corner(last(x, width, shown.0), last(y, height, shown.1)));
        let even = |a: u32, b: u32, side: u32| (a.min(b) & !1, ((a.max(b) + 2) & !1).min(side));
        let ((left, right), (top, bottom)) = (even(a.0, b.0, self.width), even(a.1, b.1, self.height));
        let (size, skip) = ((right - left, bottom - top), (left as usize, top as usize));
        let mut planes = self.planes;
        for (index, plane) in planes.iter_mut().enumerate() {
            let (across, down) = match (self.layout, index) {
                (_, 0) if self.layout == Layout::Rgb24 => (skip.0 * 3, skip.1),
                (_, 0) => skip,
                (Layout::Nv12, _) => (skip.0, skip.1 / 2),
                _ => (skip.0 / 2, skip.1 / 2),
            };
            plane.data = plane.data.get(down * plane.stride + across..).unwrap_or(&[]);
        }
        let place = |x: u32, y: u32| self.orientation.to_displayed(x as f32, y as f32, self.width, self.height);
        let (a, b) = (place(left, top), place(right - 1, bottom - 1));
        let origin = (a.0.min(b.0) as u32, a.1.min(b.1) as u32);
        (Self { width: size.0, height: size.1, planes, ..*self }, origin)
    }

    /// Red, green and blue (0 to 255) of one sample of each plane.
    #[inline]
    pub(crate) fn yuv_to_rgb(&self, y: f32, u: f32, v: f32) -> [f32; 3] {
        self.matrix.rgb(y, u, v)
    }

    /// The whole picture as shown: red, green and blue of every pixel, rows from the top.
    pub fn to_rgb(&self) -> Vec<u8> {
        let (w, h) = (self.width as usize, self.height as usize);
        let mut stored = vec![0u8; w * h * 3];
        let (mut us, mut vs, mut half) = (vec![0.0; w], vec![0.0; w], Vec::new());
        let [first, second, third] = self.planes;
        for (y, out) in stored.chunks_exact_mut(w * 3).enumerate() {
            let line = &first.data[y * first.stride..];
            let pixels = out.as_chunks_mut::<3>().0;
            match self.layout {
                Layout::Rgb24 => {
                    out.copy_from_slice(&line[..w * 3]);
                    continue;
                }
                Layout::Gray8 => {
                    for (pixel, &luma) in pixels.iter_mut().zip(line) {
                        *pixel = [luma; 3];
                    }
                    continue;
                }
                Layout::I420 => {
                    chroma_row(second, (1, 0), (w, h), y, &mut half, &mut us);
                    chroma_row(third, (1, 0), (w, h), y, &mut half, &mut vs);
                }
                Layout::Nv12 => {
                    chroma_row(second, (2, 0), (w, h), y, &mut half, &mut us);
                    chroma_row(second, (2, 1), (w, h), y, &mut half, &mut vs);
                }
            }
            for (((pixel, &luma), &u), &v) in pixels.iter_mut().zip(line).zip(&us).zip(&vs) {
                *pixel = self.matrix.rgb(f32::from(luma), u, v).map(|value| (value + 0.5) as u8);
            }
        }
        if self.orientation == Orientation::default() { stored } else { self.turned(&stored) }
    }

    /// Pixels as stored, put as they are shown.
    fn turned(&self, stored: &[u8]) -> Vec<u8> {
        let (width, height) = self.displayed_size();
        let mut shown = Vec::with_capacity(stored.len());
        for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
            let (sx, sy) = self.orientation.to_stored(x as f32, y as f32, self.width, self.height);
            let at = (sy as usize * self.width as usize + sx as usize) * 3;
            shown.extend_from_slice(&stored[at..at + 3]);
        }
        shown
    }
}

/// One point at a time, slowly: what the fast ways are compared with.
#[cfg(test)]
impl PictureView<'_> {
    /// Red, green and blue (0 to 255) at a displayed point, bilinear between pixel centres, edges repeated.
    pub(crate) fn rgb_at(&self, x: f32, y: f32) -> [f32; 3] {
        let (sx, sy) = self.orientation.to_stored(x, y, self.width, self.height);
        match self.layout {
            Layout::Gray8 => [self.sample(0, sx, sy, 1, 0, 0); 3],
            Layout::Rgb24 => [0, 1, 2].map(|channel| self.sample(0, sx, sy, 3, channel, 0)),
            Layout::I420 => {
                let (cx, cy) = ((sx + 0.5) * 0.5 - 0.5, (sy + 0.5) * 0.5 - 0.5);
                let luma = self.sample(0, sx, sy, 1, 0, 0);
                self.matrix.rgb(luma, self.sample(1, cx, cy, 1, 0, 1), self.sample(2, cx, cy, 1, 0, 1))
            }
            Layout::Nv12 => {
                let (cx, cy) = ((sx + 0.5) * 0.5 - 0.5, (sy + 0.5) * 0.5 - 0.5);
                let luma = self.sample(0, sx, sy, 1, 0, 0);
                self.matrix.rgb(luma, self.sample(1, cx, cy, 2, 0, 1), self.sample(1, cx, cy, 2, 1, 1))
            }
        }
    }

    /// Red, green and blue of a displayed pixel.
    pub(crate) fn rgb_pixel(&self, x: u32, y: u32) -> [u8; 3] {
        self.rgb_at(x as f32, y as f32).map(|value| (value + 0.5) as u8)
    }

    /// Bilinear sample of one channel of a plane whose pixels are `step` bytes apart and halved `shift` times.
    fn sample(&self, plane: usize, x: f32, y: f32, step: usize, channel: usize, shift: u32) -> f32 {
        let width = (self.width + shift) >> shift;
        let height = (self.height + shift) >> shift;
        let x = x.clamp(0.0, width as f32 - 1.0);
        let y = y.clamp(0.0, height as f32 - 1.0);
        let (x0, y0) = (x as usize, y as usize);
        let (fx, fy) = (x - x0 as f32, y - y0 as f32);
        let x1 = (x0 + 1).min(width as usize - 1);
        let y1 = (y0 + 1).min(height as usize - 1);
        let Plane { data, stride } = self.planes[plane];
        let at = |x: usize, y: usize| f32::from(data[y * stride + x * step + channel]);
        let upper = at(x0, y0) + (at(x1, y0) - at(x0, y0)) * fx;
        let lower = at(x0, y1) + (at(x1, y1) - at(x0, y1)) * fx;
        upper + (lower - upper) * fy
    }
}

/// Row `y` of a channel of halved chroma, at the full width: linear between the centres of its samples, edges repeated.
fn chroma_row(
    plane: Plane<'_>,
    (step, channel): (usize, usize),
    (width, height): (usize, usize),
    y: usize,
    half: &mut Vec<f32>,
    out: &mut [f32],
) {
    let (columns, rows) = (width.div_ceil(2), height.div_ceil(2));
    // An even row lies a quarter of a sample above the centre of its own, an odd one below.
    let other = if y.is_multiple_of(2) { (y / 2).saturating_sub(1) } else { (y / 2 + 1).min(rows - 1) };
    let (near, far) = (&plane.data[y / 2 * plane.stride + channel..], &plane.data[other * plane.stride + channel..]);
    half.clear();
    let samples = near.iter().step_by(step).zip(far.iter().step_by(step)).take(columns);
    half.extend(samples.map(|(&near, &far)| 0.75 * f32::from(near) + 0.25 * f32::from(far)));
    for (x, value) in out.iter_mut().enumerate() {
        let other = if x.is_multiple_of(2) { (x / 2).saturating_sub(1) } else { (x / 2 + 1).min(columns - 1) };
        *value = 0.75 * half[x / 2] + 0.25 * half[other];
    }
}

/// An owned picture: a frame that outlives its decoder's buffer.
#[derive(Debug, Clone)]
pub struct Picture {
    layout: Layout,
    size: (u32, u32),
    colour: Colour,
    orientation: Orientation,
    planes: Vec<(Vec<u8>, usize)>,
}

impl Picture {
    /// Takes planes (bytes and stride) over.
    pub fn new(
        layout: Layout,
        size: (u32, u32),
        planes: Vec<(Vec<u8>, usize)>,
        colour: Colour,
        orientation: Orientation,
    ) -> Result<Self, BadPicture> {
        let picture = Self { layout, size, colour, orientation, planes };
        picture.checked_view()?;
        Ok(picture)
    }

    /// An upright RGB picture without padding, as image decoders give it.
    pub fn from_rgb(width: u32, height: u32, data: Vec<u8>) -> Result<Self, BadPicture> {
        let planes = vec![(data, width as usize * 3)];
        Self::new(Layout::Rgb24, (width, height), planes, Colour::BT601, Orientation::default())
    }

    /// Borrows it.
    pub fn view(&self) -> PictureView<'_> {
        self.checked_view().expect("the planes were checked when the picture was made")
    }

    fn checked_view(&self) -> Result<PictureView<'_>, BadPicture> {
        let mut planes = [Plane { data: &[], stride: 0 }; 3];
        for (slot, (data, stride)) in planes.iter_mut().zip(&self.planes) {
            *slot = Plane { data, stride: *stride };
        }
        PictureView::new(self.layout, self.size, &planes, self.colour, self.orientation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 3×2, every pixel its own red value: 10·x + 100·y.
    fn numbered(orientation: Orientation) -> Picture {
        let data = (0..2u8).flat_map(|y| (0..3u8).flat_map(move |x| [10 * x + 100 * y, 0, 0])).collect();
        Picture::new(Layout::Rgb24, (3, 2), vec![(data, 9)], Colour::BT601, orientation).expect("valid")
    }

    #[test]
    fn orientation_turns_clockwise() {
        let reds = |mirrored, quarter_turns| {
            let picture = numbered(Orientation { mirrored, quarter_turns });
            let view = picture.view();
            let (width, height) = view.displayed_size();
            let rows = (0..height).map(|y| (0..width).map(|x| view.rgb_pixel(x, y)[0]).collect::<Vec<_>>());
            rows.collect::<Vec<_>>()
        };
        assert_eq!(reds(false, 0), [[0, 10, 20], [100, 110, 120]]);
        assert_eq!(reds(false, 1), [[100, 0], [110, 10], [120, 20]]);
        assert_eq!(reds(false, 2), [[120, 110, 100], [20, 10, 0]]);
        assert_eq!(reds(false, 3), [[20, 120], [10, 110], [0, 100]]);
        assert_eq!(reds(true, 0), [[20, 10, 0], [120, 110, 100]]);
    }

    /// 13 px wide, of this height, in every layout and orientation; no two neighbours alike.
    fn of_every_kind(height: usize, colour: Colour) -> Vec<(Layout, Orientation, Picture)> {
        let noise = |length: usize, seed: usize| (0..length).map(|n| (n * seed % 251) as u8).collect::<Vec<u8>>();
        let (luma, u, v) = (noise(13 * height, 37), noise(7 * 5, 91), noise(7 * 5, 53));
        let uv: Vec<u8> = u.iter().zip(&v).flat_map(|(u, v)| [*u, *v]).collect();
        let kinds = [
            (Layout::I420, vec![(luma.clone(), 13), (u, 7), (v, 7)]),
            (Layout::Nv12, vec![(luma.clone(), 13), (uv, 14)]),
            (Layout::Gray8, vec![(luma, 13)]),
            (Layout::Rgb24, vec![(noise(13 * height * 3, 29), 39)]),
        ];
        let turned = |turn: u8| Orientation { mirrored: turn >= 4, quarter_turns: turn % 4 };
        let picture = |layout, planes: &Vec<(Vec<u8>, usize)>, orientation| {
            Picture::new(layout, (13, height as u32), planes.clone(), colour, orientation).expect("valid")
        };
        let all = kinds.iter().flat_map(|(layout, planes)| (0..8).map(move |turn| (*layout, planes, turned(turn))));
        all.map(|(layout, planes, turn)| (layout, turn, picture(layout, planes, turn))).collect()
    }

    #[test]
    fn the_whole_is_all_its_pixels() {
        for (layout, orientation, picture) in of_every_kind(9, Colour::BT709) {
            let (view, rgb) = (picture.view(), picture.view().to_rgb());
            let (width, height) = view.displayed_size();
            assert_eq!(rgb.len(), 13 * 9 * 3);
            for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
                let at = ((y * width + x) * 3) as usize;
                let one = view.rgb_pixel(x, y);
                let off = one.iter().zip(&rgb[at..]).map(|(a, b)| a.abs_diff(*b)).max();
                assert!(off <= Some(1), "{layout:?} {orientation:?} at {x},{y}: {one:?}");
            }
        }
    }

    #[test]
    fn studio_range_colours() {
        let solid = |y: u8, u: u8, v: u8, colour| {
            let planes = vec![(vec![y; 4], 2), (vec![u], 1), (vec![v], 1)];
            let picture = Picture::new(Layout::I420, (2, 2), planes, colour, Orientation::default()).expect("valid");
            picture.view().rgb_pixel(1, 1)
        };
        assert_eq!(solid(16, 128, 128, Colour::BT709), [0, 0, 0]);
        assert_eq!(solid(235, 128, 128, Colour::BT709), [255, 255, 255]);
        // Pure red in BT.601 studio range is (81, 90, 240), in BT.709 (63, 102, 240).
        assert!(solid(81, 90, 240, Colour::BT601).iter().zip([255, 0, 0]).all(|(a, b)| a.abs_diff(b) <= 1));
        assert!(solid(63, 102, 240, Colour::BT709).iter().zip([255, 0, 0]).all(|(a, b)| a.abs_diff(b) <= 1));
    }

    #[test]
    fn i420_and_nv12_agree() {
        let y: Vec<u8> = (0..30).map(|n| 20 + n * 5).collect();
        let (u, v) = (vec![90, 120, 150, 60, 70, 80, 100, 130, 110], vec![200, 140, 100, 90, 80, 70, 120, 160, 30]);
        let uv: Vec<u8> = u.iter().zip(&v).flat_map(|(u, v)| [*u, *v]).collect();
        let make = |layout, planes| {
            Picture::new(layout, (5, 6), planes, Colour::BT709, Orientation { mirrored: false, quarter_turns: 1 })
                .expect("valid")
        };
        let planar = make(Layout::I420, vec![(y.clone(), 5), (u, 3), (v, 3)]);
        let packed = make(Layout::Nv12, vec![(y, 5), (uv, 6)]);
        for (x, y) in [(0.0, 0.0), (1.5, 2.25), (5.0, 4.0), (3.3, 0.1)] {
            assert_eq!(planar.view().rgb_at(x, y), packed.view().rgb_at(x, y));
        }
    }

    #[test]
    fn parts_show_the_same_pixels() {
        for (layout, orientation, picture) in of_every_kind(10, Colour::BT601) {
            let whole = picture.view();
            let (part, (x0, y0)) = whole.part((3, 2), (6, 5));
            let (width, height) = part.displayed_size();
            assert!(x0 <= 3 && y0 <= 2 && x0 + width >= 9 && y0 + height >= 7, "{layout:?} {orientation:?}");
            assert!(width <= 8 && height <= 8);
            // At the part's own edge colours are not mixed with those outside.
            for (x, y) in (2..width - 2).flat_map(|x| (2..height - 2).map(move |y| (x, y))) {
                assert_eq!(part.rgb_pixel(x, y), whole.rgb_pixel(x0 + x, y0 + y), "{layout:?} {orientation:?}");
            }
            let (all, origin) = whole.part((0, 0), (99, 99));
            assert_eq!((all.displayed_size(), origin), (whole.displayed_size(), (0, 0)));
        }
    }

    #[test]
    fn short_planes_are_refused() {
        let planes = vec![(vec![0; 3], 2), (vec![0], 1), (vec![0], 1)];
        let error =
            Picture::new(Layout::I420, (2, 2), planes, Colour::BT601, Orientation::default()).expect_err("short");
        assert_eq!((error.plane, error.needed), (0, 4));
        assert!(Picture::from_rgb(0, 0, vec![]).is_err());
    }
}
