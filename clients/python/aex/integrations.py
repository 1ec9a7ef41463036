"""What v1.2 offered to programs: clients and settings that lead to aex."""

import os

from ._binary import ask

DEFAULT_PORT = 9000

_tokens = {}  # agent -> token minted by this process; aex itself keeps none


def _server(port):
    """Where the gateway is, without /v1."""
    url = os.environ.get("AEX_URL")
    if url and port is None:
        return url.rstrip("/")
    if port is None:
        try:
            url = ask("daemon", "status").get("url")
        except (RuntimeError, ValueError):  # none is running, or there is no binary
            url = None
        if url:
            return url.rstrip("/")
    return f"http://127.0.0.1:{DEFAULT_PORT if port is None else port}"


def get_base_url(port=None):
    """The base URL for OpenAI's SDK: the run's gateway, the running server's,
    or that of a server at the default port."""
    return _server(port) + "/v1"


def get_agent_token(agent_name):
    """A token of the agent.

    Under aex run it is the run's own; elsewhere one is minted, once in each
    process. Raises ValueError for an agent that does not exist.
    """
    if os.environ.get("AEX_RUN_ID") and os.environ.get("AEX_AGENT_TOKEN"):
        return os.environ["AEX_AGENT_TOKEN"]
    if agent_name not in _tokens:
        _tokens[agent_name] = ask("agent", "token", agent_name)["token"]
    return _tokens[agent_name]


def get_openai_client(agent_name, port=None, **options):
    """An openai.OpenAI client for the agent; options go to its constructor."""
    from openai import OpenAI

    return OpenAI(base_url=get_base_url(port), api_key=get_agent_token(agent_name), **options)


def get_groq_client(agent_name, port=None, **options):
    """A groq.Groq client for the agent; options go to its constructor.

    Groq's SDK adds /openai/v1 itself, so its base URL ends before that.
    """
    from groq import Groq

    return Groq(base_url=_server(port), api_key=get_agent_token(agent_name), **options)


def configure_environment(agent_name, port=None):
    """Set what SDKs read from the environment, and return it."""
    token = get_agent_token(agent_name)
    settings = {
        "OPENAI_BASE_URL": get_base_url(port),
        "OPENAI_API_KEY": token,
        "AEX_AGENT_TOKEN": token,
    }
    os.environ.update(settings)
    return settings
