-- The events of an agent that was deleted are not those of a new agent with its
-- name: SUM(cost_micro) of an agent's events is what it has spent.
DROP VIEW events;
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
	datetime(time) AS timestamp,
	body AS metadata
FROM trail t;
