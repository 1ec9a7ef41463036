"""What bots print of their answers: all that does not differ from one run to
the next."""
import json

PASSING = {"id", "created", "created_at", "completed_at", "request_id", "item_id", "call_id", "tool_use_id", "response_id", "date", "sdk_http_response"}


def steady(value):
    if isinstance(value, dict):
        return {k: steady(v) for k, v in value.items() if k not in PASSING}
    if isinstance(value, (list, tuple)):
        return [steady(v) for v in value]
    return value


def show(kind, value):
    print(kind, json.dumps(steady(value), sort_keys=True, ensure_ascii=False, default=str), flush=True)
