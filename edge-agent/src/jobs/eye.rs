//! What looks at recordings: the model and the analysis behind one small door.

use crate::analysis::findings::{Finding, Identity, Outcome};
use crate::analysis::{self, Look, LookError, What};
use crate::config::Config;
use crate::model::{self, LoadedModel};
use crate::store::StoreError;
use fieldeye_base::exit::Failure;
use fieldeye_base::memory;
use fieldeye_base::stop::Stop;
use fieldeye_protocol::body::ModelRef;
use std::path::PathBuf;

/// Where findings go; each call returns when the finding is durable.
pub(crate) type Sink<'a> = &'a mut dyn FnMut(Finding) -> Result<(), StoreError>;

/// Looks at files, one at a time. Its methods block.
pub(crate) trait Eye: Send {
    /// The model that will look, made ready if it is not.
    fn model(&mut self) -> Result<ModelRef, Failure>;
    /// How often the detector looks, per second of video.
    fn rate_hz(&self) -> f64;
    /// Whether it decodes only what a search for pauses needs.
    fn skims(&self) -> bool {
        false
    }
    /// Goes through the files of a recording; call after [`Eye::model`] said yes.
    fn look(
        &mut self,
        files: &[PathBuf],
        identity: Identity,
        stop: &Stop,
        sink: Sink<'_>,
    ) -> Result<Outcome, LookError<StoreError>>;
    /// There is nothing to do for a while: gives back what only looking needs.
    fn rest(&mut self);
}

/// The eye of this program.
#[derive(Debug)]
pub(crate) struct Analysis {
    config: Config,
    loaded: Option<LoadedModel>,
}

impl Analysis {
    /// Looks as configured.
    pub(crate) fn new(config: &Config) -> Self {
        Self { config: config.clone(), loaded: None }
    }

    fn load(&mut self) -> Result<&LoadedModel, Failure> {
        if self.loaded.is_none() {
            self.loaded = Some(model::configured(&self.config)?);
        }
        Ok(self.loaded.as_ref().expect("loaded just now"))
    }
}

impl Eye for Analysis {
    fn model(&mut self) -> Result<ModelRef, Failure> {
        self.load().map(|loaded| loaded.reference.clone())
    }

    fn rate_hz(&self) -> f64 {
        self.config.detect.rate_hz
    }

    fn skims(&self) -> bool {
        self.config.detect.skim
    }

    fn look(
        &mut self,
        files: &[PathBuf],
        identity: Identity,
        stop: &Stop,
        sink: Sink<'_>,
    ) -> Result<Outcome, LookError<StoreError>> {
        let (rate_hz, skim) = (self.rate_hz(), self.skims());
        let model = self.load().map_err(|failure| LookError::Model { why: failure.to_string() })?.clone();
        let what = What::Files { paths: files.to_vec(), skim };
        analysis::look(&Look { what, identity, model, rate_hz }, stop, sink)
    }

    fn rest(&mut self) {
        self.loaded = None;
        memory::give_back();
    }
}
