-- Sums of calls by hour, run and what was called, so that no page and no
-- metric reads the trail. run_no 0: a call of an agent's token, without a run.
-- Derived: audit compares. latency_N and first_token_N count the calls that
-- took up to the N-th bound of the OpenTelemetry conventions for generative AI
-- (LatencyBounds, FirstTokenBounds); the last of each counts what took longer.
CREATE TABLE call_tally (
	hour           INTEGER NOT NULL,
	run_no         INTEGER NOT NULL,
	agent_id       INTEGER NOT NULL,
	model          TEXT    NOT NULL,
	provider       TEXT    NOT NULL,
	wire           TEXT    NOT NULL,
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
	PRIMARY KEY (hour, run_no, agent_id, model, provider, wire)
) STRICT, WITHOUT ROWID;

-- What runs have spent before this table was there, in the hour they began.
INSERT INTO call_tally (hour, run_no, agent_id, model, provider, wire, calls, cost_micro, input, cached, output, latency_ms, first_token_ms)
SELECT r.started_at / 3600000, r.no, r.agent_id, '', '', '',
	c.calls - coalesce(b.calls, 0), c.spent_micro + c.overrun_micro - coalesce(b.cost_micro, 0), 0, 0, 0, 0, 0
FROM run r JOIN account c ON c.id = r.account_id
LEFT JOIN (
	SELECT n.parent, sum(d.calls) AS calls, sum(d.spent_micro + d.overrun_micro) AS cost_micro
	FROM run n JOIN account d ON d.id = n.account_id WHERE n.parent IS NOT NULL GROUP BY n.parent
) b ON b.parent = r.no
WHERE c.calls > 0;
