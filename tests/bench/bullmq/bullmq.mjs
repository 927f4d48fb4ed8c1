// bullmq.mjs - one process of the queue that flotilla is measured against.
//
//   node bullmq.mjs worker SOCKET CONCURRENCY [URL]
//   node bullmq.mjs producer SOCKET
//
// Database 1 of the Redis at SOCKET.  The producer obeys what is pushed to bench:todo and pushes
// an answer to bench:done:
//
//   pause | resume           the whole queue, as its users would do it
//   add COUNT BYTES          jobs with BYTES of data, by addBulk
//
// A job answers with its data, as flotilla's noop does, or with the answer of URL, and is kept
// with its result, as flotilla's are.  Processes stay from round to round, so that they run warm.
import http from 'node:http';
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';

const CHUNK = 1000; // jobs per addBulk; two of them under way
const [what, path, concurrency, url] = process.argv.slice(2);
const connect = () => new Redis({ path, db: 1, maxRetriesPerRequest: null });

// Of node's clients the one that costs the least.
const agent = new http.Agent({ keepAlive: true });
const body = JSON.stringify({
    model: 'openai/gpt-oss-20b',
    max_tokens: 16,
    messages: [{ role: 'user', content: 'x'.repeat(200) }],
});
const headers = {
    'Content-Type': 'application/json',
    'Content-Length': body.length,
    Authorization: 'Bearer a-key-of-the-tests',
};

const call = () =>
    new Promise((resolve, reject) => {
        const request = http.request(url, { agent, method: 'POST', headers }, (answer) => {
            let text = '';

            answer.setEncoding('utf8');
            answer.on('data', (part) => (text += part));
            answer.on('error', reject);
            answer.on('end', () =>
                answer.statusCode === 200 ? resolve(JSON.parse(text)) : reject(new Error(text)),
            );
        });

        request.on('error', reject);
        request.end(body);
    });

async function work() {
    const worker = new Worker('bench', url ? call : async (job) => job.data.result ?? null, {
        connection: connect(),
        concurrency: Number(concurrency),
    });

    worker.on('error', (why) => console.error(why));
    await worker.waitUntilReady();
    process.stdout.write('ready\n');
}

async function add(queue, count, bytes) {
    const data = bytes ? { result: 'x'.repeat(bytes) } : {};
    const jobs = Array.from({ length: CHUNK }, () => ({ name: 'noop', data }));
    let before = Promise.resolve();

    for (let left = count; left > 0; left -= CHUNK) {
        const chunk = queue.addBulk(left < CHUNK ? jobs.slice(0, left) : jobs);

        await before;
        before = chunk;
    }
    await before;
}

async function produce() {
    const queue = new Queue('bench', { connection: connect() });
    const orders = connect();

    await queue.waitUntilReady();
    process.stdout.write('ready\n');
    for (;;) {
        const [, order] = await orders.brpop('bench:todo', 0);
        const [verb, count, bytes] = order.split(' ');

        if (verb === 'add') await add(queue, Number(count), Number(bytes));
        else await queue[verb]();
        await orders.lpush('bench:done', order);
    }
}

await (what === 'worker' ? work() : produce());
