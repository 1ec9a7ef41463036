-- One row: which ledger this is. identity counts the changes to what a token
-- may do, so that processes know when what they remember of tokens is stale.
CREATE TABLE ledger (
	one        INTEGER PRIMARY KEY CHECK (one = 1),
	id         TEXT    NOT NULL,
	chain      INTEGER NOT NULL,
	identity   INTEGER NOT NULL DEFAULT 0,
	created_at INTEGER NOT NULL
) STRICT;

-- Times are milliseconds since 1970 in UTC, money is micro-dollars.
-- Rows stay when an agent is deleted: its history names them.
CREATE TABLE agent (
	id                INTEGER PRIMARY KEY AUTOINCREMENT,
	name              TEXT    NOT NULL,
	budget_micro      INTEGER CHECK (budget_micro >= 0),
	"window"          TEXT    NOT NULL CHECK ("window" IN ('total', 'daily', 'weekly', 'monthly')),
	rpm_limit         INTEGER NOT NULL DEFAULT 0 CHECK (rpm_limit >= 0),
	tpm_limit         INTEGER NOT NULL DEFAULT 0 CHECK (tpm_limit >= 0),
	concurrency_limit INTEGER NOT NULL DEFAULT 0 CHECK (concurrency_limit >= 0),
	capabilities      TEXT,
	paused            INTEGER NOT NULL DEFAULT 0,
	created_at        INTEGER NOT NULL,
	deleted_at        INTEGER
) STRICT;
CREATE UNIQUE INDEX agent_name ON agent (name) WHERE deleted_at IS NULL;

-- target_micro is the budget that was asked for; budget_micro is the one that
-- holds: max(target, spent + reserved), or NULL for no limit.
CREATE TABLE account (
	id             INTEGER PRIMARY KEY AUTOINCREMENT,
	agent_id       INTEGER NOT NULL REFERENCES agent (id),
	parent         INTEGER REFERENCES account (id),
	kind           TEXT    NOT NULL CHECK (kind IN ('agent', 'window', 'run')),
	"window"       TEXT    NOT NULL DEFAULT '',
	start_at       INTEGER NOT NULL DEFAULT 0,
	target_micro   INTEGER CHECK (target_micro >= 0),
	budget_micro   INTEGER CHECK (budget_micro >= 0),
	spent_micro    INTEGER NOT NULL DEFAULT 0 CHECK (spent_micro >= 0),
	reserved_micro INTEGER NOT NULL DEFAULT 0 CHECK (reserved_micro >= 0),
	overrun_micro  INTEGER NOT NULL DEFAULT 0 CHECK (overrun_micro >= 0),
	calls          INTEGER NOT NULL DEFAULT 0 CHECK (calls >= 0),
	last_at        INTEGER,
	CHECK ((budget_micro IS NULL) = (target_micro IS NULL)),
	CHECK (budget_micro IS NULL OR spent_micro + reserved_micro <= budget_micro),
	CHECK (budget_micro IS NULL OR budget_micro >= target_micro),
	CHECK (overrun_micro = 0 OR (budget_micro IS NOT NULL AND spent_micro + reserved_micro = budget_micro))
) STRICT;
CREATE UNIQUE INDEX account_agent ON account (agent_id) WHERE kind = 'agent';
CREATE UNIQUE INDEX account_window ON account (agent_id, "window", start_at) WHERE kind = 'window';

CREATE TABLE run (
	no         INTEGER PRIMARY KEY AUTOINCREMENT,
	id         TEXT    NOT NULL UNIQUE,
	agent_id   INTEGER NOT NULL REFERENCES agent (id),
	parent     INTEGER REFERENCES run (no),
	account_id INTEGER NOT NULL UNIQUE REFERENCES account (id),
	owner      INTEGER NOT NULL,
	state      TEXT    NOT NULL CHECK (state IN ('open', 'exhausted', 'paused', 'ending', 'ended')),
	program    TEXT    NOT NULL,
	max_calls  INTEGER NOT NULL DEFAULT 0,
	refused    INTEGER NOT NULL DEFAULT 0,
	policy     TEXT,
	metered    INTEGER NOT NULL,
	started_at INTEGER NOT NULL,
	ended_at   INTEGER,
	outcome    TEXT    NOT NULL DEFAULT '',
	exit_code  INTEGER NOT NULL DEFAULT 0,
	detail     TEXT,
	first_seq  INTEGER NOT NULL,
	last_seq   INTEGER
) STRICT;
CREATE INDEX run_agent ON run (agent_id);
CREATE INDEX run_live ON run (state) WHERE state <> 'ended';

-- Hashes only. A revoked token stays, so that its hash is never accepted again.
CREATE TABLE token (
	hash       BLOB    PRIMARY KEY CHECK (length(hash) = 32),
	agent_id   INTEGER NOT NULL REFERENCES agent (id),
	run_no     INTEGER REFERENCES run (no),
	scope      TEXT    NOT NULL CHECK (scope IN ('execution', 'read-only')),
	created_at INTEGER NOT NULL,
	expires_at INTEGER,
	ttl_ms     INTEGER NOT NULL DEFAULT 0,
	revoked_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX token_agent ON token (agent_id);

-- Open holds, and recovered ones whose real cost may still arrive; every other
-- hold is gone from here and told of by its event. owner and n name a hold for
-- ever: an owner is one life of one process. account_id is the lowest account
-- of the hold's path, the rest are its parents and the window's account.
CREATE TABLE hold (
	owner        INTEGER NOT NULL,
	n            INTEGER NOT NULL,
	state        TEXT    NOT NULL CHECK (state IN ('open', 'recovered')),
	agent_id     INTEGER NOT NULL,
	run_no       INTEGER,
	account_id   INTEGER NOT NULL REFERENCES account (id),
	window_id    INTEGER REFERENCES account (id),
	amount_micro INTEGER NOT NULL CHECK (amount_micro >= 0),
	tokens       INTEGER NOT NULL CHECK (tokens >= 0),
	at           INTEGER NOT NULL,
	call         TEXT    NOT NULL,
	PRIMARY KEY (owner, n)
) STRICT, WITHOUT ROWID;

-- The last minute's calls of agents that have a limit on their pace.
CREATE TABLE pace (
	agent_id INTEGER NOT NULL,
	owner    INTEGER NOT NULL,
	n        INTEGER NOT NULL,
	at       INTEGER NOT NULL,
	tokens   INTEGER NOT NULL,
	PRIMARY KEY (agent_id, owner, n)
) STRICT, WITHOUT ROWID;

-- The audit trail. body is the exact text that is hashed:
-- hash = SHA-256(hash of the line before || body).
CREATE TABLE event_log (
	seq  INTEGER PRIMARY KEY,
	body TEXT NOT NULL,
	hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

-- The trail with its columns, which cannot differ from the body because they
-- are read from it. A view: generated columns would be computed at each insert.
CREATE VIEW trail AS
SELECT seq, body, hash,
	json_extract(body, '$.time') AS time,
	json_extract(body, '$.action') AS action,
	json_extract(body, '$.agent') AS agent,
	json_extract(body, '$.agent_id') AS agent_id,
	json_extract(body, '$.run') AS run,
	coalesce(json_extract(body, '$.cost_micro'), 0) AS cost_micro
FROM event_log;

-- Where an hour's events lie in the trail: first_seq is its first event, ever.
CREATE TABLE event_hour (
	hour      INTEGER PRIMARY KEY,
	first_seq INTEGER NOT NULL
) STRICT;

-- Sums by hour, so that no page and no metric reads the trail. cause is empty
-- for calls and else what they were refused for; run_no 0 is an agent's token,
-- without a run. Derived: audit compares. latency_N and first_token_N count the
-- calls that took up to the N-th bound of the OpenTelemetry conventions for
-- generative AI (LatencyBounds, FirstTokenBounds); the last of each counts what
-- took longer.
CREATE TABLE tally (
	hour           INTEGER NOT NULL,
	run_no         INTEGER NOT NULL,
	agent_id       INTEGER NOT NULL,
	model          TEXT    NOT NULL,
	provider       TEXT    NOT NULL,
	wire           TEXT    NOT NULL,
	cause          TEXT    NOT NULL,
	calls          INTEGER NOT NULL,
	cost_micro     INTEGER NOT NULL,
	input          INTEGER NOT NULL,
	cached         INTEGER NOT NULL,
	output         INTEGER NOT NULL,
	latency_ms     INTEGER NOT NULL,
	first_token_ms INTEGER NOT NULL,
	latency_0      INTEGER NOT NULL DEFAULT 0,
	latency_1      INTEGER NOT NULL DEFAULT 0,
	latency_2      INTEGER NOT NULL DEFAULT 0,
	latency_3      INTEGER NOT NULL DEFAULT 0,
	latency_4      INTEGER NOT NULL DEFAULT 0,
	latency_5      INTEGER NOT NULL DEFAULT 0,
	latency_6      INTEGER NOT NULL DEFAULT 0,
	latency_7      INTEGER NOT NULL DEFAULT 0,
	latency_8      INTEGER NOT NULL DEFAULT 0,
	latency_9      INTEGER NOT NULL DEFAULT 0,
	latency_10     INTEGER NOT NULL DEFAULT 0,
	latency_11     INTEGER NOT NULL DEFAULT 0,
	latency_12     INTEGER NOT NULL DEFAULT 0,
	latency_13     INTEGER NOT NULL DEFAULT 0,
	latency_14     INTEGER NOT NULL DEFAULT 0,
	first_token_0  INTEGER NOT NULL DEFAULT 0,
	first_token_1  INTEGER NOT NULL DEFAULT 0,
	first_token_2  INTEGER NOT NULL DEFAULT 0,
	first_token_3  INTEGER NOT NULL DEFAULT 0,
	first_token_4  INTEGER NOT NULL DEFAULT 0,
	first_token_5  INTEGER NOT NULL DEFAULT 0,
	first_token_6  INTEGER NOT NULL DEFAULT 0,
	first_token_7  INTEGER NOT NULL DEFAULT 0,
	first_token_8  INTEGER NOT NULL DEFAULT 0,
	first_token_9  INTEGER NOT NULL DEFAULT 0,
	first_token_10 INTEGER NOT NULL DEFAULT 0,
	first_token_11 INTEGER NOT NULL DEFAULT 0,
	first_token_12 INTEGER NOT NULL DEFAULT 0,
	first_token_13 INTEGER NOT NULL DEFAULT 0,
	first_token_14 INTEGER NOT NULL DEFAULT 0,
	first_token_15 INTEGER NOT NULL DEFAULT 0,
	first_token_16 INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (hour, run_no, agent_id, model, provider, wire, cause)
) STRICT, WITHOUT ROWID;
CREATE INDEX tally_cause ON tally (cause) WHERE cause <> '';

-- What scripts written for aex 1.2 query.
CREATE VIEW agents AS
SELECT a.name,
	coalesce(w.budget_micro, t.budget_micro, a.budget_micro) AS budget_micro,
	CASE WHEN a."window" = 'total' THEN t.spent_micro ELSE coalesce(w.spent_micro, 0) END AS spent_micro,
	CASE WHEN a."window" = 'total' THEN t.reserved_micro ELSE coalesce(w.reserved_micro, 0) END AS reserved_micro,
	CASE WHEN a."window" = 'total' THEN t.overrun_micro ELSE coalesce(w.overrun_micro, 0) END AS overrun_micro,
	a.rpm_limit,
	nullif(a.tpm_limit, 0) AS max_tokens_per_minute,
	datetime(a.created_at / 1000, 'unixepoch') AS created_at,
	datetime(t.last_at / 1000, 'unixepoch') AS last_activity,
	a.capabilities
FROM agent a
JOIN account t ON t.agent_id = a.id AND t.kind = 'agent'
LEFT JOIN account w ON w.id = (
	SELECT id FROM account
	WHERE agent_id = a.id AND kind = 'window' AND "window" = a."window"
	ORDER BY start_at DESC LIMIT 1)
WHERE a.deleted_at IS NULL;

CREATE VIEW events AS
SELECT seq AS id, agent,
	CASE action
		WHEN 'rate.deny' THEN 'RATE_LIMIT'
		WHEN 'policy.deny' THEN 'POLICY_VIOLATION'
		WHEN 'agent.delete' THEN 'AGENT_DELETED'
		ELSE action END AS action,
	cost_micro,
	datetime(time) AS timestamp,
	body AS metadata
FROM trail;
