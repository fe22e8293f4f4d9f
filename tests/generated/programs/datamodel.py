"""Reads answers with the models that datamodel-code-generator has made: the module's folder, then answers on stdin."""

import json
import sys

sys.path.insert(0, sys.argv[1])
import made

answers = json.load(sys.stdin)
print(json.dumps({name: type(getattr(made, name).model_validate(body)).__name__ for name, body in answers.items()}))
