// sdk.mjs - the provider's official SDK, and OpenAI's, against the simulator.
//
//     npm ci --ignore-scripts
//     node sdk.mjs http://127.0.0.1:PORT/v1 [KEY]
//
// What the SDK understands of the simulator it would understand of the
// provider, so this is the proof that the stand-in is faithful.  With KEY the
// simulator must have been started with --require-key KEY, and other keys must
// be refused.  Prints one line per check; exits with 1 when one fails.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const [base, key] = process.argv.slice(2);
if (!base) {
    console.error('usage: node sdk.mjs http://127.0.0.1:PORT/v1 [KEY]');
    process.exit(2);
}
process.env.TOGETHER_API_BASE_URL = base; // the SDK's upload reads this when it is loaded
// Its CommonJS build: upload in the other one calls functions that are not there.
const Together = createRequire(import.meta.url)('together-ai').default;
const { default: OpenAI, toFile } = await import('openai');

const root = base.replace(/\/v1\/?$/, '');
const apiKey = key ?? 'any-key';
const client = new Together({ apiKey, baseURL: base });
const impatient = new Together({ apiKey, baseURL: base, maxRetries: 0 });

const openai = new OpenAI({ apiKey, baseURL: base, maxRetries: 0 });

const CHAT = 'Qwen/Qwen3.5-9B';
const THINKER = 'openai/gpt-oss-20b';
const FORM_B = 'meta-llama/Llama-3.3-70B-Instruct-Turbo';
const hi = [{ role: 'user', content: 'Hi there' }];

async function sim(path, body) {
    const r = await fetch(`${root}/_sim/${path}`,
        body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) });
    assert.equal(r.status, 200, `${path}: ${r.status}`);
    return r.json();
}

async function fails(promise, status) {
    try {
        await promise;
    } catch (e) {
        assert.ok(e instanceof Together.APIError, `${e}`);
        assert.equal(e.status, status);
        return e;
    }
    assert.fail(`expected status ${status}`);
}

const checks = {
    async 'models are a bare list with prices per million'() {
        const models = await client.models.list();
        const m = models.find(row => row.id === CHAT);
        assert.equal(m.type, 'chat');
        assert.ok(Math.abs(m.pricing.input - 0.17) < 1e-9);
        assert.equal(m.context_length, 262144);
        assert.ok(models.some(row => row.id.includes('Meta-Llama-3.1-8B')), 'a removed one is listed');
    },

    async 'a chat is answered with usage'() {
        const r = await client.chat.completions.create({ model: CHAT, messages: hi });
        assert.equal(r.object, 'chat.completion');
        assert.equal(r.model, CHAT);
        assert.equal(r.choices[0].finish_reason, 'stop');
        assert.ok(r.choices[0].message.content.length >= 20);
        assert.equal(r.usage.prompt_tokens, 2);
        assert.equal(r.usage.completion_tokens, Math.ceil(r.choices[0].message.content.length / 4));
    },

    async 'n choices are n texts'() {
        const r = await client.chat.completions.create({ model: CHAT, messages: hi, n: 3 });
        assert.equal(new Set(r.choices.map(c => c.message.content)).size, 3);
    },

    async 'json_schema gives what fits it'() {
        const r = await client.chat.completions.create({
            model: CHAT, messages: hi,
            response_format: { type: 'json_schema', json_schema: { name: 'x', schema: {
                type: 'object', properties: { ok: { type: 'boolean' }, tag: { enum: ['a'] } } } } } });
        const v = JSON.parse(r.choices[0].message.content);
        assert.equal(typeof v.ok, 'boolean');
        assert.equal(v.tag, 'a');
    },

    async 'streams of both forms say what the whole answer says'() {
        for (const model of [CHAT, THINKER, FORM_B]) {
            const whole = await client.chat.completions.create({ model, messages: hi });
            const stream = await client.chat.completions.create({ model, messages: hi, stream: true });
            let text = '', usage = null, finish = null, empty = 0;
            for await (const chunk of stream) {
                text += chunk.choices[0]?.delta?.content ?? '';
                finish = chunk.choices[0]?.finish_reason ?? finish;
                usage = chunk.usage ?? usage;
                empty += chunk.choices.length === 0;
            }
            assert.equal(text, whole.choices[0].message.content);
            assert.equal(finish, 'stop');
            assert.equal(usage.total_tokens, whole.usage.total_tokens);
            assert.equal(empty, model === FORM_B ? 0 : 1);
        }
    },

    async 'a stream split inside characters is put together'() {
        await sim('faults', { fixture: 'split_utf8' });
        let text = '';
        for await (const chunk of await client.chat.completions.create({ model: CHAT, messages: hi, stream: true }))
            text += chunk.choices[0]?.delta?.content ?? '';
        assert.equal(text, 'Zürich – 東京 🚀 naïve');
    },

    async 'an error in the middle of a stream is thrown'() {
        await sim('faults', { fixture: 'mid_stream_error' });
        const stream = await client.chat.completions.create({ model: CHAT, messages: hi, stream: true });
        await assert.rejects(async () => { for await (const chunk of stream) void chunk; }, Together.APIError);
    },

    async 'a completion, whole and streamed'() {
        const r = await client.completions.create({ model: CHAT, prompt: 'Once' });
        assert.equal(r.object, 'text.completion');
        let text = '';
        for await (const chunk of await client.completions.create({ model: CHAT, prompt: 'Once', stream: true }))
            text += chunk.choices[0]?.text ?? '';
        assert.equal(text, r.choices[0].text);
    },

    async 'embeddings of like texts are alike'() {
        const r = await client.embeddings.create({
            model: 'intfloat/multilingual-e5-large-instruct', input: ['red ship', 'ship red', 'green tea'] });
        const [a, b, c] = r.data.map(row => row.embedding);
        const dot = (x, y) => x.reduce((sum, v, i) => sum + v * y[i], 0);
        assert.equal(r.data[2].index, 2);
        assert.ok(dot(a, b) > 0.999 && dot(a, c) < 0.99, `${dot(a, b)} ${dot(a, c)}`);
        assert.equal(r.usage, undefined);
    },

    async 'rerank puts the best document first'() {
        const r = await client.rerank.create({
            model: 'mixedbread-ai/Mxbai-Rerank-Large-V2', query: 'red ship',
            documents: ['a cat', 'the red ship', 'a ship'], top_n: 2, return_documents: true });
        assert.deepEqual(r.results.map(row => row.index), [1, 2]);
        assert.equal(r.results[0].document.text, 'the red ship');
    },

    async 'images come by address or as bytes'() {
        const model = 'black-forest-labs/FLUX.1-schnell';
        const r = await client.images.generate({ model, prompt: 'a ship', n: 2 });
        assert.equal(r.data.length, 2);
        const picture = await fetch(r.data[0].url);
        assert.equal(picture.headers.get('content-type'), 'image/png');
        const bytes = await client.images.generate({ model, prompt: 'a ship', response_format: 'base64' });
        assert.deepEqual(Buffer.from(bytes.data[0].b64_json, 'base64'), Buffer.from(await picture.arrayBuffer()));
    },

    async 'a file goes up by redirect and comes back'() {
        const dir = mkdtempSync(join(tmpdir(), 'flotilla-sdk-'));
        const text = '{"text":"one"}\n{"text":"two"}\n';
        try {
            writeFileSync(join(dir, 'data.jsonl'), text);
            const file = await uploaded(join(dir, 'data.jsonl'));
            assert.equal(file.bytes, text.length);
            assert.equal(file.LineCount, 2);
            assert.equal(await (await client.files.content(file.id)).text(), text);
            assert.ok((await client.files.list()).data.some(row => row.id === file.id));
            assert.equal((await client.files.delete(file.id)).deleted, true);
            await fails(client.files.retrieve(file.id), 404);
        } finally {
            rmSync(dir, { recursive: true });
        }
    },

    async 'OpenAI\'s client uploads a file in one request, and it comes back'() {
        const text = '{"text":"one"}\n{"text":"two"}\n';
        const file = await openai.files.create({
            file: await toFile(Buffer.from(text), 'data.jsonl'), purpose: 'fine-tune' });
        assert.equal(file.filename, 'data.jsonl');
        assert.equal(file.bytes, text.length);
        assert.equal(await (await openai.files.content(file.id)).text(), text);
        assert.equal((await openai.files.delete(file.id)).deleted, true);
        await assert.rejects(openai.files.create({
            file: await toFile(Buffer.from(text), 'data.jsonl'), purpose: 'none' }), OpenAI.BadRequestError);
    },

    async 'OpenAI\'s client reads answers, whole and streamed'() {
        const r = await openai.chat.completions.create({ model: CHAT, messages: hi });
        let text = '';
        for await (const chunk of await openai.chat.completions.create({ model: CHAT, messages: hi, stream: true }))
            text += chunk.choices[0]?.delta?.content ?? '';
        assert.equal(text, r.choices[0].message.content);
        assert.equal(r.choices[0].logprobs, null);
    },

    async 'logprobs are told for each token, whole and streamed'() {
        for (const endpoint of [client.chat.completions, client.completions]) {
            const ask = { model: CHAT, messages: hi, prompt: 'Hi there', logprobs: 1 };
            const [choice] = (await endpoint.create(ask)).choices;
            const { tokens, token_ids, token_logprobs } = choice.logprobs;
            const told = [];
            assert.equal(tokens.join(''), choice.message?.content ?? choice.text);
            assert.equal(token_ids.length, tokens.length);
            assert.ok(token_logprobs.length === tokens.length && token_logprobs.every(p => p <= 0));
            for await (const chunk of await endpoint.create({ ...ask, stream: true }))
                told.push(chunk.choices[0]?.logprobs ?? null);
            assert.deepEqual(told.filter(p => p !== null), token_logprobs);
        }
    },

    async 'a parameter of the wrong type is refused'() {
        for (const wrong of [{ temperature: 'hot' }, { top_p: [] }, { seed: {} }, { logprobs: 21 }, { logprobs: 'x' }])
            await fails(client.chat.completions.create({ model: CHAT, messages: hi, ...wrong }), 400);
    },

    async 'what is refused for good is not sent again'() {
        const before = (await sim('ledger?items=0')).requests;
        let e = await fails(client.chat.completions.create({ model: 'acme/none', messages: hi }), 404);
        assert.equal(e.error.error.code, 'model_not_available');
        e = await fails(client.chat.completions.create({
            model: 'meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo', messages: hi }), 400);
        assert.match(e.message, /non-serverless/);
        await fails(client.chat.completions.create({
            model: CHAT, messages: hi, max_tokens: 1000000 }), 403);
        await fails(client.chat.completions.create({ model: CHAT, messages: [] }), 400);
        assert.equal((await sim('ledger?items=0')).requests, before + 4);
    },

    async 'a bad key is an AuthenticationError'() {
        if (!key)
            await sim('faults', { fixture: 'bad_key' });
        const stranger = new Together({ apiKey: 'not-the-key', baseURL: base });
        const e = await fails(stranger.chat.completions.create({ model: CHAT, messages: hi }), 401);
        assert.ok(e instanceof Together.AuthenticationError);
        assert.equal(e.error.error.code, 'invalid_api_key');
    },

    async '429 and 503 are tried again until they pass'() {
        const before = (await sim('ledger?items=0')).requests;
        await sim('faults', [{ fixture: 'throttled', headers: { 'retry-after-ms': '20' } }, { fixture: 'overloaded', headers: { 'retry-after-ms': '20' } }]);
        const r = await client.chat.completions.create({ model: CHAT, messages: hi });
        assert.equal(r.choices.length, 1);
        assert.equal((await sim('ledger?items=0')).requests, before + 3);
    },

    async '429 is a RateLimitError with the seconds to wait'() {
        await sim('faults', { fixture: 'throttled' });
        const e = await fails(impatient.chat.completions.create({ model: CHAT, messages: hi }), 429);
        assert.ok(e instanceof Together.RateLimitError);
        assert.equal(e.headers.get('x-ratelimit-reset'), '2');
    },

    async 'a dropped connection is tried again'() {
        await sim('faults', { fixture: 'cut_before' });
        await client.chat.completions.create({ model: CHAT, messages: hi }, { maxRetries: 1 });
        await sim('faults', { fixture: 'cut_before' });
        await assert.rejects(impatient.chat.completions.create({ model: CHAT, messages: hi }),
            Together.APIConnectionError);
    },

    async 'the bill is the sum of its items and matches the usage'() {
        await sim('reset', {});
        const r = await client.chat.completions.create({ model: CHAT, messages: hi });
        const ledger = await sim('ledger');
        assert.equal(ledger.billed_nanousd, r.usage.prompt_tokens * 170 + r.usage.completion_tokens * 250);
        assert.equal(ledger.items.reduce((sum, i) => sum + i.billed_nanousd, 0), ledger.billed_nanousd);
        assert.equal(ledger.by_model[CHAT].requests, 1);
    },
};

// Node wants `duplex` for a body that is a stream, and the SDK's upload leaves it out.
async function uploaded(path) {
    const plain = globalThis.fetch;
    globalThis.fetch = (url, init) => plain(url, init?.body?.pipe ? { ...init, duplex: 'half' } : init);
    try {
        return await client.files.upload(path, 'fine-tune', false);
    } finally {
        globalThis.fetch = plain;
    }
}

let failed = 0;
await sim('reset', {});
for (const [name, check] of Object.entries(checks)) {
    try {
        await check();
        console.log(`ok      ${name}`);
    } catch (e) {
        failed++;
        console.log(`FAILED  ${name}\n        ${e.stack ?? JSON.stringify(e)}`);
    }
}
console.log(`${Object.keys(checks).length} checks, ${failed} failed`);
process.exit(failed ? 1 : 0);
