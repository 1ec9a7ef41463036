import os
import tempfile

os.environ["MEM0_TELEMETRY"] = "False"
os.environ["MEM0_DIR"] = tempfile.mkdtemp()
from mem0 import Memory
from steps import *

config = {
    "llm": {"provider": "openai", "config": {"model": MODEL}},
    "embedder": {"provider": "openai", "config": {"model": "text-embedding-3-small"}},
    "vector_store": {"provider": "qdrant", "config": {"path": os.environ["MEM0_DIR"] + "/q", "embedding_model_dims": 1536}},
}
memory = Memory.from_config(config)
for n in range(LAST):
    memory.add("fact number %d" % n, user_id="me", infer=False)
say(sorted(r["memory"] for r in memory.search("a fact", filters={"user_id": "me"})["results"]))
memory.add("I like tea", user_id="me")
say("added")
