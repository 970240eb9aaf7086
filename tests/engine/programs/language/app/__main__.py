"""Ends as end.txt says; exports what the language host told it."""

import sys
import time
from pathlib import Path

import pulumi

config = pulumi.Config()
end = (Path(__file__).parent / "end.txt").read_text(encoding="utf-8")
print("said by the program")
if end == "refusal":
    raise pulumi.RunError("settings.models.chat: this is wrong")
if end == "exception":
    raise KeyError("the-missing-key")
if end == "never":
    time.sleep(600)
if end == "status":
    sys.exit(3)
pulumi.export("word", config.get_secret("word"))
pulumi.export("word_is_secret", pulumi.runtime.is_config_secret(f"{pulumi.get_project()}:word"))
pulumi.export("folder", Path.cwd().name)
pulumi.export("first_on_path", Path(sys.path[0]).name)
pulumi.export("root", Path(pulumi.get_root_directory()).name)
