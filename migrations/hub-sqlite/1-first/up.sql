-- What the hub keeps. Names follow the first schema; everything that was added follows it too.
--
-- Times are RFC 3339 texts in UTC with milliseconds, so that their order is the order of time. JSON is text that
-- `json_valid` accepts. Booleans are 0 and 1.
--
-- Rows of sessions, pauses, frames, defects, clips, gaps and events are made of a device's records:
--   rev 0 is a placeholder for a parent whose own record is still on its way; void = 1 was withdrawn by a later look;
--   at_* is what the device said about its clocks, observed_at the hub's best knowledge of that moment and
--   time_quality how it came to it; body is the record's content as it came, with fields that have no column here.

-- Facts about this store: its id and how often it was restored from a backup.
CREATE TABLE field_eye_meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE field_eye_kits (
    id                TEXT PRIMARY KEY,
    kit_serial        TEXT NOT NULL UNIQUE,
    hardware_version  TEXT DEFAULT 'v1.0',
    mount_variant     TEXT,
    camera_model      TEXT,
    purchase_date     TEXT,
    -- Telegram id or e-mail
    owner_id          TEXT,
    owner_name        TEXT,
    status            TEXT NOT NULL DEFAULT 'shipped' CHECK (status IN ('assembled', 'shipped', 'active', 'inactive')),
    first_upload_date TEXT,
    total_uploads     INTEGER NOT NULL DEFAULT 0 CHECK (total_uploads >= 0),
    metadata          TEXT CHECK (metadata IS NULL OR json_valid(metadata)),
    created_at        TEXT NOT NULL
) STRICT;
CREATE INDEX field_eye_kits_status ON field_eye_kits (status);
CREATE INDEX field_eye_kits_owner ON field_eye_kits (owner_id);

CREATE TABLE field_eye_models (
    id                    TEXT PRIMARY KEY,
    model_name            TEXT NOT NULL,
    model_type            TEXT,
    architecture          TEXT,
    training_frames       INTEGER,
    accuracy              REAL,
    precision_score       REAL,
    recall                REAL,
    f1_score              REAL,
    model_path            TEXT,
    onnx_size_mb          REAL,
    inference_time_ms     REAL,
    training_duration_min INTEGER,
    hyperparams           TEXT CHECK (hyperparams IS NULL OR json_valid(hyperparams)),
    created_at            TEXT NOT NULL
) STRICT;

-- Who speaks to the hub, and how it stands with them.
CREATE TABLE field_eye_devices (
    id              TEXT PRIMARY KEY,
    kit_id          TEXT REFERENCES field_eye_kits (id) ON DELETE SET NULL,
    presence        TEXT NOT NULL DEFAULT 'unknown' CHECK (presence IN ('online', 'offline', 'unknown')),
    -- start and connection counter of the newest state
    boot            INTEGER NOT NULL DEFAULT 0,
    connection      INTEGER NOT NULL DEFAULT 0,
    agent_version   TEXT,
    model_name      TEXT,
    model_version   TEXT,
    model_sha256    TEXT,
    -- the device's wall clock at its newest state, and how far the hub's was ahead of it
    clock_wall      TEXT,
    clock_synced    INTEGER CHECK (clock_synced IN (0, 1)),
    clock_offset_ms INTEGER,
    queue_records   INTEGER NOT NULL DEFAULT 0,
    queue_blobs     INTEGER NOT NULL DEFAULT 0,
    queue_bytes     INTEGER NOT NULL DEFAULT 0,
    -- what was never accepted, the repeated and the unkept included
    rejected_total  INTEGER NOT NULL DEFAULT 0,
    state_at        TEXT,
    last_seen_at    TEXT NOT NULL,
    created_at      TEXT NOT NULL
) STRICT;

-- For each start of a device, one moment at which its clock was known: with it, the moments of that start that were
-- noted without a clock are corrected.
CREATE TABLE field_eye_boots (
    device_id TEXT NOT NULL REFERENCES field_eye_devices (id) ON DELETE CASCADE,
    boot      INTEGER NOT NULL,
    -- device: it knew the time itself; hub: the hub's clock when the device's state came, good to a second or two
    source    TEXT NOT NULL CHECK (source IN ('device', 'hub')),
    mono_ms   INTEGER NOT NULL,
    wall      TEXT NOT NULL,
    PRIMARY KEY (device_id, boot)
) STRICT, WITHOUT ROWID;

CREATE TABLE field_eye_sessions (
    id             TEXT PRIMARY KEY,
    device_id      TEXT NOT NULL REFERENCES field_eye_devices (id),
    rev            INTEGER NOT NULL CHECK (rev >= 0),
    void           INTEGER NOT NULL DEFAULT 0 CHECK (void IN (0, 1)),
    status         TEXT NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'closed', 'interrupted')),
    technician_id  TEXT NOT NULL DEFAULT 'unknown',
    vehicle_id     TEXT,
    equipment_type TEXT,
    date           TEXT,
    duration_sec   INTEGER CHECK (duration_sec >= 0),
    total_frames   INTEGER CHECK (total_frames >= 0),
    -- both follow field_eye_pauses, which is the truth
    pause_count    INTEGER NOT NULL DEFAULT 0,
    pauses         TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(pauses)),
    camera_model   TEXT,
    mount_type     TEXT,
    video_path     TEXT,
    source_sha256  TEXT,
    width          INTEGER,
    height         INTEGER,
    fps            REAL,
    metadata       TEXT CHECK (metadata IS NULL OR json_valid(metadata)),
    at_wall        TEXT,
    at_boot        INTEGER,
    at_mono_ms     INTEGER,
    at_synced      INTEGER CHECK (at_synced IN (0, 1)),
    observed_at    TEXT,
    time_quality   TEXT CHECK (time_quality IN ('synced', 'corrected', 'bounded', 'device')),
    body           TEXT CHECK (body IS NULL OR json_valid(body)),
    received_at    TEXT NOT NULL,
    created_at     TEXT NOT NULL
) STRICT;
CREATE INDEX field_eye_sessions_technician ON field_eye_sessions (technician_id);
CREATE INDEX field_eye_sessions_date ON field_eye_sessions (date DESC) WHERE void = 0 AND rev > 0;
CREATE INDEX field_eye_sessions_equipment ON field_eye_sessions (equipment_type);
CREATE INDEX field_eye_sessions_device ON field_eye_sessions (device_id);
CREATE INDEX field_eye_sessions_unsynced ON field_eye_sessions (device_id, at_boot) WHERE at_synced = 0;

-- No two frames of a session should have the same number, but a later look may give the same picture another id
-- before it withdraws the first: rejecting one of them would lose what hangs on it. So the index is not a rule.
CREATE TABLE field_eye_frames (
    id                TEXT PRIMARY KEY,
    session_id        TEXT REFERENCES field_eye_sessions (id) ON DELETE CASCADE,
    device_id         TEXT NOT NULL REFERENCES field_eye_devices (id),
    rev               INTEGER NOT NULL CHECK (rev >= 0),
    void              INTEGER NOT NULL DEFAULT 0 CHECK (void IN (0, 1)),
    frame_number      INTEGER CHECK (frame_number >= 0),
    timestamp_sec     REAL,
    width             INTEGER,
    height            INTEGER,
    -- where the picture is in the blob store, once it is there
    frame_path        TEXT,
    blob_sha256       TEXT,
    embedding         BLOB,
    -- null: unlabelled
    is_defect         INTEGER CHECK (is_defect IN (0, 1)),
    defect_type       TEXT,
    confidence        REAL,
    labels            TEXT CHECK (labels IS NULL OR json_valid(labels)),
    thermal_data      TEXT CHECK (thermal_data IS NULL OR json_valid(thermal_data)),
    at_wall           TEXT,
    at_boot           INTEGER,
    at_mono_ms        INTEGER,
    at_synced         INTEGER CHECK (at_synced IN (0, 1)),
    observed_at       TEXT,
    time_quality      TEXT CHECK (time_quality IN ('synced', 'corrected', 'bounded', 'device')),
    body              TEXT CHECK (body IS NULL OR json_valid(body)),
    received_at       TEXT NOT NULL,
    created_at        TEXT NOT NULL,
    CHECK (rev = 0 OR void = 1 OR (session_id IS NOT NULL AND frame_number IS NOT NULL AND timestamp_sec IS NOT NULL))
) STRICT;
CREATE INDEX field_eye_frames_number ON field_eye_frames (session_id, frame_number);
CREATE INDEX field_eye_frames_time ON field_eye_frames (timestamp_sec);
CREATE INDEX field_eye_frames_labelled ON field_eye_frames (is_defect) WHERE is_defect IS NOT NULL;
CREATE INDEX field_eye_frames_blob ON field_eye_frames (blob_sha256) WHERE blob_sha256 IS NOT NULL;
CREATE INDEX field_eye_frames_unsynced ON field_eye_frames (device_id, at_boot) WHERE at_synced = 0;

CREATE TABLE field_eye_pauses (
    id           TEXT PRIMARY KEY,
    session_id   TEXT REFERENCES field_eye_sessions (id) ON DELETE CASCADE,
    frame_id     TEXT REFERENCES field_eye_frames (id) ON DELETE SET NULL,
    device_id    TEXT NOT NULL REFERENCES field_eye_devices (id),
    rev          INTEGER NOT NULL CHECK (rev >= 1),
    void         INTEGER NOT NULL DEFAULT 0 CHECK (void IN (0, 1)),
    start_s      REAL,
    end_s        REAL,
    confidence   REAL CHECK (confidence BETWEEN 0 AND 1),
    keyframe_s   REAL,
    at_wall      TEXT,
    at_boot      INTEGER,
    at_mono_ms   INTEGER,
    at_synced    INTEGER CHECK (at_synced IN (0, 1)),
    observed_at  TEXT,
    time_quality TEXT CHECK (time_quality IN ('synced', 'corrected', 'bounded', 'device')),
    body         TEXT CHECK (body IS NULL OR json_valid(body)),
    received_at  TEXT NOT NULL,
    created_at   TEXT NOT NULL,
    CHECK (end_s >= start_s),
    CHECK (void = 1 OR (session_id IS NOT NULL AND start_s IS NOT NULL AND end_s IS NOT NULL AND confidence IS NOT NULL
        AND keyframe_s IS NOT NULL))
) STRICT;
CREATE INDEX field_eye_pauses_session ON field_eye_pauses (session_id, start_s);
CREATE INDEX field_eye_pauses_unsynced ON field_eye_pauses (device_id, at_boot) WHERE at_synced = 0;

CREATE TABLE field_eye_defects (
    id             TEXT PRIMARY KEY,
    session_id     TEXT REFERENCES field_eye_sessions (id) ON DELETE CASCADE,
    frame_id       TEXT REFERENCES field_eye_frames (id) ON DELETE CASCADE,
    -- may be named before it is known
    pause_id       TEXT,
    device_id      TEXT NOT NULL REFERENCES field_eye_devices (id),
    rev            INTEGER NOT NULL CHECK (rev >= 1),
    void           INTEGER NOT NULL DEFAULT 0 CHECK (void IN (0, 1)),
    defect_type    TEXT,
    severity       TEXT DEFAULT 'warning' CHECK (severity IN ('critical', 'warning', 'info')),
    confidence     REAL CHECK (confidence BETWEEN 0 AND 1),
    -- pixels of the displayed picture: x, y (upper left), width, height
    bounding_box   TEXT CHECK (bounding_box IS NULL OR json_valid(bounding_box)),
    first_s        REAL,
    last_s         REAL,
    model_name     TEXT,
    model_version  TEXT,
    model_sha256   TEXT,
    auto_detected  INTEGER NOT NULL DEFAULT 1 CHECK (auto_detected IN (0, 1)),
    -- these two belong to people: no device writes them
    human_verified INTEGER NOT NULL DEFAULT 0 CHECK (human_verified IN (0, 1)),
    notes          TEXT,
    sensor_data    TEXT CHECK (sensor_data IS NULL OR json_valid(sensor_data)),
    at_wall        TEXT,
    at_boot        INTEGER,
    at_mono_ms     INTEGER,
    at_synced      INTEGER CHECK (at_synced IN (0, 1)),
    observed_at    TEXT,
    time_quality   TEXT CHECK (time_quality IN ('synced', 'corrected', 'bounded', 'device')),
    body           TEXT CHECK (body IS NULL OR json_valid(body)),
    received_at    TEXT NOT NULL,
    created_at     TEXT NOT NULL,
    CHECK (void = 1 OR (session_id IS NOT NULL AND defect_type IS NOT NULL AND severity IS NOT NULL
        AND confidence IS NOT NULL))
) STRICT;
CREATE INDEX field_eye_defects_session ON field_eye_defects (session_id) WHERE void = 0;
CREATE INDEX field_eye_defects_frame ON field_eye_defects (frame_id);
CREATE INDEX field_eye_defects_type ON field_eye_defects (defect_type);
CREATE INDEX field_eye_defects_severity ON field_eye_defects (severity);
CREATE INDEX field_eye_defects_verified ON field_eye_defects (human_verified);
CREATE INDEX field_eye_defects_observed ON field_eye_defects (observed_at DESC) WHERE void = 0;
CREATE INDEX field_eye_defects_unsynced ON field_eye_defects (device_id, at_boot) WHERE at_synced = 0;

CREATE TABLE field_eye_clips (
    id           TEXT PRIMARY KEY,
    session_id   TEXT REFERENCES field_eye_sessions (id) ON DELETE CASCADE,
    device_id    TEXT NOT NULL REFERENCES field_eye_devices (id),
    rev          INTEGER NOT NULL CHECK (rev >= 1),
    void         INTEGER NOT NULL DEFAULT 0 CHECK (void IN (0, 1)),
    start_s      REAL,
    end_s        REAL,
    blob_sha256  TEXT,
    at_wall      TEXT,
    at_boot      INTEGER,
    at_mono_ms   INTEGER,
    at_synced    INTEGER CHECK (at_synced IN (0, 1)),
    observed_at  TEXT,
    time_quality TEXT CHECK (time_quality IN ('synced', 'corrected', 'bounded', 'device')),
    body         TEXT CHECK (body IS NULL OR json_valid(body)),
    received_at  TEXT NOT NULL,
    created_at   TEXT NOT NULL,
    CHECK (end_s >= start_s),
    CHECK (void = 1 OR session_id IS NOT NULL)
) STRICT;
CREATE INDEX field_eye_clips_session ON field_eye_clips (session_id);
CREATE INDEX field_eye_clips_unsynced ON field_eye_clips (device_id, at_boot) WHERE at_synced = 0;

-- Spans that are missing, and why.
CREATE TABLE field_eye_gaps (
    id           TEXT PRIMARY KEY,
    session_id   TEXT REFERENCES field_eye_sessions (id) ON DELETE CASCADE,
    device_id    TEXT NOT NULL REFERENCES field_eye_devices (id),
    rev          INTEGER NOT NULL CHECK (rev >= 1),
    void         INTEGER NOT NULL DEFAULT 0 CHECK (void IN (0, 1)),
    start_s      REAL,
    end_s        REAL,
    what         TEXT,
    reason       TEXT,
    at_wall      TEXT,
    at_boot      INTEGER,
    at_mono_ms   INTEGER,
    at_synced    INTEGER CHECK (at_synced IN (0, 1)),
    observed_at  TEXT,
    time_quality TEXT CHECK (time_quality IN ('synced', 'corrected', 'bounded', 'device')),
    body         TEXT CHECK (body IS NULL OR json_valid(body)),
    received_at  TEXT NOT NULL,
    created_at   TEXT NOT NULL,
    CHECK (end_s >= start_s),
    CHECK (void = 1 OR (start_s IS NOT NULL AND end_s IS NOT NULL AND what IS NOT NULL AND reason IS NOT NULL))
) STRICT;
CREATE INDEX field_eye_gaps_session ON field_eye_gaps (session_id);
CREATE INDEX field_eye_gaps_unsynced ON field_eye_gaps (device_id, at_boot) WHERE at_synced = 0;

-- Whatever else happened on a device.
CREATE TABLE field_eye_events (
    id           TEXT PRIMARY KEY,
    session_id   TEXT REFERENCES field_eye_sessions (id) ON DELETE CASCADE,
    device_id    TEXT NOT NULL REFERENCES field_eye_devices (id),
    rev          INTEGER NOT NULL CHECK (rev >= 1),
    void         INTEGER NOT NULL DEFAULT 0 CHECK (void IN (0, 1)),
    name         TEXT,
    data         TEXT CHECK (data IS NULL OR json_valid(data)),
    at_wall      TEXT,
    at_boot      INTEGER,
    at_mono_ms   INTEGER,
    at_synced    INTEGER CHECK (at_synced IN (0, 1)),
    observed_at  TEXT,
    time_quality TEXT CHECK (time_quality IN ('synced', 'corrected', 'bounded', 'device')),
    body         TEXT CHECK (body IS NULL OR json_valid(body)),
    received_at  TEXT NOT NULL,
    created_at   TEXT NOT NULL,
    CHECK (void = 1 OR name IS NOT NULL)
) STRICT;
CREATE INDEX field_eye_events_session ON field_eye_events (session_id);
CREATE INDEX field_eye_events_unsynced ON field_eye_events (device_id, at_boot) WHERE at_synced = 0;

-- Pictures and videos, by their content. `stored`: complete, verified, durable in the blob store.
CREATE TABLE field_eye_blobs (
    sha256       TEXT PRIMARY KEY,
    state        TEXT NOT NULL DEFAULT 'wanted' CHECK (state IN ('wanted', 'stored')),
    -- exact, once stored
    size         INTEGER CHECK (size >= 0),
    content_type TEXT,
    -- where it is in the blob store
    path         TEXT,
    stored_at    TEXT,
    created_at   TEXT NOT NULL,
    CHECK (state = 'wanted' OR (size IS NOT NULL AND path IS NOT NULL AND stored_at IS NOT NULL))
) STRICT;

-- Which records need a blob.
CREATE TABLE field_eye_blob_refs (
    kind      TEXT NOT NULL,
    record_id TEXT NOT NULL,
    device_id TEXT NOT NULL REFERENCES field_eye_devices (id),
    sha256    TEXT NOT NULL REFERENCES field_eye_blobs (sha256),
    PRIMARY KEY (kind, record_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX field_eye_blob_refs_blob ON field_eye_blob_refs (sha256, device_id);

-- A device that named a blob, with the size that it gave: nobody else may send it.
CREATE TABLE field_eye_uploads (
    device_id    TEXT NOT NULL REFERENCES field_eye_devices (id) ON DELETE CASCADE,
    sha256       TEXT NOT NULL REFERENCES field_eye_blobs (sha256) ON DELETE CASCADE,
    size         INTEGER NOT NULL CHECK (size >= 0),
    content_type TEXT NOT NULL,
    -- how often everything was there and its digest was another
    wrong        INTEGER NOT NULL DEFAULT 0,
    -- why it is not taken any more
    refused      TEXT,
    created_at   TEXT NOT NULL,
    PRIMARY KEY (device_id, sha256)
) STRICT, WITHOUT ROWID;
CREATE INDEX field_eye_uploads_blob ON field_eye_uploads (sha256);

-- What of a blob is durable in the folder of parts. Neighbours are merged.
CREATE TABLE field_eye_blob_parts (
    device_id TEXT NOT NULL,
    sha256    TEXT NOT NULL,
    offset    INTEGER NOT NULL CHECK (offset >= 0),
    length    INTEGER NOT NULL CHECK (length > 0),
    PRIMARY KEY (device_id, sha256, offset),
    FOREIGN KEY (device_id, sha256) REFERENCES field_eye_uploads (device_id, sha256) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- People, by their Telegram id, and the chat that alerts go to.
CREATE TABLE field_eye_users (
    id         INTEGER PRIMARY KEY,
    chat_id    INTEGER NOT NULL,
    name       TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;

-- One row for each defect and reader. Unsent while sent_rev is 0.
CREATE TABLE field_eye_alerts (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    defect_id   TEXT NOT NULL REFERENCES field_eye_defects (id) ON DELETE CASCADE,
    -- 'console' or 'chat:<id>'
    target      TEXT NOT NULL,
    wanted_rev  INTEGER NOT NULL,
    sent_rev    INTEGER NOT NULL DEFAULT 0,
    message_id  INTEGER,
    -- with its picture as soon as that is stored, without from then on
    due_at      TEXT NOT NULL,
    -- not before, after a try in vain
    retry_at    TEXT,
    tries       INTEGER NOT NULL DEFAULT 0,
    lease_until TEXT,
    -- why the last try failed, or why it is not sent at all
    trouble     TEXT,
    dropped_at  TEXT,
    sent_at     TEXT,
    created_at  TEXT NOT NULL,
    UNIQUE (defect_id, target)
) STRICT;
CREATE INDEX field_eye_alerts_open ON field_eye_alerts (id) WHERE sent_rev = 0 AND dropped_at IS NULL;

-- Who did what, when, with what result.
CREATE TABLE field_eye_audit (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    at     TEXT NOT NULL,
    who    TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    result TEXT NOT NULL
) STRICT;

-- What can't be accepted, once for each content. Past a device's share the content is not kept, only its hash.
CREATE TABLE field_eye_quarantine (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    device_id  TEXT NOT NULL,
    kind       TEXT,
    record_id  TEXT,
    seq        INTEGER,
    batch      TEXT,
    reason     TEXT NOT NULL,
    sha256     TEXT NOT NULL,
    size       INTEGER NOT NULL,
    raw        BLOB,
    times      INTEGER NOT NULL DEFAULT 1,
    last_at    TEXT NOT NULL,
    created_at TEXT NOT NULL,
    UNIQUE (device_id, sha256)
) STRICT;

-- Records over which the hub died, until they are in or given up.
CREATE TABLE field_eye_suspects (
    device_id TEXT NOT NULL,
    kind      TEXT NOT NULL,
    record_id TEXT NOT NULL,
    rev       INTEGER NOT NULL,
    deaths    INTEGER NOT NULL,
    PRIMARY KEY (device_id, kind, record_id, rev)
) STRICT, WITHOUT ROWID;
