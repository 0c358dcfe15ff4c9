// A program for the official TypeScript SDK: talks to the address in its argument and prints what it got as JSON.

import Anthropic, { toFile } from "@anthropic-ai/sdk";
import { betaTool } from "@anthropic-ai/sdk/helpers/beta/json-schema";
import { VERSION } from "@anthropic-ai/sdk/version";

const model = "claude-opus-5-5";
const code = { type: "code_execution_20250825", name: "code_execution" };
const user = (content) => ({ role: "user", content });
const client = new Anthropic({ baseURL: process.argv[2], apiKey: "sk-ant-test", maxRetries: 0 });

async function collected(items) {
  const got = [];
  for await (const item of items) got.push(item);
  return got;
}

/** Whole, streamed by the helper, streamed raw, counted. */
async function messages() {
  const asked = { model, max_tokens: 4096, messages: [user("[csv]")], tools: [code] };
  const whole = await client.messages.create(asked);
  const stream = client.messages.stream(asked);
  const kinds = (await collected(stream)).map((event) => event.type);
  const events = await client.messages.create({ model, max_tokens: 99, messages: [user("[think]")], stream: true });
  const raw = await collected(events);
  const counted = await client.messages.countTokens({ model, messages: [user("hi")], tools: [code] });
  const models = await collected(client.models.list({ limit: 5 }));
  return [whole, kinds, await stream.finalMessage(), raw, counted, models];
}

/** Upload, preload, download, delete. */
async function files() {
  const sent = await client.files.upload({ file: await toFile(Buffer.from("a,b\n1,2\n"), "sales.csv", { type: "text/csv" }) });
  const content = [{ type: "text", text: "[csv]" }, { type: "container_upload", file_id: sent.id }];
  const message = await client.messages.create({ model, max_tokens: 4096, messages: [user(content)], tools: [code] });
  const outputs = message.content
    .filter((block) => block.type === "bash_code_execution_tool_result")
    .flatMap((block) => block.content.content.map((output) => output.file_id));
  const text = await (await client.files.download(outputs[0])).text();
  return [sent, message, text, await client.files.delete(sent.id)];
}

/** Create, wait, read the results from the address that the batch names. */
async function batches() {
  const params = { model, max_tokens: 99, messages: [user("hi")] };
  const batch = await client.messages.batches.create({ requests: [{ custom_id: "one", params }] });
  await client.post("/simulator/advance", { body: { seconds: 61 } });
  const done = await client.messages.batches.retrieve(batch.id);
  return [batch, done, await collected(await client.messages.batches.results(batch.id))];
}

/** The tool runner, which starts a message thread; and a loop by hand over a programmatic call and its container. */
async function tools() {
  const inputSchema = { type: "object", properties: {} };
  const weather = betaTool({ name: "get_weather", description: "The weather", inputSchema, run: () => "mild" });
  const runner = client.beta.messages.toolRunner({ model, max_tokens: 999, messages: [user("[think-tool]")], tools: [weather] });
  const ran = await collected(runner);
  const declared = [
    { type: "code_execution_20260521", name: "code_execution" },
    { name: "get_weather", input_schema: inputSchema, allowed_callers: ["code_execution_20260120"] },
  ];
  const asked = { model, max_tokens: 999, tools: declared };
  const first = await client.messages.create({ ...asked, messages: [user("[pending]")] });
  const answers = first.content
    .filter((block) => block.type === "tool_use")
    .map((block) => ({ type: "tool_result", tool_use_id: block.id, content: "mild" }));
  const history = [user("[pending]"), { role: "assistant", content: first.content }, user(answers)];
  const second = await client.messages.create({ ...asked, messages: history, container: first.container.id });
  return [ran, first, second];
}

/** Its own classes; a rate limit is tried again once, as the API asks. */
async function errors() {
  const got = [];
  for (const marker of ["[400]", "[500]", "[midstream-error]"]) {
    try {
      const asked = { model, max_tokens: 9, messages: [user(marker)] };
      await (marker === "[midstream-error]" ? client.messages.stream(asked).finalMessage() : client.messages.create(asked));
    } catch (error) {
      got.push([error.constructor.name, error.status ?? null, error.error ?? null, error.requestID ?? null]);
    }
  }
  const asked = { model, max_tokens: 9, messages: [user("[rate-limit]")] };
  return [...got, await client.messages.create(asked, { maxRetries: 1 })];
}

const got = { version: VERSION };
for (const talk of [messages, files, batches, tools, errors]) got[talk.name] = await talk();
process.stdout.write(JSON.stringify(got));
