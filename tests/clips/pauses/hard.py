#!/usr/bin/env python3
"""More labelled pause clips, with what a helmet camera meets beyond gen.py. Truth as in gen.py; nothing of this is committed but the plans.

  hard.py --out DIR [--set tune|blind] [--base 9000] [--only NAME,NAME] [--list]

Two sets of plans: `tune` is for looking at while a method is changed, `blind` only for scoring it.
A nuisance is a class with up to four hooks: `prepare` changes the world or the path before the first frame, `scene` draws what is in
front of the camera, `light` changes the light, `wire` what happens behind the sensor. Each draws from a stream of its own."""
import argparse, math, os
import numpy as np, cv2
import gen
from gen import C, HOLD, R

class Fx:
    def __init__(self, seed, W, H, segs, **kw):
        self.rng = np.random.default_rng([seed, sum(map(ord, type(self).__name__))]); self.W, self.H, self.segs = W, H, segs
        self.setup(**kw)
    def setup(self): pass
    def prepare(self, world, cam, segs): pass
    def scene(self, im, t, g): return im
    def light(self, im, t, g): return im
    def wire(self, im, t, g): return im
    def holds(self, kinds="PLFOE"): return [(a, b) for k, a, b in self.segs if k in kinds]
    def held(self, t, kinds="PLFOE"): return next(((a, b) for a, b in self.holds(kinds) if a <= t < b), None)
    def noise(self, h, w, fine=40):
        return gen.fractal(self.rng, h, w, (3, 8, 20, fine, 3 * fine), .8)

def fx(cls, **kw): return lambda seed, W, H, segs: cls(seed, W, H, segs, **kw)

def over(im, layer, alpha):
    """`layer` on `im` where `alpha` (0 to 255) says so"""
    a = cv2.merge([alpha] * 3)
    return cv2.add(cv2.multiply(im, cv2.bitwise_not(a), scale=1 / 255.), cv2.multiply(layer, a, scale=1 / 255.))

class Osd(Fx):
    """burned-in clock, a name and a logo; `bar` puts them on opaque bars of that part of the height"""
    def setup(self, bar=0.0, size=1.0): self.bar, self.size = bar, size
    def wire(self, im, t, g):
        W, H, s = self.W, self.H, self.size * self.W / 640
        if self.bar:
            n = int(self.bar * H); im[:n] = (18, 18, 18); im[-n:] = (18, 18, 18)
        text = f"2026-03-{1 + int(t / 60):02d} 08:{int(t / 60) % 60:02d}:{int(t) % 60:02d}.{int(t * 10) % 10}"
        for txt, at in ((text, (int(10 * s), int(24 * s))), ("CAM 04 HELMET", (int(10 * s), H - int(12 * s))), ("REC", (W - int(66 * s), int(24 * s)))):
            cv2.putText(im, txt, at, cv2.FONT_HERSHEY_SIMPLEX, .62 * s, (0, 0, 0), int(4 * s) + 1, cv2.LINE_AA); cv2.putText(im, txt, at, cv2.FONT_HERSHEY_SIMPLEX, .62 * s, (250, 250, 250), max(1, int(1.6 * s)), cv2.LINE_AA)
        c = (W - int(40 * s), H - int(34 * s)); cv2.circle(im, c, int(24 * s), (30, 140, 240), -1, cv2.LINE_AA); cv2.circle(im, c, int(12 * s), (250, 250, 250), -1, cv2.LINE_AA)
        return im

class Rim(Fx):
    """a helmet's rim or a hood in the picture: static, textured, `part` of the height, with a soft edge"""
    def setup(self, part=.25, side=0, sway=0.0):
        W, H = self.W, self.H; n = np.clip(70 + 16 * self.noise(H, W, 90), 5, 200).astype(np.uint8); self.layer = cv2.merge([n, n, cv2.convertScaleAbs(n, alpha=.9)])
        y, x = np.mgrid[0:H, 0:W].astype(np.float32); edge = part * H * (.6 + .4 * ((x - W / 2) / (W / 2)) ** 2 + .05 * np.sin(x / W * 9))
        d = (edge - y) if side == 0 else (edge - (H - 1 - y)) if side == 1 else (part * W - x + 20 * np.sin(y / H * 7))
        self.alpha = (np.clip(d / (.012 * W) + .5, 0, 1) * 255).astype(np.uint8); self.sway = sway
        for _ in range(14):
            cv2.circle(self.layer, (int(self.rng.integers(W)), int(self.rng.integers(int(part * H) + 1)) if side == 0 else int(H - self.rng.integers(int(part * H) + 1))), int(self.rng.integers(3, 9)), (200, 200, 205), -1, cv2.LINE_AA)
    def wire(self, im, t, g):
        l, a = self.layer, self.alpha
        if self.sway:
            M = np.float32([[1, 0, self.sway * self.W / 640 * math.sin(2.1 * t)], [0, 1, self.sway * self.W / 640 * math.sin(1.3 * t + 1)]])
            l, a = (cv2.warpAffine(v, M, (self.W, self.H), borderMode=cv2.BORDER_REPLICATE) for v in (l, a))
        return over(im, l, a)

class Dirt(Fx):
    """drops and smears on the glass: dark and milky blobs that stay in the picture"""
    def setup(self, n=14, strength=.6):
        m = np.zeros((self.H, self.W), np.float32)
        for _ in range(n): cv2.ellipse(m, (int(self.rng.integers(self.W)), int(self.rng.integers(self.H))), (int(self.rng.integers(6, 30) * self.W / 640), int(self.rng.integers(5, 22) * self.W / 640)), float(self.rng.integers(180)), 0, 360, float(self.rng.choice([-1, 1]) * self.rng.uniform(.3, 1)), -1)
        m = cv2.GaussianBlur(m, (0, 0), 5 * self.W / 640) * strength; self.dark = (np.clip(1 - np.maximum(-m, 0), .1, 1) * 255).astype(np.uint8); self.milk = (np.clip(m, 0, .9) * 255).astype(np.uint8)
    def light(self, im, t, g):
        return over(cv2.multiply(im, cv2.merge([self.dark] * 3), scale=1 / 255.), np.full_like(im, 150), self.milk)

class Vignette(Fx):
    """a dark border with a hard edge (a tube, a wrong lens hood), round or as bars left and right"""
    def setup(self, r=.5, bars=False):
        y, x = np.mgrid[0:self.H, 0:self.W].astype(np.float32)
        d = (r * self.W - np.hypot(x - self.W / 2, y - self.H / 2)) if not bars else (r * self.W - abs(x - self.W / 2)); self.m = cv2.merge([(np.clip(d / 6 + .5, 0, 1) * 255).astype(np.uint8)] * 3)
    def wire(self, im, t, g): return cv2.multiply(im, self.m, scale=1 / 255.)

class Barrel(Fx):
    """a wide lens"""
    def setup(self, k=.25):
        y, x = np.mgrid[0:self.H, 0:self.W].astype(np.float32); u, v = (x - self.W / 2) / (self.W / 2), (y - self.H / 2) / (self.W / 2); s = (1 + k * (u * u + v * v)) / (1 + k)
        self.mx, self.my = (u * s * self.W / 2 + self.W / 2).astype(np.float32), (v * s * self.W / 2 + self.H / 2).astype(np.float32)
    def scene(self, im, t, g): return cv2.remap(im, self.mx, self.my, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)

class Passer(Fx):
    """somebody walks through every pause, `part` of the width wide"""
    def setup(self, part=.45, speed=.7):
        W, H = self.W, self.H; w = int(part * W); n = 90 + 45 * self.noise(H, w, 30); self.l = np.clip(np.stack([n * .9, n, n * 1.1], 2), 0, 255).astype(np.uint8)
        a = np.zeros((H, w), np.uint8); cv2.ellipse(a, (w // 2, int(H * .75)), (w // 2 - 4, int(H * .62)), 0, 0, 360, 255, -1, cv2.LINE_AA); cv2.circle(a, (w // 2, int(H * .16)), int(.2 * w), 255, -1); self.a = a; self.speed = speed; self.w = w
    def scene(self, im, t, g):
        h = self.held(t, "PLFOEI")
        if not h or h[1] - h[0] < 2.2: return im
        a, b = h; u = ((t - a) % 9.0 if b - a > 30 else t - a) - .5; x = int(-self.w + u * self.speed * self.W + 8 * math.sin(9 * t))
        if x >= self.W or x + self.w <= 0: return im
        x0, x1 = max(0, x), min(self.W, x + self.w); im[:, x0:x1] = over(im[:, x0:x1], self.l[:, x0 - x:x1 - x], self.a[:, x0 - x:x1 - x]); return im

class Belt(Fx):
    """a belt, a train or a crowd over `part` of the height that moves all the time in the pauses, at `speed` widths a second"""
    def setup(self, part=.45, speed=.5, top=False):
        n = 100 + 50 * self.noise(self.H, 3 * self.W, 60); self.l = np.clip(np.stack([n, n, n], 2), 0, 255).astype(np.uint8); self.n = int(part * self.H); self.speed, self.top = speed, top
        for x in range(0, 3 * self.W, self.W // 3): cv2.rectangle(self.l, (x, 10), (x + self.W // 8, self.n - 10), (190, 200, 205), -1)
    def scene(self, im, t, g):
        h = self.held(t, "PLFOEI")
        if not h: return im
        u = min((t - h[0]) / .6, (h[1] - t) / .6, 1.0); n = int(self.n * u)
        if n < 4: return im
        x = int((t * self.speed * self.W) % (2 * self.W)); s = self.l[:n, x:x + self.W]
        if self.top: im[:n] = s[-n:] if s.shape[0] >= n else s
        else: im[-n:] = s
        return im

class Strobe(Fx):
    """lamps on alternating current: bands that roll through the picture, and pulses of the whole"""
    def setup(self, band=.15, hz=100, pulse=0.0, pulse_hz=6.0, row=.028): self.band, self.hz, self.pulse, self.phz, self.row = band, hz, pulse, pulse_hz, row
    def light(self, im, t, g):
        y = np.arange(self.H, dtype=np.float32); m = 1 + self.band * np.sin(2 * math.pi * self.hz * (t + y / self.H * self.row))
        if self.pulse and (t * self.phz) % 1 < .25: m = m * (1 + self.pulse)
        m = np.repeat(np.clip(m * 100, 0, 255).astype(np.uint8)[:, None], self.W, 1); return cv2.multiply(im, cv2.merge([m] * 3), scale=.01)

class Beacon(Fx):
    """a rotating lamp sweeps over the scene"""
    def setup(self, hz=1.1, strength=.8): self.hz, self.s = hz, strength; self.x = np.linspace(-1, 1, self.W, dtype=np.float32)
    def light(self, im, t, g):
        c = 4 * ((t * self.hz) % 1) - 2; m = 1 + self.s * np.exp(-((self.x - c) / .35) ** 2); m = np.clip(m * 80, 0, 255).astype(np.uint8); m = np.repeat(m[None], self.H, 0)
        return cv2.multiply(im, cv2.merge([cv2.convertScaleAbs(m, alpha=.9), m, m]), scale=1 / 80.)

class Sweep(Fx):
    """a second lamp in a hand: a bright spot that wanders over the picture while the camera is held"""
    def setup(self, r=.22, strength=1.0): y, x = np.mgrid[0:self.H // 4, 0:self.W // 4].astype(np.float32); self.y, self.x, self.r, self.s = y, x, r * self.W / 4, strength; self.p = self.rng.random(4) * 6.28
    def light(self, im, t, g):
        cx = self.W / 8 * (1 + .8 * math.sin(2 * math.pi * .4 * t + self.p[0])); cy = self.H / 8 * (1 + .7 * math.sin(2 * math.pi * .31 * t + self.p[1]))
        m = .55 + self.s * np.exp(-((self.x - cx) ** 2 + (self.y - cy) ** 2) / (2 * self.r ** 2)); m = cv2.resize(np.clip(m * 100, 0, 255).astype(np.uint8), (self.W, self.H)); return cv2.multiply(im, cv2.merge([m] * 3), scale=.01)

class Specks(Fx):
    """rain, dust or sparks between camera and scene"""
    def setup(self, n=120, length=14, speed=2.2, colour=(210, 210, 215), size=1, up=False):
        self.p = self.rng.random((n, 3)); self.len, self.v, self.c, self.size, self.up = length, speed, colour, size, up
    def scene(self, im, t, g):
        s = self.W / 640; im = np.ascontiguousarray(im)
        for x, y, k in self.p:
            v = self.v * (.5 + k); u = (y + v * t * (-1 if self.up else 1)) % 1.0; q = (x + .15 * math.sin(3 * t + 20 * k) + .1 * v * t) % 1.0; a = (int(q * self.W), int(u * self.H))
            if self.len: cv2.line(im, a, (a[0] + int(.1 * self.len * s), a[1] + int(self.len * s * (.5 + k))), self.c, max(1, int(self.size * s)), cv2.LINE_AA)
            else: cv2.circle(im, a, max(1, int(self.size * s * (.5 + k))), self.c, -1, cv2.LINE_AA)
        return im

class Freeze(Fx):
    """a radio link: macroblocks of the picture before stay, more of them the more there is to send"""
    def setup(self, p=.5): self.p, self.last = p, None
    def wire(self, im, t, g):
        if self.last is not None:
            n = 16 * max(1, self.W // 640); hold = np.repeat(np.repeat(self.rng.random((self.H // n + 1, self.W // n + 1)) < self.p * (.35 + .65 * min(1, math.hypot(g["vx"], g["vy"]) / 300)), n, 0), n, 1)[:self.H, :self.W]
            im = im.copy(); im[hold] = self.last[hold]
        self.last = im; return im

class Hunt(Fx):
    """the focus hunts while the camera is held, and the picture breathes with it"""
    def setup(self, depth=3.5, hz=.8): self.d, self.hz = depth, hz
    def scene(self, im, t, g):
        h = self.held(t)
        if not h: return im
        s = self.d * (.5 - .5 * math.cos(2 * math.pi * self.hz * (t - h[0]))) * min(1, (t - h[0]) / .4, (h[1] - t) / .4); z = 1 + .0016 * s
        M = cv2.getRotationMatrix2D((self.W / 2, self.H / 2), 0, z); im = cv2.warpAffine(im, M, (self.W, self.H), borderMode=cv2.BORDER_REFLECT)
        return cv2.GaussianBlur(im, (0, 0), s * self.W / 1280) if s > .3 else im

class Sway(Fx):
    """stands on a platform that rocks, or breathes hard: px at 1280"""
    def setup(self, amp=3.0, hz=1.2): self.amp, self.hz = amp, hz
    def prepare(self, world, cam, segs):
        T = cam["T"]; cam["cy"] = cam["cy"] + cam["hand"] * self.amp * np.sin(2 * math.pi * self.hz * T) / cam["z"]; cam["cx"] = cam["cx"] + .6 * cam["hand"] * self.amp * np.sin(2 * math.pi * self.hz * .77 * T + 1) / cam["z"]

class Grating(Fx):
    """grids, treads and perforated sheet everywhere the camera is held"""
    def setup(self, period=46, depth=60, everywhere=False): self.period, self.depth, self.all = period, depth, everywhere
    def prepare(self, world, cam, segs):
        T = cam["T"]; y, x = np.mgrid[0:gen.WH, 0:1900].astype(np.float32)
        tile = np.clip(120 + self.depth * np.sign(np.sin(2 * math.pi * x / self.period)) * np.sign(np.sin(2 * math.pi * y / self.period)), 0, 255).astype(np.uint8); tile = cv2.GaussianBlur(tile, (0, 0), 2.0)
        for k, a, b in segs:
            if k in HOLD:
                cx, cy = int(np.interp((a + b) / 2, T, cam["cx"])), int(np.interp((a + b) / 2, T, cam["cy"])); x0, x1, y0, y1 = max(0, cx - 950), min(gen.WW, cx + 950), max(0, cy - 650), min(gen.WH, cy + 650)
                for c in range(3): world[y0:y1, x0:x1, c] = cv2.addWeighted(tile[y0:y1, :x1 - x0], .85, world[y0:y1, x0:x1, c], .15, 0)

class Mirror(Fx):
    """a window between: the room behind is seen in it, moving the other way"""
    def setup(self, share=.35): n = 110 + 60 * self.noise(2 * self.H, 4 * self.W, 60); self.l = np.clip(np.stack([n] * 3, 2), 0, 255).astype(np.uint8); self.share = share; self.x = self.W * 1.5; self.y = self.H * .5; self.t = None
    def scene(self, im, t, g):
        if self.t is not None: self.x += g["vx"] * (t - self.t) * .4 * self.W / 1280; self.y += .3 * g["vy"] * (t - self.t) * .4 * self.W / 1280
        self.t = t; M = np.float32([[1, 0, -(self.x % (3 * self.W - 2))], [0, 1, -(abs(self.y) % (self.H - 2))]]); l = cv2.warpAffine(self.l, M, (self.W, self.H), borderMode=cv2.BORDER_REFLECT)
        return cv2.addWeighted(im, 1 - self.share, l, self.share, 0)

class Step(Fx):
    """the exposure steps just when the camera comes to rest, and again when it leaves"""
    def setup(self, gain=.5, seconds=.5): self.g, self.s = gain, seconds
    def light(self, im, t, g):
        k = 1.0
        for a, b in self.holds(): k *= 1 + (self.g - 1) * float(gen.smooth((t - a + .1) / self.s)) * (1 - float(gen.smooth((t - b + .2) / self.s)))
        return cv2.convertScaleAbs(im, alpha=k)

class Pulse(Fx):
    """every keyframe of a starved encoder is a jump in quality: blur that grows and snaps back"""
    def setup(self, s=2.2, period=1.0): self.s, self.period = s, period
    def wire(self, im, t, g):
        s = self.s * (1 - (t / self.period) % 1); return cv2.GaussianBlur(im, (0, 0), s * self.W / 640) if s > .2 else im

class Dups(Fx):
    """every nth frame shown again, or a burst of lost ones (the same picture shown on)"""
    def setup(self, p=.35, burst=0.0): self.p, self.burst, self.last, self.left = p, burst, None, 0
    def wire(self, im, t, g):
        if self.left == 0 and self.rng.random() < self.burst: self.left = int(self.rng.integers(4, 11))
        if self.last is not None and (self.left > 0 or self.rng.random() < self.p): self.left = max(0, self.left - 1); return self.last
        self.last = im; return im

class Comb(Fx):
    """interlaced video taken for progressive: fields a line apart"""
    def setup(self): self.last = None
    def wire(self, im, t, g):
        out = im.copy()
        if self.last is not None: out[1::2] = self.last[1::2]
        self.last = im; return out

X265 = lambda kb: ["-c:v", "libx265", "-preset", "ultrafast", "-b:v", f"{kb}k", "-maxrate", f"{kb}k", "-bufsize", f"{kb}k", "-x265-params", "log-level=error:pools=1:frame-threads=1"]
CBR = lambda kb, g: ["-c:v", "libx264", "-preset", "superfast", "-b:v", f"{kb}k", "-minrate", f"{kb}k", "-maxrate", f"{kb}k", "-bufsize", f"{kb // 2}k", "-g", str(g), "-bf", "0"]
MJPEG = lambda q: ["-c:v", "mjpeg", "-q:v", str(q)]
def P(name, fps, seq, tags, *effects, res="s", **kw):
    n, s = C(name, res, fps, seq, tags, fx=list(effects), **kw); return n, s
def upright(spec): n, s = spec; s["w"], s["h"] = 360, 640; return n, s
TUNE = [
 P("t01_osd", 30, "WPNPWSPW", "osd slow_pan", fx(Osd)),
 P("t02_osdbar", 25, "WPSPNPBPW", "osd blank_wall slow_pan", fx(Osd, bar=.12)),
 P("t03_rim", 30, "WPSPHWPNPW", "rim slow_pan hesitation", fx(Rim, part=.3)),
 P("t04_dirt", 30, "WPNPSPBPW", "dirt slow_pan", fx(Dirt)),
 P("t05_vignette", 24, "WPNPSPAPW", "vignette slow_pan", fx(Vignette, r=.34)),
 P("t06_passer", 30, "WPNPWPNPW", "passer", fx(Passer), dur={"P": (2.6, 5)}),
 P("t07_belt", 30, "WPNPWPSPW", "belt slow_pan", fx(Belt, part=.5)),
 P("t08_strobe", 30, "WPNPSPAPW", "strobe", fx(Strobe, band=.25, hz=100.7)),
 P("t09_pulse_lamp", 25, "WPNPSPHWPW", "strobe low_light", fx(Strobe, band=.05, pulse=1.2, pulse_hz=5.0), noise=8),
 P("t10_beacon", 30, "WPNPSPWPW", "beacon", fx(Beacon)),
 P("t11_rain", 30, "WPNPSPWPW", "rain", fx(Specks)),
 P("t12_sparks", 30, "WPNPWPSPW", "sparks low_light", fx(Specks, n=70, length=26, speed=1.6, colour=(120, 220, 255), size=2, up=True)),
 P("t13_x265_80k", 30, "WPNPSPWPHW", "low_bitrate", codec=X265(80)),
 P("t14_mjpeg", 15, "WPNPSPWPHWPW", "mjpeg", codec=MJPEG(24)),
 P("t15_cbr_60k", 15, "WPNPSPWPW", "low_bitrate", fx(Pulse), codec=CBR(70, 15)),
 P("t16_freeze", 30, "WPNPSPHWPW", "frozen_blocks", fx(Freeze, p=.6)),
 P("t17_hunt", 30, "WPAPNPSPW", "af_blur", fx(Hunt), defocus=1),
 P("t18_sway", 30, "WPNPSPWPW", "sway", fx(Sway, amp=3, hz=1.1)),
 P("t19_grating", 30, "WPNPSPWPW", "grating", fx(Grating)),
 P("t20_mirror", 30, "WPNPSPWPW", "mirror", fx(Mirror)),
 P("t21_step", 30, "WPNPSPWPNPW", "ae_change", fx(Step, gain=.45)),
 P("t22_dups", 50, "WPNPHWPSPW", "drop_dup", fx(Dups, p=.45, burst=.02)),
 upright(P("t23_upright_short", 30, "PWPWPNPWPNP", "portrait short_walk", fx(Barrel), dur={"W": (.6, 1.0), "N": (.6, .9), "P": (1.1, 2.6)})),
 P("t24_tremor_vib", 60, "WPNPSPW", "strong_tremor rolling_shutter", tremor=(4, 5.5)),
 P("t25_plain_faint", 30, "WFNFSFWFBFW", "plain_surface blank_wall", plain_tex=1.6, wall_tex=1.5),
 P("t26_idle_people", 24, "WPNIWPSPW", "idle", fx(Passer, part=.5)),
 P("t27_night_lamp", 25, "WPNPAPSPWPW", "night moving_light af_blur", nv_green=True, noise=8),
 P("t28_mix_light", 30, "WPNEWOAENPW", "flashlight flicker ae_hunt moving_light moving_object parallax"),
 P("t29_vfr_dups", 30, "WPNPSPHWPW", "vfr drop_dup low_light noise", noise=11),
 P("t30_slow_drift", 30, "WPSPSPSPW", "slow_pan drift", drift=(5, 9), slow=(45, 60)),
 P("t31_comb", 25, "WPNPSPWPW", "interlaced", fx(Comb)),
 P("t32_quick", 30, "WPQPQPHNPQPW", "quick_retarget hesitation", dur={"P": (1.1, 2.2)}),
 P("t33_long_fan", 24, "WLNOWOW", "long moving_object flicker", obj="fan", dur={"L": (16, 18)}),
 P("t34_rim_osd_low", 25, "WPNPSPHWPBPW", "rim osd low_light noise", fx(Rim, part=.22, side=1, sway=1.5), fx(Osd), noise=12, kbps=250),
 P("t35_hd", 30, "WPNPSPW", "osd dirt", fx(Osd), fx(Dirt), res="l", mb=2.6, dur={"P": (1.4, 3)}),
 P("t36_sweep", 30, "WPNPSPWPW", "moving_light low_light", fx(Sweep), noise=6),
]
BLIND = [
 P("b01_osd_belt", 25, "WPNPSPWPW", "osd belt", fx(Belt, part=.4, speed=.8, top=True), fx(Osd, size=1.2)),
 P("b02_rim_side", 30, "WPSPNPBPHWPW", "rim blank_wall", fx(Rim, part=.25, side=2)),
 P("b03_dirt_rain", 24, "WPNPSPAPW", "dirt rain", fx(Specks, n=160, length=9, speed=1.7), fx(Dirt, n=20)),
 P("b04_tube", 30, "WPNPSPHWPW", "vignette", fx(Vignette, r=.28)),
 P("b05_pillars", 30, "WPSPNPWPW", "vignette portrait_in_wide", fx(Vignette, r=.2, bars=True)),
 P("b06_passer_low", 25, "WPNPWPSPW", "passer low_light", fx(Passer, part=.55, speed=.9), dur={"P": (2.6, 5)}, noise=8),
 P("b07_train_slow", 30, "WPNPSPWPW", "belt", fx(Belt, part=.55, speed=.22)),
 P("b08_strobe", 50, "WPNPSPAPW", "strobe", fx(Strobe, band=.35, hz=99.3, pulse=.5, pulse_hz=8)),
 P("b09_beacon_fog", 25, "WPNPSPWPHW", "beacon low_light dust", fx(Beacon, hz=1.7, strength=1.4), fx(Specks, n=90, length=0, speed=.3, size=3), noise=7),
 P("b10_x265_50k", 24, "WPNPSPWPW", "low_bitrate", codec=X265(55)),
 P("b11_mjpeg_vfr", 30, "WPNPSPHWPW", "mjpeg vfr", codec=MJPEG(20)),
 P("b12_cbr_pulse", 20, "WPNPSPWPW", "low_bitrate drop_dup", fx(Pulse, s=3, period=.8), codec=CBR(90, 16)),
 P("b13_freeze_low", 25, "WPNPSPWPW", "frozen_blocks low_light", fx(Freeze, p=.75), noise=7),
 P("b14_hunt_blur", 30, "WPNPAPSPW", "af_blur ae_hunt", fx(Hunt, depth=5, hz=1.2)),
 P("b15_sway", 30, "WPNPSPWPW", "sway strong_tremor", fx(Sway, amp=4, hz=.9), tremor=(2, 3)),
 P("b16_grating", 25, "WPNPSPWPW", "grating flashlight", fx(Grating, period=64, depth=40)),
 P("b17_mirror_osd", 30, "WPNPSPWPW", "mirror osd", fx(Mirror, share=.3), fx(Osd)),
 P("b18_step_noise", 30, "WPNPWPSPNPW", "ae_change noise low_light", fx(Step, gain=1.8, seconds=.25), noise=8),
 P("b19_dups_15", 15, "WPNPHWPSPWPW", "drop_dup", fx(Dups, p=.3, burst=.02)),
 upright(P("b20_upright", 24, "WPNPSPWPHWPW", "portrait barrel osd", fx(Barrel, k=.35), fx(Osd))),
 P("b21_short", 30, "PWPNPWPQPNPAP", "short_walk", dur={"W": (.7, 1.0), "N": (.6, .9), "P": (1.15, 2.2), "A": (.8, 1.2)}),
 P("b22_faint", 25, "WFNFWFSFBFW", "plain_surface blank_wall noise", plain_tex=2.0, wall_tex=2.0, noise=4),
 P("b23_idle_belt", 15, "WPIWPNPW", "idle belt", fx(Belt, part=.45)),
 P("b24_idle_dark", 15, "WPNIWPSPW", "idle low_light strobe", fx(Strobe, band=.15, pulse=.6), noise=9),
 P("b25_night", 30, "WPNPAPSPHWPW", "night flicker", noise=9),
 P("b26_everything", 30, "WPNOSENHWFAPW", "flashlight flicker ae_hunt moving_object parallax rolling_shutter hesitation", noise=5),
 P("b27_drift", 30, "WPSPSPNPSPW", "slow_pan drift", drift=(5, 9), slow=(46, 65)),
 P("b28_sixty", 60, "WPNPSPHWPW", "strong_tremor", tremor=(3.5, 5)),
 P("b29_comb_barrel", 25, "WPNPSPWPHW", "interlaced barrel", fx(Barrel), fx(Comb)),
 P("b30_fans", 24, "WONOSOWOW", "moving_object fan", obj="fan", kbps=200),
 P("b31_shutter", 30, "WPNPSPWPW", "motion_blur low_light", shutter=.03, noise=8),
 P("b32_hd_rim", 25, "WPNPSPW", "rim rain", fx(Rim, part=.2), fx(Specks), res="m", dur={"P": (1.4, 3)}),
 P("b33_sparks_low", 30, "WPNPSPWPW", "sparks low_light", fx(Specks, n=110, length=30, speed=2.0, colour=(140, 230, 255), size=2), noise=9),
 P("b34_sweep_wall", 30, "WFNFSPBFW", "moving_light plain_surface", fx(Sweep), plain_tex=3),
]

if __name__ == "__main__":
    ap = argparse.ArgumentParser(); ap.add_argument("--set", default="tune"); ap.add_argument("--base", type=int, default=9000); ap.add_argument("--out"); ap.add_argument("--only"); ap.add_argument("--list", action="store_true"); a = ap.parse_args()
    for j, (name, s) in enumerate(TUNE if a.set == "tune" else BLIND):
        if a.list: print(name, s["seq"], s["tags"]); continue
        if a.only and name not in a.only.split(","): continue
        os.makedirs(a.out, exist_ok=True)
        if os.path.exists(os.path.join(a.out, name + ".json")): continue
        gen.render(name, dict(s, seed=a.base + 37 * j, set=a.set), a.out)
