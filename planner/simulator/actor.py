"""Plays the steps of a turn: each becomes the blocks that this request's tool versions would bring."""

from collections.abc import Callable
from datetime import timedelta
from fractions import Fraction

from planner.simulator import blocks, sources
from planner.simulator.bill import Sample
from planner.simulator.canonical import Json, canonical
from planner.simulator.containers import Pending
from planner.simulator.files import Upload
from planner.simulator.scenario import Call, Code, Edit, Fetch, Programmatic, Search, Step
from planner.simulator.stage import Call as Request
from planner.simulator.stage import Made, Stage, Stopped
from planner.simulator.tools import (
    FILTERING_SINCE,
    called_by_code,
    filters,
    sample_input,
    tool_type,
    version,
)

NO_CODE = "I cannot run code here: no code execution tool is declared."
NO_WEB = "I cannot reach the web here: no such tool is declared."
NO_TOOL = "I have no tool named {name}."
FILTER_CODE = "results = await {name}({query!r})\nprint(summarise(results))"


def play(stage: Stage, step: Step) -> None:
    """Do one step.

    Raises:
        Stopped: the response ends here.
    """
    _PLAYERS[step.kind](stage, step)


def seconds(value: float) -> Fraction:
    """A scripted duration, exactly as it was written."""
    return Fraction(str(value))


def say(stage: Stage, step: Step) -> None:
    """Text, with a citation of the latest search when asked."""
    block: Json = {"type": "text", "text": step.say or ""}
    if step.cite and stage.last_results:
        block["citations"] = [blocks.citation(stage.last_results[0], stage.state.seals)]
    stage.speak(block, step.tokens)


def think(stage: Stage, step: Step) -> None:
    """A thinking block."""
    stage.think(step.think or "", step.tokens)


def run_code(stage: Stage, step: Step) -> None:
    """A run of plain code in the container."""
    code, tool = step.code or Code(), stage.call.box.code
    if tool is None:
        stage.speak({"type": "text", "text": NO_CODE})
        return
    container, ids = stage.sandbox(), stage.call.ids
    tool_id = ids.new("srvtoolu")
    name, value = blocks.code_use(tool, code)
    stage.speak(blocks.server_use(tool_id, name, value, _direct(stage)), step.tokens)
    file_ids = []
    for out in code.files:
        upload = Upload(name=out.name, data=out.content.encode(), downloadable=True)
        stored = stage.state.files.add(upload, stage.call.key.workspace, ids, stage.call.at)
        container.files[out.name] = stored.id
        file_ids.append(stored.id)
    stage.wait(code.seconds)
    stage.receive(blocks.code_result(tool, tool_id, code, file_ids)).code = seconds(code.seconds)


def edit_file(stage: Stage, step: Step) -> None:
    """A use of the text editor; with the oldest tool version it is Python that does the same."""
    edit, tool = step.edit or Edit(command="view", path="/"), stage.call.box.code
    if tool is None or version(tool) < "20250825":
        code = Code(python=f"open({edit.path!r})", stdout=edit.text, seconds=edit.seconds)
        run_code(stage, Step(code=code, tokens=step.tokens))
        return
    container = stage.sandbox()
    tool_id = stage.call.ids.new("srvtoolu")
    use = blocks.server_use(tool_id, "text_editor_code_execution", blocks.edit_input(edit), _direct(stage))
    stage.speak(use, step.tokens)
    existed = edit.path in container.files
    container.files.setdefault(edit.path, "")
    stage.wait(edit.seconds)
    stage.receive(blocks.edit_result(tool_id, edit, existed=existed)).code = seconds(edit.seconds)


def search_web(stage: Stage, step: Step) -> None:
    """Web searches, by the model or, with dynamic filtering, by code in the container."""
    search, tool = step.search or Search(), stage.call.box.search
    if tool is None:
        stage.speak({"type": "text", "text": NO_WEB})
        return
    if not (filters(tool) and called_by_code(tool)):
        for _ in range(search.times):
            tool_id = stage.call.ids.new("srvtoolu")
            called = _web_caller(tool, None)
            stage.speak(blocks.server_use(tool_id, "web_search", {"query": search.query}, called), step.tokens)
            _searched(stage, search, tool, tool_id, code_id=None)
        return
    cell = _cell(stage, FILTER_CODE.format(name="web_search", query=search.query), step.tokens)
    for _ in range(search.times):
        tool_id = stage.call.ids.new("srvtoolu")
        stage.nest(blocks.server_use(tool_id, "web_search", {"query": search.query}, blocks.caller(cell)))
        _searched(stage, search, tool, tool_id, code_id=cell)
    _exclude(stage, tool, cell)
    _close(stage, cell, f"Summary of {search.query}", search.seconds, sealed=True)


def _searched(stage: Stage, search: Search, tool: Json, tool_id: str, *, code_id: str | None) -> None:
    done = sum(made.searches for made in stage.made)
    error: str | None = search.error
    if tool.get("max_uses") is not None and done >= tool["max_uses"]:
        error = "max_uses_exceeded"
    if error is None:
        stage.last_results = blocks.search_results(search, stage.state.seals, done + 1)
    content = blocks.search_error(error) if error is not None else stage.last_results
    result = blocks.search_result(tool_id, content, _web_caller(tool, code_id))
    made = stage.receive(result) if code_id is None else stage.nest(result)
    made.searches = 0 if error else 1


def fetch_web(stage: Stage, step: Step) -> None:
    """A web fetch, by the model or by code."""
    fetch, tool = step.fetch or Fetch(url=""), stage.call.box.fetch
    if tool is None:
        stage.speak({"type": "text", "text": NO_WEB})
        return
    cell = None
    if filters(tool) and called_by_code(tool):
        cell = _cell(stage, FILTER_CODE.format(name="web_fetch", query=fetch.url), step.tokens)
    tool_id = stage.call.ids.new("srvtoolu")
    use = blocks.server_use(tool_id, "web_fetch", {"url": fetch.url}, _web_caller(tool, cell))
    if cell is None:
        stage.speak(use, step.tokens)
    else:
        stage.nest(use)
    done = sum(made.fetches for made in stage.made)
    error = fetch.error or sources.refusal(fetch.url, tool, stage.call.body)
    if tool.get("max_uses") is not None and done >= tool["max_uses"]:
        error = "max_uses_exceeded"
    result = blocks.fetch_result(tool_id, fetch, error, called=_web_caller(tool, cell), now=stage.call.at)
    made = stage.receive(result) if cell is None else stage.nest(result)
    made.fetches = 1
    if cell is not None:
        _exclude(stage, tool, cell)
        _close(stage, cell, f"Summary of {fetch.url}", fetch.seconds)


def _cell(stage: Stage, code: str, tokens: int | None) -> str:
    """Open a cell of code that may call tools; its tool id."""
    stage.sandbox()
    tool_id = stage.call.ids.new("srvtoolu")
    stage.speak(blocks.server_use(tool_id, "code_execution", {"code": code}, blocks.caller(None)), tokens)
    return tool_id


def _close(stage: Stage, cell: str, stdout: str, took: float, *, sealed: bool = False) -> None:
    stage.wait(took)
    value = stage.state.seals.seal(stdout) if sealed else None
    stage.receive(blocks.cell_result(cell, stdout, sealed=value)).code = seconds(took)


def _exclude(stage: Stage, tool: Json, cell: str) -> None:
    """With `response_inclusion: excluded` the nested pairs of a finished cell are not shown; they still count."""
    if tool.get("response_inclusion") != "excluded":
        return
    kept: list[Made] = []
    dropped: list[Made] = []
    for made in stage.made:
        nested = made.block.get("caller", {}).get("tool_id") == cell
        (dropped if nested else kept).append(made)
    stage.made = kept
    kept[-1].searches += sum(made.searches for made in dropped)
    kept[-1].fetches += sum(made.fetches for made in dropped)


def call_tool(stage: Stage, step: Step) -> None:
    """A call of a client tool by the model."""
    if step.call is not None and _client_use(stage, step.call, blocks.caller(None), step.tokens):
        stage.stop_reason = "tool_use"


def _client_use(stage: Stage, call: Call, called: Json, tokens: int | None) -> str | None:
    tool = stage.call.box.clients.get(call.tool)
    if tool is None:
        stage.speak({"type": "text", "text": NO_TOOL.format(name=call.tool)})
        return None
    value = sample_input(tool.get("input_schema")) if call.input is None else call.input
    tool_id = stage.call.ids.new("toolu")
    shown = called if stage.programmatic else None
    use = blocks.client_use(tool_id, call.tool, value, shown)
    if called["type"] == "direct":
        stage.speak(use, tokens)
    else:
        stage.nest(use)
    return tool_id


def call_from_code(stage: Stage, step: Step) -> None:
    """Code calls client tools and waits: the response ends, the container remembers."""
    wanted = step.programmatic or Programmatic(calls=())
    box = stage.call.box
    if not stage.programmatic:
        for call in wanted.calls:
            call_tool(stage, Step(call=call, tokens=step.tokens))
        return
    container = stage.sandbox()
    waiting = next(reversed(container.pending.values()), None) if wanted.continues else None
    cell = waiting.tool_id if waiting is not None else _cell(stage, wanted.code, step.tokens)
    if box.search is not None:
        for _ in range(wanted.searches):
            tool_id = stage.call.ids.new("srvtoolu")
            stage.nest(blocks.server_use(tool_id, "web_search", {"query": "from code"}, blocks.caller(cell)))
            _searched(stage, Search(query="from code"), box.search, tool_id, code_id=cell)
    called = blocks.caller(None if wanted.direct else cell)
    made = [_client_use(stage, call, called, None) for call in wanted.calls]
    container.pending[cell] = Pending(
        tool_id=cell,
        calls=[tool_id for tool_id in made if tool_id is not None],
        tools_digest=tools_digest(stage.call),
        since=stage.call.at,
        stdout=wanted.stdout,
        seconds=wanted.seconds,
        sealed=bool(wanted.searches and box.search is not None),
    )
    stage.stop_reason = "tool_use"


def resume(stage: Stage, step: Step | None) -> None:
    """Code that was waiting goes on with the results it now has, unless the script has it call again."""
    container = stage.container
    if container is None or (step is not None and step.programmatic is not None and step.programmatic.continues):
        return
    for pending in list(container.pending.values()):
        del container.pending[pending.tool_id]
        late = stage.call.at - pending.since > timedelta(seconds=stage.state.config.pending_timeout)
        stderr = "TimeoutError: the tool call was not answered in time\n" if late else ""
        sealed = stage.state.seals.seal(pending.stdout) if pending.sealed and not late else None
        stage.wait(pending.seconds)
        result = blocks.cell_result(pending.tool_id, "" if late else pending.stdout, sealed=sealed, stderr=stderr)
        stage.receive(result).code = seconds(pending.seconds)


def tools_digest(call: Request) -> bytes:
    """What identifies the request's tools: a reply to pending calls must repeat them."""
    return canonical(call.body.get("tools"))


def advise(stage: Stage, step: Step) -> None:
    """An advisor iteration at its own model's price."""
    if step.advise is not None:
        told = step.advise
        stage.apart.append(
            Sample(model=told.model, kind="advisor_message", input=told.input_tokens, output=told.output_tokens)
        )


def compact(stage: Stage, step: Step) -> None:
    """A compaction iteration."""
    if step.compact is not None:
        told = step.compact
        model = stage.call.model.id
        stage.apart.append(Sample(model=model, kind="compaction", input=told.input_tokens, output=told.output_tokens))


def refuse(stage: Stage, step: Step) -> None:
    """A classifier stops the model."""
    if step.refuse is not None:
        stage.stop_reason = "refusal"
        told = step.refuse
        stage.stop_details = {"type": "refusal", "category": told.category, "explanation": told.explanation}
        stage.billed = told.billed or stage.output > 0
    raise Stopped


def fail(stage: Stage, step: Step) -> None:
    """An error instead of the rest."""
    stage.failure = step.error
    raise Stopped


def cut(stage: Stage, _step: Step) -> None:
    """The connection breaks instead of the rest."""
    stage.cut = True
    raise Stopped


def pause(stage: Stage, _step: Step) -> None:
    """The server-side loop pauses."""
    stage.stop_reason = "pause_turn"
    raise Stopped


def slow(stage: Stage, step: Step) -> None:
    """Silence with pings."""
    if step.slow is not None:
        stage.wait(step.slow.seconds, step.slow.pings)


def _direct(stage: Stage) -> Json | None:
    return blocks.caller(None) if stage.programmatic else None


def _web_caller(tool: Json, cell: str | None) -> Json | None:
    return blocks.caller(cell) if version(tool_type(tool)) >= FILTERING_SINCE else None


_PLAYERS: dict[str, Callable[[Stage, Step], None]] = {
    "say": say,
    "think": think,
    "code": run_code,
    "edit": edit_file,
    "search": search_web,
    "fetch": fetch_web,
    "call": call_tool,
    "programmatic": call_from_code,
    "advise": advise,
    "compact": compact,
    "refuse": refuse,
    "error": fail,
    "slow": slow,
    "pause": pause,
    "cut": cut,
}
