-- Of what an hour's calls did cost, what is an estimate, and of how many calls:
-- those that ended without their usage, and those whose aex died.
ALTER TABLE tally ADD COLUMN in_doubt_calls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tally ADD COLUMN in_doubt_micro INTEGER NOT NULL DEFAULT 0;

-- What the trail still tells of it. Of a settlement that came late, held_micro is
-- what the call had been booked with.
INSERT INTO tally (hour, run_no, agent_id, group_id, model, provider, wire, cause,
	calls, cost_micro, input, cached, output, latency_ms, first_token_ms, in_doubt_calls, in_doubt_micro)
SELECT unixepoch(time) / 3600,
	coalesce((SELECT no FROM run WHERE id = e.run), 0),
	CAST(substr(agent_id, 2) AS INTEGER),
	coalesce((SELECT c.group_id FROM json_each(e.accounts) j JOIN account c ON c.id = j.value JOIN agent_group n ON n.id = c.group_id
		ORDER BY length(n.name) DESC LIMIT 1), 0),
	coalesce(nullif(model_served, ''), nullif(model_sent, ''), model_asked, ''), coalesce(provider, ''), coalesce(wire, ''), '',
	0, 0, 0, 0, 0, 0, 0,
	sum((action <> 'usage.late' OR how = 'estimated') - (action = 'usage.late')),
	sum(CASE WHEN action = 'usage.late' AND how <> 'estimated' THEN -held ELSE cost END)
FROM (
	SELECT json_extract(body, '$.time') AS time, json_extract(body, '$.action') AS action, json_extract(body, '$.run') AS run,
		json_extract(body, '$.agent_id') AS agent_id, json_extract(body, '$.accounts') AS accounts, json_extract(body, '$.how') AS how,
		json_extract(body, '$.model_served') AS model_served, json_extract(body, '$.model_sent') AS model_sent, json_extract(body, '$.model_asked') AS model_asked,
		json_extract(body, '$.provider') AS provider, json_extract(body, '$.wire') AS wire,
		coalesce(json_extract(body, '$.cost_micro'), 0) AS cost, coalesce(json_extract(body, '$.held_micro'), 0) AS held
	FROM event_log
	WHERE instr(body, '"how":"estimated"') OR instr(body, '"usage.recovered"') OR instr(body, '"usage.late"')
) e
WHERE action IN ('usage.late', 'usage.recovered') OR action = 'usage.commit' AND how = 'estimated'
GROUP BY 1, 2, 3, 4, 5, 6, 7
ON CONFLICT DO UPDATE SET in_doubt_calls = in_doubt_calls + excluded.in_doubt_calls, in_doubt_micro = in_doubt_micro + excluded.in_doubt_micro;
