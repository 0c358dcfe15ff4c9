"""A program for the last generation of the Python SDK before 1.0: talks to the address in its argument, prints JSON.

It sends `x-api-key`, `anthropic-version: 2023-06-01` and `?beta=true`, as most frameworks in use still do.
"""

import json
import sys
from typing import Any

import anthropic

MODEL = "claude-opus-5-5"
CODE: Any = {"type": "code_execution_20250825", "name": "code_execution"}
BETAS = ["files-api-2025-04-14"]


def user(content: Any) -> Any:
    """A user message."""
    return {"role": "user", "content": content}


def plain(value: Any) -> Any:
    """What the SDK parsed, as JSON."""
    return value.model_dump(mode="json")


def messages(client: Any) -> Any:
    """Whole, streamed by the helper, streamed raw, counted."""
    asked = {"model": MODEL, "max_tokens": 4096, "messages": [user("[csv]")], "tools": [CODE]}
    got = [plain(client.messages.create(**asked))]
    with client.messages.stream(**asked) as stream:
        got += [[event.type for event in stream], plain(stream.get_final_message())]
    events = client.messages.create(model=MODEL, max_tokens=99, messages=[user("[think]")], stream=True)
    got.append([plain(event) for event in events])
    with client.messages.stream(model=MODEL, max_tokens=99, messages=[user("hi")]) as stream:
        got.append("".join(stream.text_stream))
    counted = client.messages.count_tokens(model=MODEL, messages=[user("hi")], tools=[CODE])
    return [*got, plain(counted), [plain(model) for model in client.models.list(limit=5)]]


def files(client: Any) -> Any:
    """Upload, preload, download, delete, by the beta API of its time."""
    sent = client.beta.files.upload(file=("sales.csv", b"a,b\n1,2\n", "text/csv"))
    content = [{"type": "text", "text": "[csv]"}, {"type": "container_upload", "file_id": sent.id}]
    message = client.beta.messages.create(
        model=MODEL, max_tokens=4096, messages=[user(content)], tools=[CODE], betas=BETAS
    )
    outputs = [
        output.file_id
        for block in message.content
        if block.type == "bash_code_execution_tool_result"
        for output in block.content.content
    ]
    text = client.beta.files.download(outputs[0]).read().decode()
    return [plain(sent), plain(message), text, plain(client.beta.files.delete(sent.id))]


def batches(client: Any) -> Any:
    """Create, wait, read the results."""
    params = {"model": MODEL, "max_tokens": 99, "messages": [user("hi")]}
    batch = client.messages.batches.create(requests=[{"custom_id": "one", "params": params}])
    client.post("/simulator/advance", body={"seconds": 61}, cast_to=object)
    done = client.messages.batches.retrieve(batch.id)
    return [plain(batch), plain(done), [plain(item) for item in client.messages.batches.results(batch.id)]]


def tool_loop(client: Any) -> Any:
    """The tool runner as it was: it sends the whole history with every turn."""

    @anthropic.beta_tool
    def get_weather() -> str:
        """The weather."""
        return "mild"

    runner = client.beta.messages.tool_runner(
        model=MODEL, max_tokens=999, messages=[user("[tool]")], tools=[get_weather, CODE]
    )
    return [plain(message) for message in runner]


def errors(client: Any) -> Any:
    """Its own classes; a rate limit is waited for as the API says."""
    got: list[Any] = []
    for marker in ("[400]", "[500]"):
        try:
            client.with_options(max_retries=0).messages.create(model=MODEL, max_tokens=9, messages=[user(marker)])
        except anthropic.APIStatusError as error:
            got.append([type(error).__name__, error.status_code, error.body, error.request_id])
    message = client.messages.create(model=MODEL, max_tokens=9, messages=[user("[rate-limit]")])
    return [*got, plain(message)]


def main() -> None:
    """Hold every talk once."""
    talks = (messages, files, batches, tool_loop, errors)
    with anthropic.Anthropic(base_url=sys.argv[1], api_key="sk-ant-test") as client:
        got = {talk.__name__: talk(client) for talk in talks}
    json.dump({"version": anthropic.__version__, **got}, sys.stdout)


if __name__ == "__main__":
    main()
