-- Runs that are attended from elsewhere, over the network: they outlive the
-- gateway that they hang at. One whose gateway died or let it go has owner 0
-- since adrift_at, until another gateway takes it.
ALTER TABLE run ADD COLUMN remote INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN adrift_at INTEGER;

-- A token of scope runs opens runs and does nothing else; max_run_micro is the
-- most that a run which it opens may have.
CREATE TABLE new_token (
	hash          BLOB    PRIMARY KEY CHECK (length(hash) = 32),
	agent_id      INTEGER NOT NULL REFERENCES agent (id),
	run_no        INTEGER REFERENCES run (no),
	scope         TEXT    NOT NULL CHECK (scope IN ('execution', 'read-only', 'runs')),
	created_at    INTEGER NOT NULL,
	expires_at    INTEGER,
	ttl_ms        INTEGER NOT NULL DEFAULT 0,
	revoked_at    INTEGER,
	max_run_micro INTEGER CHECK (max_run_micro >= 0)
) STRICT, WITHOUT ROWID;
INSERT INTO new_token (hash, agent_id, run_no, scope, created_at, expires_at, ttl_ms, revoked_at)
SELECT hash, agent_id, run_no, scope, created_at, expires_at, ttl_ms, revoked_at FROM token;
DROP TABLE token;
ALTER TABLE new_token RENAME TO token;
CREATE INDEX token_agent ON token (agent_id) WHERE run_no IS NULL; -- those of runs are as many as there ever were
