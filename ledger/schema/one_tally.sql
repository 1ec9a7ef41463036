-- Ledgers made before schema 002 became part of 001 keep their sums in two
-- tables, those of schema 1 in one that knows no runs. This makes the one table
-- of them, as 001 has it, without losing a micro-dollar of any sum.
CREATE TABLE IF NOT EXISTS call_tally (hour, run_no, agent_id, model, provider, wire, calls, cost_micro, input, cached, output, latency_ms, first_token_ms,
	latency_0, latency_1, latency_2, latency_3, latency_4, latency_5, latency_6, latency_7, latency_8, latency_9, latency_10, latency_11, latency_12, latency_13, latency_14,
	first_token_0, first_token_1, first_token_2, first_token_3, first_token_4, first_token_5, first_token_6, first_token_7, first_token_8, first_token_9, first_token_10, first_token_11, first_token_12, first_token_13, first_token_14, first_token_15, first_token_16);

-- Schema 1: what runs have spent counts in the hour they began.
INSERT INTO call_tally
SELECT r.started_at / 3600000, r.no, r.agent_id, '', '', '',
	c.calls - coalesce(b.calls, 0), c.spent_micro + c.overrun_micro - coalesce(b.cost_micro, 0), 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
FROM run r JOIN account c ON c.id = r.account_id
LEFT JOIN (
	SELECT n.parent, sum(d.calls) AS calls, sum(d.spent_micro + d.overrun_micro) AS cost_micro
	FROM run n JOIN account d ON d.id = n.account_id WHERE n.parent IS NOT NULL GROUP BY n.parent
) b ON b.parent = r.no
WHERE c.calls > 0 AND (SELECT user_version FROM pragma_user_version) = 1;

ALTER TABLE tally RENAME TO old_tally;
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

INSERT INTO tally (hour, run_no, agent_id, model, provider, wire, cause, calls, cost_micro, input, cached, output, latency_ms, first_token_ms,
	latency_0, latency_1, latency_2, latency_3, latency_4, latency_5, latency_6, latency_7, latency_8, latency_9, latency_10, latency_11, latency_12, latency_13, latency_14,
	first_token_0, first_token_1, first_token_2, first_token_3, first_token_4, first_token_5, first_token_6, first_token_7, first_token_8, first_token_9, first_token_10, first_token_11, first_token_12, first_token_13, first_token_14, first_token_15, first_token_16)
SELECT hour, run_no, agent_id, model, provider, wire, '', calls, cost_micro, input, cached, output, latency_ms, first_token_ms,
	latency_0, latency_1, latency_2, latency_3, latency_4, latency_5, latency_6, latency_7, latency_8, latency_9, latency_10, latency_11, latency_12, latency_13, latency_14,
	first_token_0, first_token_1, first_token_2, first_token_3, first_token_4, first_token_5, first_token_6, first_token_7, first_token_8, first_token_9, first_token_10, first_token_11, first_token_12, first_token_13, first_token_14, first_token_15, first_token_16
FROM call_tally;

-- What the sums by agent and model know beyond those by run, and refusals. Where
-- a run's sum stands in another hour or under no model, this takes it back there
-- and puts it where it belongs, so that every sum but that by run is as it was.
INSERT INTO tally (hour, run_no, agent_id, model, provider, wire, cause, calls, cost_micro, input, cached, output, latency_ms, first_token_ms)
SELECT hour, 0, agent_id, model, '', '', cause, sum(calls), sum(cost_micro), sum(input), sum(cached), sum(output), sum(latency_ms), 0
FROM (
	SELECT hour, agent_id, model, cause, calls, cost_micro, input, cached, output, latency_ms FROM old_tally
	UNION ALL
	SELECT hour, agent_id, model, '', -calls, -cost_micro, -input, -cached, -output, -latency_ms FROM call_tally
)
GROUP BY hour, agent_id, model, cause
HAVING sum(calls) <> 0 OR sum(cost_micro) <> 0
ON CONFLICT DO UPDATE SET calls = calls + excluded.calls, cost_micro = cost_micro + excluded.cost_micro,
	input = input + excluded.input, cached = cached + excluded.cached, output = output + excluded.output, latency_ms = latency_ms + excluded.latency_ms;

DROP TABLE old_tally;
DROP TABLE call_tally;
