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
