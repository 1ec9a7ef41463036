-- Makes a ledger of aex in the database that one is connected to, with the roles
-- that may use it. For who may create roles and schemas there:
--   aex ledger init-postgres --print | psql -v ON_ERROR_STOP=1 DATABASE
-- Then give your own users a role each: GRANT aex_gateway TO ...
BEGIN;
SELECT pg_advisory_xact_lock(7104);

DO $$
DECLARE r text;
BEGIN
	FOREACH r IN ARRAY ARRAY['aex_owner', 'aex_gateway', 'aex_budget', 'aex_read'] LOOP
		IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = r) THEN
			EXECUTE format('CREATE ROLE %I NOLOGIN', r);
		END IF;
	END LOOP;
END $$;
GRANT aex_owner TO CURRENT_USER;
GRANT aex_gateway TO aex_budget;

CREATE SCHEMA aex AUTHORIZATION aex_owner;
SET LOCAL ROLE aex_owner;
SET LOCAL search_path = aex;

-- One row: which ledger this is, and which version of these tables.
CREATE TABLE ledger (
	one        BIGINT PRIMARY KEY CHECK (one = 1),
	id         TEXT   NOT NULL,
	chain      BIGINT NOT NULL,
	version    BIGINT NOT NULL,
	identity   BIGINT NOT NULL DEFAULT 0, -- counts the changes to what a token may do
	created_at BIGINT NOT NULL
);

-- One row, which is locked by who writes; n counts the turns.
CREATE TABLE turn (
	one BIGINT PRIMARY KEY CHECK (one = 1),
	n   BIGINT NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 0);

-- Who uses the ledger: a row for each life of each process. beat changes with
-- every commit that somebody is answered for, and every five seconds.
CREATE TABLE owner (
	id      BIGINT  PRIMARY KEY,
	beat    BIGINT  NOT NULL DEFAULT 0,
	beat_at BIGINT  NOT NULL, -- for people; nothing is decided by it
	gone    BOOLEAN NOT NULL DEFAULT false, -- it has ended by itself
	host    TEXT    NOT NULL,
	process TEXT    NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 0);

-- From here on the tables are those of a ledger in a file, which say more.
CREATE TABLE agent_group (
	id         BIGINT  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name       TEXT    COLLATE "C" NOT NULL,
	parent     BIGINT  REFERENCES agent_group (id),
	paused     BOOLEAN NOT NULL DEFAULT false,
	created_at BIGINT  NOT NULL,
	deleted_at BIGINT
);
CREATE UNIQUE INDEX agent_group_name ON agent_group (name) WHERE deleted_at IS NULL;

CREATE TABLE group_budget (
	group_id     BIGINT NOT NULL REFERENCES agent_group (id),
	"window"     TEXT   NOT NULL CHECK ("window" IN ('total', 'daily', 'weekly', 'monthly')),
	budget_micro BIGINT NOT NULL CHECK (budget_micro >= 0),
	PRIMARY KEY (group_id, "window")
);

CREATE TABLE agent (
	id                BIGINT  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name              TEXT    COLLATE "C" NOT NULL,
	budget_micro      BIGINT  CHECK (budget_micro >= 0),
	"window"          TEXT    NOT NULL CHECK ("window" IN ('total', 'daily', 'weekly', 'monthly')),
	rpm_limit         BIGINT  NOT NULL DEFAULT 0 CHECK (rpm_limit >= 0),
	tpm_limit         BIGINT  NOT NULL DEFAULT 0 CHECK (tpm_limit >= 0),
	concurrency_limit BIGINT  NOT NULL DEFAULT 0 CHECK (concurrency_limit >= 0),
	capabilities      TEXT,
	paused            BOOLEAN NOT NULL DEFAULT false,
	created_at        BIGINT  NOT NULL,
	deleted_at        BIGINT,
	group_id          BIGINT  REFERENCES agent_group (id)
);
CREATE UNIQUE INDEX agent_name ON agent (name) WHERE deleted_at IS NULL;
CREATE INDEX agent_in_group ON agent (group_id) WHERE group_id IS NOT NULL;

CREATE TABLE account (
	id             BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	agent_id       BIGINT REFERENCES agent (id),
	group_id       BIGINT REFERENCES agent_group (id),
	parent         BIGINT REFERENCES account (id),
	kind           TEXT   NOT NULL CHECK (kind IN ('agent', 'window', 'run', 'group')),
	"window"       TEXT   NOT NULL DEFAULT '',
	start_at       BIGINT NOT NULL DEFAULT 0,
	target_micro   BIGINT CHECK (target_micro >= 0),
	budget_micro   BIGINT CHECK (budget_micro >= 0),
	spent_micro    BIGINT NOT NULL DEFAULT 0 CHECK (spent_micro >= 0),
	reserved_micro BIGINT NOT NULL DEFAULT 0 CHECK (reserved_micro >= 0),
	overrun_micro  BIGINT NOT NULL DEFAULT 0 CHECK (overrun_micro >= 0),
	calls          BIGINT NOT NULL DEFAULT 0 CHECK (calls >= 0),
	last_at        BIGINT,
	CHECK ((kind = 'group') = (group_id IS NOT NULL)),
	CHECK ((kind = 'group') = (agent_id IS NULL)),
	-- Who may not change target_micro cannot give a budget.
	CHECK (budget_micro IS NOT DISTINCT FROM CASE WHEN target_micro IS NOT NULL THEN greatest(target_micro, spent_micro + reserved_micro) END),
	CHECK (overrun_micro = 0 OR (budget_micro IS NOT NULL AND spent_micro + reserved_micro = budget_micro))
) WITH (fillfactor = 20, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);
CREATE UNIQUE INDEX account_agent ON account (agent_id) WHERE kind = 'agent';
CREATE UNIQUE INDEX account_window ON account (agent_id, "window", start_at) WHERE kind = 'window';
CREATE UNIQUE INDEX account_group ON account (group_id, "window", start_at) WHERE kind = 'group';

CREATE TABLE run (
	no         BIGINT  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	id         TEXT    COLLATE "C" NOT NULL UNIQUE,
	agent_id   BIGINT  NOT NULL REFERENCES agent (id),
	parent     BIGINT  REFERENCES run (no),
	account_id BIGINT  NOT NULL UNIQUE REFERENCES account (id),
	owner      BIGINT  NOT NULL,
	state      TEXT    NOT NULL CHECK (state IN ('open', 'exhausted', 'paused', 'ending', 'ended')),
	program    TEXT    NOT NULL,
	max_calls  BIGINT  NOT NULL DEFAULT 0,
	refused    BIGINT  NOT NULL DEFAULT 0,
	policy     TEXT,
	metered    BOOLEAN NOT NULL,
	started_at BIGINT  NOT NULL,
	ended_at   BIGINT,
	outcome    TEXT    NOT NULL DEFAULT '',
	exit_code  BIGINT  NOT NULL DEFAULT 0,
	detail     TEXT,
	first_seq  BIGINT  NOT NULL,
	last_seq   BIGINT,
	remote     BOOLEAN NOT NULL DEFAULT false,
	adrift_at  BIGINT
) WITH (fillfactor = 50);
CREATE INDEX run_agent ON run (agent_id);
CREATE INDEX run_parent ON run (parent) WHERE parent IS NOT NULL;
CREATE INDEX run_live ON run (owner) WHERE state <> 'ended';
CREATE INDEX run_exhausted ON run (agent_id) WHERE state = 'exhausted';

CREATE TABLE token (
	hash          BYTEA  PRIMARY KEY CHECK (length(hash) = 32),
	agent_id      BIGINT NOT NULL REFERENCES agent (id),
	run_no        BIGINT REFERENCES run (no),
	scope         TEXT   NOT NULL CHECK (scope IN ('execution', 'read-only', 'runs')),
	created_at    BIGINT NOT NULL,
	expires_at    BIGINT,
	ttl_ms        BIGINT NOT NULL DEFAULT 0,
	revoked_at    BIGINT,
	max_run_micro BIGINT CHECK (max_run_micro >= 0)
);
CREATE INDEX token_agent ON token (agent_id) WHERE run_no IS NULL; -- those of runs are as many as there ever were
CREATE INDEX token_run ON token (run_no) WHERE run_no IS NOT NULL;

CREATE TABLE hold (
	owner          BIGINT NOT NULL,
	n              BIGINT NOT NULL,
	state          TEXT   NOT NULL CHECK (state IN ('open', 'recovered')),
	agent_id       BIGINT NOT NULL,
	run_no         BIGINT,
	account_id     BIGINT NOT NULL REFERENCES account (id),
	window_id      BIGINT REFERENCES account (id),
	amount_micro   BIGINT NOT NULL CHECK (amount_micro >= 0),
	tokens         BIGINT NOT NULL CHECK (tokens >= 0),
	at             BIGINT NOT NULL,
	call           TEXT   NOT NULL,
	group_id       BIGINT NOT NULL DEFAULT 0,
	group_accounts TEXT   NOT NULL DEFAULT '[]',
	joint          BYTEA,
	within         TEXT   NOT NULL DEFAULT '',
	only_accounts  TEXT   NOT NULL DEFAULT '[]',
	PRIMARY KEY (owner, n)
) WITH (autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX hold_run ON hold (run_no) WHERE run_no IS NOT NULL;

CREATE TABLE pace (
	agent_id BIGINT NOT NULL,
	owner    BIGINT NOT NULL,
	n        BIGINT NOT NULL,
	at       BIGINT NOT NULL,
	tokens   BIGINT NOT NULL,
	PRIMARY KEY (agent_id, owner, n)
) WITH (autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE event_log (
	seq  BIGINT PRIMARY KEY,
	body TEXT   NOT NULL,
	hash BYTEA  NOT NULL CHECK (length(hash) = 32)
);

CREATE VIEW trail AS
SELECT seq, body, hash,
	CAST(body AS json) ->> 'time' AS time,
	CAST(body AS json) ->> 'action' AS action,
	CAST(body AS json) ->> 'agent' AS agent,
	CAST(body AS json) ->> 'agent_id' AS agent_id,
	CAST(body AS json) ->> 'run' AS run,
	coalesce(CAST(CAST(body AS json) ->> 'cost_micro' AS BIGINT), 0) AS cost_micro
FROM event_log;

CREATE TABLE event_hour (
	hour      BIGINT PRIMARY KEY,
	first_seq BIGINT NOT NULL
);

CREATE TABLE tally (
	hour       BIGINT NOT NULL,
	run_no     BIGINT NOT NULL,
	agent_id   BIGINT NOT NULL,
	group_id   BIGINT NOT NULL,
	model      TEXT   COLLATE "C" NOT NULL,
	provider   TEXT   COLLATE "C" NOT NULL,
	wire       TEXT   COLLATE "C" NOT NULL,
	cause      TEXT   COLLATE "C" NOT NULL,
	@SUMS@
	PRIMARY KEY (hour, run_no, agent_id, group_id, model, provider, wire, cause)
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX tally_cause ON tally (cause) WHERE cause <> '';
CREATE INDEX tally_run ON tally (run_no);

CREATE TABLE zone (
	since BIGINT PRIMARY KEY,
	name  TEXT   NOT NULL
);

INSERT INTO ledger (one, id, chain, version, created_at)
VALUES (1, substr(replace(CAST(gen_random_uuid() AS text), '-', ''), 1, 16), 1, @VERSION@, CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS BIGINT));
INSERT INTO turn (one, n) VALUES (1, 0);

-- Who reads: dashboards, audits, reports.
GRANT USAGE ON SCHEMA aex TO aex_read, aex_gateway, aex_budget;
GRANT SELECT ON ALL TABLES IN SCHEMA aex TO aex_read, aex_gateway, aex_budget;

-- A gateway books calls, opens and ends runs. It neither gives budgets nor
-- touches an event that is there.
GRANT INSERT ON owner, account, run, token, hold, pace, event_log, event_hour, tally TO aex_gateway;
GRANT UPDATE (n) ON turn TO aex_gateway;
GRANT UPDATE (identity) ON ledger TO aex_gateway;
GRANT UPDATE (beat, beat_at, gone), DELETE ON owner TO aex_gateway;
GRANT UPDATE (budget_micro, spent_micro, reserved_micro, overrun_micro, calls, last_at) ON account TO aex_gateway;
GRANT UPDATE (owner, state, refused, ended_at, outcome, exit_code, detail, last_seq, adrift_at) ON run TO aex_gateway;
GRANT UPDATE (expires_at, revoked_at) ON token TO aex_gateway;
GRANT UPDATE (state, amount_micro, joint), DELETE ON hold TO aex_gateway;
GRANT UPDATE (at, tokens), DELETE ON pace TO aex_gateway;
GRANT UPDATE ON tally TO aex_gateway;

-- Accounts that a gateway makes have the budget that was given, or one of a run,
-- which can only be less than what the agent has.
ALTER TABLE account ENABLE ROW LEVEL SECURITY;
CREATE POLICY all_see ON account FOR SELECT USING (true);
CREATE POLICY all_book ON account FOR UPDATE USING (true);
CREATE POLICY budgets ON account FOR INSERT TO aex_budget WITH CHECK (true);
CREATE POLICY runs ON account FOR INSERT TO aex_gateway WITH CHECK (
	kind = 'run' AND parent IS NOT NULL AND spent_micro = 0
	OR kind = 'window' AND spent_micro = 0
		AND target_micro IS NOT DISTINCT FROM (SELECT a.budget_micro FROM agent a WHERE a.id = account.agent_id AND a."window" = account."window")
	OR kind = 'group' AND "window" <> '' AND spent_micro = 0
		AND target_micro = (SELECT b.budget_micro FROM group_budget b WHERE b.group_id = account.group_id AND b."window" = account."window"));

-- Who gives budgets: an operator at the command line.
GRANT INSERT ON agent, agent_group, group_budget, zone TO aex_budget;
GRANT UPDATE ON agent, agent_group TO aex_budget;
GRANT UPDATE (budget_micro), DELETE ON group_budget TO aex_budget;
GRANT UPDATE (target_micro) ON account TO aex_budget;
GRANT DELETE ON zone TO aex_budget;
@NEWER@
COMMIT;
