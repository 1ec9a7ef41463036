-- Groups: a tree of accounts that agents are in, above theirs.

-- name is the whole path, like acme/search; parent is the group of its
-- beginning. Rows stay when a group is deleted: its history names them.
CREATE TABLE agent_group (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	name       TEXT    NOT NULL,
	parent     INTEGER REFERENCES agent_group (id),
	paused     INTEGER NOT NULL DEFAULT 0,
	created_at INTEGER NOT NULL,
	deleted_at INTEGER
) STRICT;
CREATE UNIQUE INDEX agent_group_name ON agent_group (name) WHERE deleted_at IS NULL;

-- What a group may spend in each kind of window that it has a budget for.
CREATE TABLE group_budget (
	group_id     INTEGER NOT NULL REFERENCES agent_group (id),
	"window"     TEXT    NOT NULL CHECK ("window" IN ('total', 'daily', 'weekly', 'monthly')),
	budget_micro INTEGER NOT NULL CHECK (budget_micro >= 0),
	PRIMARY KEY (group_id, "window")
) STRICT, WITHOUT ROWID;

ALTER TABLE agent ADD COLUMN group_id INTEGER REFERENCES agent_group (id);

-- The accounts of the groups that a hold was taken from, as a JSON array: they
-- are the hold's own, because its agent may move. group_id is the lowest group.
ALTER TABLE hold ADD COLUMN group_id INTEGER NOT NULL DEFAULT 0;
ALTER TABLE hold ADD COLUMN group_accounts TEXT NOT NULL DEFAULT '[]';

-- Accounts are of an agent or of a group.
DROP VIEW agents;
CREATE TABLE new_account (
	id             INTEGER PRIMARY KEY AUTOINCREMENT,
	agent_id       INTEGER REFERENCES agent (id),
	group_id       INTEGER REFERENCES agent_group (id),
	parent         INTEGER REFERENCES account (id),
	kind           TEXT    NOT NULL CHECK (kind IN ('agent', 'window', 'run', 'group')),
	"window"       TEXT    NOT NULL DEFAULT '',
	start_at       INTEGER NOT NULL DEFAULT 0,
	target_micro   INTEGER CHECK (target_micro >= 0),
	budget_micro   INTEGER CHECK (budget_micro >= 0),
	spent_micro    INTEGER NOT NULL DEFAULT 0 CHECK (spent_micro >= 0),
	reserved_micro INTEGER NOT NULL DEFAULT 0 CHECK (reserved_micro >= 0),
	overrun_micro  INTEGER NOT NULL DEFAULT 0 CHECK (overrun_micro >= 0),
	calls          INTEGER NOT NULL DEFAULT 0 CHECK (calls >= 0),
	last_at        INTEGER,
	CHECK ((kind = 'group') = (group_id IS NOT NULL)),
	CHECK ((kind = 'group') = (agent_id IS NULL)),
	CHECK ((budget_micro IS NULL) = (target_micro IS NULL)),
	CHECK (budget_micro IS NULL OR spent_micro + reserved_micro <= budget_micro),
	CHECK (budget_micro IS NULL OR budget_micro >= target_micro),
	CHECK (overrun_micro = 0 OR (budget_micro IS NOT NULL AND spent_micro + reserved_micro = budget_micro))
) STRICT;
INSERT INTO new_account
SELECT id, agent_id, NULL, parent, kind, "window", start_at, target_micro, budget_micro, spent_micro, reserved_micro, overrun_micro, calls, last_at
FROM account;
DROP TABLE account;
ALTER TABLE new_account RENAME TO account;
CREATE UNIQUE INDEX account_agent ON account (agent_id) WHERE kind = 'agent';
CREATE UNIQUE INDEX account_window ON account (agent_id, "window", start_at) WHERE kind = 'window';
CREATE UNIQUE INDEX account_group ON account (group_id, "window", start_at) WHERE kind = 'group';

-- What scripts written for aex 1.2 query, as before.
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

-- The sums know the group that an agent was in when it spent.
CREATE TABLE new_tally (
	hour           INTEGER NOT NULL,
	run_no         INTEGER NOT NULL,
	agent_id       INTEGER NOT NULL,
	group_id       INTEGER NOT NULL,
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
	PRIMARY KEY (hour, run_no, agent_id, group_id, model, provider, wire, cause)
) STRICT, WITHOUT ROWID;
INSERT INTO new_tally
SELECT hour, run_no, agent_id, 0, model, provider, wire, cause, calls, cost_micro, input, cached, output, latency_ms, first_token_ms,
	latency_0, latency_1, latency_2, latency_3, latency_4, latency_5, latency_6, latency_7, latency_8, latency_9, latency_10, latency_11, latency_12, latency_13, latency_14,
	first_token_0, first_token_1, first_token_2, first_token_3, first_token_4, first_token_5, first_token_6, first_token_7, first_token_8, first_token_9, first_token_10, first_token_11, first_token_12, first_token_13, first_token_14, first_token_15, first_token_16
FROM tally;
DROP TABLE tally;
ALTER TABLE new_tally RENAME TO tally;
CREATE INDEX tally_cause ON tally (cause) WHERE cause <> '';
