// bullmq.mjs - one process of the queue that flotilla is measured against.
//
//   node bullmq.mjs worker SOCKET CONCURRENCY
//   node bullmq.mjs producer SOCKET
//
// Database 1 of the Redis at SOCKET.  The producer obeys what is pushed to bench:todo and pushes
// an answer to bench:done:
//
//   pause | resume           the whole queue, as its users would do it
//   add COUNT BYTES          jobs with BYTES of data, by addBulk
//
// A job answers with its data, as flotilla's noop does, and is kept with its result, as
// flotilla's are.  Processes stay from round to round, so that they run warm.
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';

const CHUNK = 1000; // jobs per addBulk; two of them under way
const [what, path, concurrency] = process.argv.slice(2);
const connect = () => new Redis({ path, db: 1, maxRetriesPerRequest: null });

async function work() {
    const worker = new Worker('bench', async (job) => job.data.result ?? null, {
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
