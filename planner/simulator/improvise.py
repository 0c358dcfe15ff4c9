"""What the model does when no scenario answers: a short text, one run of code when asked to compute, a forced tool."""

import re

from planner.simulator.canonical import Json, blocks_of
from planner.simulator.scenario import Call, Code, Fetch, Search, Step, Turn, user_text
from planner.simulator.tools import Toolbox

COMPUTE = re.compile(r"\b(run|compute|calculate|execute|analy[sz]e|plot)\b", re.IGNORECASE)
ANSWER = "Here is the answer, in one short sentence."
AFTER_RESULT = "The tool answered; that settles it."
CODE = Code(python="print(sum(range(10)))", stdout="45\n", seconds=1.0)


def turn(body: Json, box: Toolbox) -> Turn:
    """The default turn for a request."""
    choice = body.get("tool_choice")
    forced = choice if isinstance(choice, dict) and choice.get("type") in ("any", "tool") else None
    if forced is not None:
        return Turn(steps=(_forced(forced, box),))
    last = blocks_of(body["messages"])[-1]
    if last.get("role") == "assistant" or any(block["type"] == "tool_result" for block in blocks_of(last["content"])):
        return Turn(steps=(Step(say=AFTER_RESULT),))
    if box.declared_code and COMPUTE.search(user_text(last)):
        return Turn(steps=(Step(code=CODE), Step(say=ANSWER)))
    return Turn(steps=(Step(say=ANSWER),))


def _forced(choice: Json, box: Toolbox) -> Step:
    name = choice.get("name") or next(iter(box.clients), None)
    if isinstance(name, str) and name in box.clients:
        return Step(call=Call(name))
    if box.search is not None and name in (None, "web_search"):
        return Step(search=Search())
    if box.fetch is not None and name in (None, "web_fetch"):
        return Step(fetch=Fetch(url="https://example.com/"))
    return Step(code=CODE)
