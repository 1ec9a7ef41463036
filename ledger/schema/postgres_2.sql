-- What scripts written for aex 1.2 query, as in a file.
CREATE VIEW agents AS
SELECT a.name,
	coalesce(w.budget_micro, t.budget_micro, a.budget_micro) AS budget_micro,
	CASE WHEN a."window" = 'total' THEN t.spent_micro ELSE coalesce(w.spent_micro, 0) END AS spent_micro,
	CASE WHEN a."window" = 'total' THEN t.reserved_micro ELSE coalesce(w.reserved_micro, 0) END AS reserved_micro,
	CASE WHEN a."window" = 'total' THEN t.overrun_micro ELSE coalesce(w.overrun_micro, 0) END AS overrun_micro,
	a.rpm_limit,
	nullif(a.tpm_limit, 0) AS max_tokens_per_minute,
	to_char(to_timestamp(a.created_at / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS created_at,
	to_char(to_timestamp(t.last_at / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS last_activity,
	a.capabilities
FROM agent a
JOIN account t ON t.agent_id = a.id AND t.kind = 'agent'
LEFT JOIN account w ON w.id = (
	SELECT c.id FROM account c
	WHERE c.agent_id = a.id AND c.kind = 'window' AND c."window" = a."window"
	ORDER BY c.start_at DESC LIMIT 1)
WHERE a.deleted_at IS NULL;

CREATE VIEW events AS
SELECT seq AS id,
	CASE WHEN EXISTS (
		SELECT 1 FROM agent n
		WHERE n.name = t.agent AND n.deleted_at IS NULL AND 'a' || n.id <> t.agent_id)
	THEN agent || ' (deleted)' ELSE agent END AS agent,
	CASE action
		WHEN 'rate.deny' THEN 'RATE_LIMIT'
		WHEN 'policy.deny' THEN 'POLICY_VIOLATION'
		WHEN 'agent.delete' THEN 'AGENT_DELETED'
		ELSE action END AS action,
	cost_micro,
	replace(substr(time, 1, 19), 'T', ' ') AS timestamp,
	body AS metadata
FROM trail t;

GRANT SELECT ON agents, events TO aex_read, aex_gateway, aex_budget;

-- What a gateway makes hangs where its calls are charged: a run's account under
-- its agent's or under another run of the agent, and a run on an account of its
-- own. Else it could make a run that nothing limits, and other gateways would
-- serve it. What has been revoked stays so.
DROP POLICY runs ON account;
CREATE POLICY runs ON account FOR INSERT TO aex_gateway WITH CHECK (
	spent_micro = 0 AND reserved_micro = 0 AND overrun_micro = 0 AND (
		kind = 'run'
			AND EXISTS (SELECT 1 FROM account p WHERE p.id = account.parent AND p.agent_id = account.agent_id AND p.kind IN ('agent', 'run'))
		OR kind = 'window' AND parent IS NULL
			AND target_micro IS NOT DISTINCT FROM (SELECT a.budget_micro FROM agent a WHERE a.id = account.agent_id AND a."window" = account."window")
			AND EXISTS (SELECT 1 FROM agent a WHERE a.id = account.agent_id AND a."window" = account."window")
		OR kind = 'group' AND parent IS NULL AND "window" <> ''
			AND target_micro = (SELECT b.budget_micro FROM group_budget b WHERE b.group_id = account.group_id AND b."window" = account."window")));

ALTER TABLE run ENABLE ROW LEVEL SECURITY;
CREATE POLICY all_see ON run FOR SELECT USING (true);
CREATE POLICY all_change ON run FOR UPDATE USING (true);
CREATE POLICY opens ON run FOR INSERT TO aex_gateway WITH CHECK (
	EXISTS (SELECT 1 FROM account c WHERE c.id = run.account_id AND c.agent_id = run.agent_id AND c.kind = 'run'));

ALTER TABLE token ENABLE ROW LEVEL SECURITY;
CREATE POLICY all_see ON token FOR SELECT USING (true);
CREATE POLICY makes ON token FOR INSERT TO aex_gateway WITH CHECK (true);
CREATE POLICY extends ON token FOR UPDATE TO aex_gateway USING (revoked_at IS NULL) WITH CHECK (true);
