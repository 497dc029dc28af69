-- What the agent keeps. Times are Unix milliseconds of the device's wall clock unless a name says otherwise.

-- Facts about this store: its id, the device, the start counter, the hub that answered last.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One inspection by one camera. For a file there is one per content, however often and from wherever it is read.
CREATE TABLE sessions (
    id            TEXT PRIMARY KEY,
    source        TEXT NOT NULL,
    source_sha256 TEXT UNIQUE,
    -- open: not looked at to the end yet; closed: completely; interrupted: as far as the file can be read
    status        TEXT NOT NULL CHECK (status IN ('open', 'closed', 'interrupted')),
    pauses        INTEGER NOT NULL DEFAULT 0,
    defects       INTEGER NOT NULL DEFAULT 0,
    -- program, model and settings of the last look that ended: others look again
    looked_with   TEXT,
    created_ms    INTEGER NOT NULL,
    ended_ms      INTEGER
) STRICT;

-- Files to analyse. Written by whoever asks, worked off by the program that holds the data directory.
CREATE TABLE jobs (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    path          TEXT NOT NULL,
    -- what the person said about the inspection, JSON
    facts         TEXT NOT NULL DEFAULT '{}',
    -- person: asked for by name; source: found in a folder that is watched
    origin        TEXT NOT NULL CHECK (origin IN ('person', 'source')),
    state         TEXT NOT NULL DEFAULT 'waiting'
                  CHECK (state IN ('waiting', 'running', 'done', 'known', 'unreadable', 'bad_model', 'failed')),
    source_sha256 TEXT,
    session_id    TEXT,
    pauses        INTEGER NOT NULL DEFAULT 0,
    defects       INTEGER NOT NULL DEFAULT 0,
    -- one line for a person
    message       TEXT,
    -- how far it is, 0 to 1
    progress      REAL NOT NULL DEFAULT 0,
    -- how often the program died over it: such a file waits behind the others
    deaths        INTEGER NOT NULL DEFAULT 0,
    created_ms    INTEGER NOT NULL,
    updated_ms    INTEGER NOT NULL
) STRICT;
CREATE INDEX jobs_unfinished ON jobs (id) WHERE state IN ('waiting', 'running');
CREATE INDEX jobs_of_path ON jobs (path);

-- Files that were read to their end, and as what: a watched folder is not read anew at each start.
CREATE TABLE files (
    path   TEXT PRIMARY KEY,
    -- size, inode and times, as the file system has them
    stamp  TEXT NOT NULL,
    sha256 TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What was observed, as it was last said.
CREATE TABLE records (
    id         TEXT PRIMARY KEY,
    rev        INTEGER NOT NULL CHECK (rev >= 1),
    kind       TEXT NOT NULL,
    session_id TEXT,
    frame_id   TEXT,
    wall_ms    INTEGER NOT NULL,
    -- start counter, milliseconds since that start, and whether the wall clock was synchronised
    boot       INTEGER NOT NULL,
    mono_ms    INTEGER NOT NULL,
    synced     INTEGER NOT NULL CHECK (synced IN (0, 1)),
    body       TEXT NOT NULL,
    void       INTEGER NOT NULL DEFAULT 0 CHECK (void IN (0, 1))
) STRICT;
CREATE INDEX records_of_session ON records (session_id, kind);

-- Records without a final answer of the hub. A changed record gets a new number, so that an answer to its older
-- revision can't take the newer one away.
CREATE TABLE outbox (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    record_id TEXT NOT NULL UNIQUE REFERENCES records (id),
    -- 0 urgent, 1 backlog
    lane      INTEGER NOT NULL CHECK (lane IN (0, 1)),
    state     TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'rejected')),
    reason    TEXT
) STRICT;
CREATE INDEX outbox_pending ON outbox (lane, seq) WHERE state = 'pending';
CREATE INDEX outbox_rejected ON outbox (seq) WHERE state = 'rejected';

-- Pictures, named by their content. The file is durable before its row is.
CREATE TABLE blobs (
    sha256       TEXT PRIMARY KEY,
    size         INTEGER NOT NULL CHECK (size >= 0),
    content_type TEXT NOT NULL,
    -- relative to the media folder
    path         TEXT NOT NULL,
    lane         INTEGER NOT NULL CHECK (lane IN (0, 1)),
    -- pending: no record that names it is at the hub yet; ready: it may go; corrupt: its file is gone or changed
    state        TEXT NOT NULL CHECK (state IN ('pending', 'ready', 'stored', 'refused', 'corrupt')),
    reason       TEXT
) STRICT;
CREATE INDEX blobs_waiting ON blobs (state, lane) WHERE state IN ('pending', 'ready');

CREATE TABLE blob_names (
    sha256    TEXT NOT NULL REFERENCES blobs (sha256),
    record_id TEXT NOT NULL REFERENCES records (id),
    PRIMARY KEY (sha256, record_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_names_of_record ON blob_names (record_id);
