"""One Messages request from body to response: validate, prepare, play the turn, and at the end put it on the bill."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import msgspec

from planner.simulator import actor, diagnostics, history, improvise, prompt, scenario, shape, tool_rules, usage
from planner.simulator.bill import BATCH, Sample, Work
from planner.simulator.cache import Split
from planner.simulator.canonical import Json, blocks_of
from planner.simulator.config import Key
from planner.simulator.containers import Container, requested
from planner.simulator.errors import MESSAGES, ApiError, invalid
from planner.simulator.hours import Use
from planner.simulator.ids import RequestIds
from planner.simulator.scenario import Fail, Turn
from planner.simulator.stage import Call, Stage, Stopped
from planner.simulator.state import State
from planner.simulator.tools import toolbox
from planner.simulator.usage import Extras

FREE_SINCE = datetime(2026, 2, 17, tzinfo=UTC)
"""Code beside a newer web tool is free from this day on."""
ITERATION_BETAS = ("compact-", "advisor-tool-", "context-management-", "server-side-fallback-")


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What came with the body."""

    key: Key
    version: str | None
    betas: frozenset[str]
    request_id: str
    ids: RequestIds
    at: datetime
    batch: bool = False
    counting: bool = False


class Outcome(msgspec.Struct, kw_only=True):
    """A played response."""

    stage: Stage
    message: Json
    extras: Extras
    samples: Sequence[Sample]
    diagnosis: Json | None
    settled: bool = False


def prepare(state: State, sent: Json, envelope: Envelope) -> Call:
    """Judge a request.

    Raises:
        ApiError: whatever the API would say to it.
    """
    key, config = envelope.key, state.config
    version = shape.check_version(envelope.version)
    body = sent if envelope.counting else state.threads.assemble(sent, key.workspace, envelope.betas)
    try:
        model = shape.check_model(body)
        shape.check(body, model, version, counting=envelope.counting)
        tool_rules.check(body, model, key, config)
        history.check(body, model, state.seals, config)
        tools = blocks_of(body.get("tools"))
        read = prompt.read(body, config.switches)
        shape.check_prompt(read.tokens, model)
    except ApiError:
        state.threads.release(sent)
        raise
    return Call(
        body=body,
        sent=sent,
        key=key,
        organization=state.organization(key),
        model=model,
        box=toolbox(tools, config.switches),
        prompt=read,
        betas=envelope.betas,
        request_id=envelope.request_id,
        ids=envelope.ids,
        at=envelope.at,
        batch=envelope.batch,
    )


def play(state: State, call: Call) -> Outcome:
    """Answer a request.

    Raises:
        ApiError: the container is refused, or the script says so before anything was said.
    """
    try:
        container = _container(state, call)
        turn = _turn(state, call)
        if turn.steps and turn.steps[0].error is not None:
            raise scripted(turn.steps[0].error)
        return _perform(state, call, turn, container)
    except ApiError:
        state.threads.release(call.sent)
        raise


def _perform(state: State, call: Call, turn: Turn, container: Container | None) -> Outcome:
    speed = call.body.get("speed")
    fast = speed == "fast" and (state.config.fast_served if turn.fast is None else turn.fast)
    scope = f"{call.key.workspace}\0{call.model.id}\0{'fast' if fast else 'standard'}"
    split = state.cache.use(call.prompt, scope, call.model.cache_minimum, call.at)
    stage = Stage(state, call, split, container)
    if container is not None and not container.requests:  # skills had it started
        stage.starting = state.config.container_start
    _preload(state, stage)
    try:
        actor.resume(stage, turn.steps[0] if turn.steps else None)
        for step in turn.steps:
            actor.play(stage, step)
    except Stopped:
        pass
    if turn.output_tokens is not None:
        _set_output(stage, turn.output_tokens)
    geo = call.body.get("inference_geo") or "global" if call.model.geo else "not_available"
    shown = turn.iterations or any(beta.startswith(ITERATION_BETAS) for beta in call.betas)
    extras = Extras(
        tier=BATCH if call.batch else "standard",
        geo=geo,
        speed=("fast" if fast else "standard") if speed is not None else None,
        searches=sum(made.searches for made in stage.made),
        fetches=sum(made.fetches for made in stage.made),
        used_server_tools=any(made.block["type"] == "server_tool_use" for made in stage.made),
        iterations=shown,
    )
    samples = [*stage.samples(), *stage.apart]
    diagnosis = _diagnose(state, stage, scope, split)
    message = _message(stage, extras, samples, diagnosis, omit_container=turn.omit_container)
    if stage.container is not None:
        stage.container.enter()
    return Outcome(stage=stage, message=message, extras=extras, samples=samples, diagnosis=diagnosis)


def _message(
    stage: Stage, extras: Extras, samples: Sequence[Sample], diagnosis: Json | None, *, omit_container: bool
) -> Json:
    message: Json = {
        "id": stage.message_id,
        "type": "message",
        "role": "assistant",
        "model": stage.call.model.id,
        "content": [made.block for made in stage.made],
        "stop_reason": stage.stop_reason,
        "stop_sequence": stage.stop_sequence,
        "stop_details": stage.stop_details,
        "usage": usage.whole(samples, extras),
        "diagnostics": diagnosis,
    }
    container = stage.container
    if container is not None and not omit_container:
        state = stage.state
        took = timedelta(seconds=sum(made.delay for made in stage.made) * state.config.time_factor)
        expires = state.containers.expiry(container, stage.call.at + took)
        message["container"] = container.answer(max(expires, container.expires))
    return message


def _container(state: State, call: Call) -> Container | None:
    """The container a request goes on in; None: none so far.

    Raises:
        ApiError: it cannot be had, or calls are pending and it is not named, or the reply to them is not one.
    """
    name, skills = requested(call.body)
    messages = blocks_of(call.body["messages"])
    waiting = history.waiting(messages)
    if waiting and name is None:
        raise invalid(history.PENDING_WITHOUT_CONTAINER)
    container = None if name is None else state.containers.find(name, call.key.workspace, call.at)
    if skills:
        if call.box.code is None:
            raise invalid("container.skills: skills require the code execution tool to be in `tools`")
        loaded = state.skills.load(skills, call.key.workspace)
        container = container or state.containers.create(call.key.workspace, call.ids, call.at)
        container.skills = loaded
    if waiting and container is not None:
        history.check_reply(messages)
        for item in waiting:
            pending = container.pending.get(item.tool_id)
            if pending is None:
                raise invalid(f"container: {container.id} has no pending tool use {item.tool_id}.")
            if pending.tools_digest != actor.tools_digest(call):
                raise invalid("tools: must be the same as in the request whose tool uses are pending")
    return container


def _turn(state: State, call: Call) -> Turn:
    """The turn that is due, without the failures that have happened often enough."""
    found = scenario.choose(state.scenarios, call.body)
    turn = None if found is None else found[0].turn(found[1])
    if found is None or turn is None:
        return improvise.turn(call.body, call.box)
    steps = []
    for index, step in enumerate(turn.steps):
        if step.error is not None and step.error.times:
            key = (call.key.workspace, found[0].name, found[1], index)
            count = state.failures[key] = state.failures.get(key, 0) + 1
            if count > step.error.times:
                continue
        steps.append(step)
    return msgspec.structs.replace(turn, steps=tuple(steps))


def scripted(fail: Fail) -> ApiError:
    """The error a script asks for."""
    headers = {} if fail.retry_after is None else {"retry-after": str(fail.retry_after)}
    return ApiError(fail.status, fail.message or MESSAGES.get(fail.status, "Scripted error"), headers=headers)


def _preload(state: State, stage: Stage) -> None:
    """Files and skills named in the request are put into a container, whether or not code runs."""
    call, switches = stage.call, state.config.switches
    users = [message for message in blocks_of(call.body["messages"]) if message.get("role") == "user"]
    fresh = False
    for number, message in enumerate(users):
        for block in blocks_of(message.get("content")):
            if block["type"] != "container_upload":
                continue
            if call.box.code is None:
                raise invalid("container_upload: requires the code execution tool to be in `tools`")
            stored = state.files.get(str(block.get("file_id")), call.key.workspace, call.at)
            stage.sandbox().files[stored.name] = stored.id
            fresh = fresh or number == len(users) - 1 or switches.code_history_uploads_bill
    skills = bool(requested(call.body)[1]) and switches.code_skills_preload_bills
    stage.preloaded = fresh or skills


def _set_output(stage: Stage, tokens: int) -> None:
    for made in reversed(stage.made):
        if made.output:
            made.output = max(made.output + tokens - stage.output, 0)
            return


def _diagnose(state: State, stage: Stage, scope: str, split: Split) -> Json | None:
    call = stage.call
    if call.body.get("diagnostics") is None:
        return None
    found = diagnostics.fingerprint(call.prompt, scope, split)
    state.memory.keep(call.key.workspace, stage.message_id, found)
    return state.memory.diagnose(call.body, call.key.workspace, found, split.read)


def drop(state: State, outcome: Outcome) -> None:
    """Forget a response that became an error status: it costs nothing."""
    _end(outcome)
    state.threads.release(outcome.stage.call.sent)


def _end(outcome: Outcome) -> None:
    outcome.settled = True
    if outcome.stage.container is not None:
        outcome.stage.container.leave()


def settle(state: State, outcome: Outcome, *, blocks: int | None = None, result: str = "ok") -> None:
    """Put a response on the bill, once: all of it, or its first `blocks` blocks when it broke off."""
    if outcome.settled:
        return
    _end(outcome)
    stage, call = outcome.stage, outcome.stage.call
    now = state.clock.now()
    if stage.container is not None:
        state.containers.touch(stage.container, now)
    if blocks is None:
        if isinstance(call.sent.get("thread"), dict):
            state.threads.keep({**call.body, "thread": call.sent["thread"]}, outcome.message, call.key.workspace)
    else:
        state.threads.release(call.sent)
        if not state.config.bill_partial:
            return
    if not stage.billed:
        return
    made = stage.made if blocks is None else stage.made[:blocks]
    ran = [item.code for item in made if item.code is not None]
    use = None
    if stage.container is not None and (ran or stage.preloaded):
        use = Use(
            container=stage.container.id,
            organization=call.organization,
            start=call.at,
            end=now,
            seconds=sum(ran, Fraction(0)),
            free=call.box.frees and call.at >= FREE_SINCE,
        )
    state.bill.charge(
        Work(
            request_id=call.request_id,
            message_id=stage.message_id,
            at=call.at,
            organization=call.organization,
            workspace=call.key.workspace,
            api_key_id=call.key.id,
            model=call.model.id,
            tier=outcome.extras.tier,
            geo=outcome.extras.geo,
            fast=outcome.extras.speed == "fast",
            samples=outcome.samples if blocks is None else [*stage.samples(blocks), *stage.apart],
            searches=sum(item.searches for item in made),
            spans=len(ran),
            use=use,
            outcome=result,
        )
    )
