-- Live sessions: how far one is, what was recorded of it, and what people ask of a running program.

-- seconds, for a session that may be ended by a power cut
ALTER TABLE sessions ADD COLUMN reached_s REAL;

-- Closed pieces of recordings. The row is what may be evicted; a file without one belongs to a session that goes on.
CREATE TABLE footage (
    -- relative to the media folder
    path       TEXT PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES sessions (id),
    start_s    REAL NOT NULL,
    end_s      REAL NOT NULL,
    size       INTEGER NOT NULL CHECK (size >= 0)
) STRICT;
CREATE INDEX footage_of_session ON footage (session_id, start_s);

-- What a person asks of the program that runs: answered in the same row.
CREATE TABLE orders (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    what       TEXT NOT NULL CHECK (what IN ('start', 'pause', 'resume', 'stop', 'mark')),
    -- number of the camera, from 1; all of them without it
    camera     INTEGER,
    -- facts or a note, JSON
    said       TEXT NOT NULL DEFAULT '{}',
    created_ms INTEGER NOT NULL,
    -- one line for a person, once it was done or refused
    answer     TEXT,
    done       INTEGER CHECK (done IN (0, 1))
) STRICT;
CREATE INDEX orders_waiting ON orders (id) WHERE done IS NULL;
