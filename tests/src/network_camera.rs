//! A network camera: a real RTSP server in this process, on loopback, that plays a clip or draws a picture, and can be
//! switched off and on again.

use gstreamer::glib;
use gstreamer_rtsp_server::prelude::*;
use gstreamer_rtsp_server::{RTSPAuth, RTSPFilterResult, RTSPMediaFactory, RTSPServer, RTSPToken};
use std::path::Path;

/// Who may look.
const USER: &str = "inspector";
const PASSWORD: &str = "lift-hill-7";

/// A camera. Dropping it switches it off.
#[derive(Debug)]
pub struct NetworkCamera {
    port: i32,
    launch: String,
    protected: bool,
    on: Option<On>,
}

#[derive(Debug)]
struct On {
    server: RTSPServer,
    attached: Option<glib::SourceId>,
    context: glib::MainContext,
    main: glib::MainLoop,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl NetworkCamera {
    /// Plays an MP4 file with H.264 in it, in real time, from its start for each who connects.
    pub fn playing(clip: &Path) -> Self {
        let location = clip.display();
        Self::with(format!("( filesrc location=\"{location}\" ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 )"))
    }

    /// Draws a ball that moves, without an end.
    pub fn drawing(width: u32, height: u32) -> Self {
        Self::with(format!(
            "( videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width={width},height={height},framerate=30/1 \
             ! jpegenc ! rtpjpegpay name=pay0 pt=26 )"
        ))
    }

    /// Draws so many small pictures, then larger ones.
    pub fn changing(pictures: u32) -> Self {
        let drawn = |size: &str, more: &str| {
            format!(
                "videotestsrc is-live=true pattern=ball {more} ! video/x-raw,format=I420,{size},framerate=30/1 ! jpegenc"
            )
        };
        let small = drawn("width=320,height=240", &format!("num-buffers={pictures}"));
        let large = drawn("width=640,height=480", "");
        Self::with(format!("( {small} ! concat name=both ! rtpjpegpay name=pay0 pt=26 {large} ! both. )"))
    }

    fn with(launch: String) -> Self {
        gstreamer::init().expect("GStreamer starts");
        let mut camera = Self { port: 0, launch, protected: false, on: None };
        camera.switch_on();
        camera
    }

    /// From now on it asks for user and password.
    #[must_use]
    pub fn protected(mut self) -> Self {
        self.protected = true;
        self.switch_off();
        self.switch_on();
        self
    }

    /// The first line of a file of credentials.
    pub fn credentials() -> String {
        format!("{USER}:{PASSWORD}\n")
    }

    /// The secret part of them.
    pub fn password() -> &'static str {
        PASSWORD
    }

    /// Where it is.
    pub fn address(&self) -> String {
        format!("rtsp://127.0.0.1:{}/camera", self.port)
    }

    /// Switches it on, where it was before.
    ///
    /// # Panics
    /// When its port was taken in the meantime.
    pub fn switch_on(&mut self) {
        let server = RTSPServer::new();
        server.set_address("127.0.0.1");
        server.set_service(&self.port.to_string());
        let factory = RTSPMediaFactory::new();
        factory.set_launch(&self.launch);
        if self.protected {
            let auth = RTSPAuth::new();
            let token = RTSPToken::builder().field("media.factory.role", "user").build();
            auth.add_basic(&RTSPAuth::make_basic(USER, PASSWORD), &token);
            server.set_auth(Some(&auth));
            factory.add_role_from_structure(
                &gstreamer::Structure::builder("user")
                    .field("media.factory.access", true)
                    .field("media.factory.construct", true)
                    .build(),
            );
        }
        server.mount_points().expect("a server has mount points").add_factory("/camera", factory);
        let context = glib::MainContext::new();
        let attached = server.attach(Some(&context)).expect("the camera's port is free");
        self.port = server.bound_port();
        let main = glib::MainLoop::new(Some(&context), false);
        let its_main = main.clone();
        let thread = std::thread::spawn(move || {
            let context = its_main.context();
            let _ = context.with_thread_default(|| its_main.run());
        });
        self.on = Some(On { server, attached: Some(attached), context, main, thread: Some(thread) });
    }

    /// Takes the line from everyone who looks, and goes on.
    pub fn hang_up(&self) {
        if let Some(on) = &self.on {
            on.server.client_filter(Some(&mut |_, _| RTSPFilterResult::Remove));
        }
    }

    /// Switches it off.
    pub fn switch_off(&mut self) {
        self.on = None;
    }
}

impl Drop for On {
    fn drop(&mut self) {
        let attached = self.attached.take();
        let source = attached.as_ref().and_then(|id| self.context.find_source_by_id(id));
        if let Some(source) = source {
            source.destroy();
        }
        self.server.client_filter(Some(&mut |_, _| RTSPFilterResult::Remove));
        // Also when the loop has not begun yet.
        let main = self.main.clone();
        self.context.invoke(move || main.quit());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
