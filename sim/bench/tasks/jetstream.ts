/**
 * A work queue of JetStream on this machine's disk, by the client that people use and the requests that it is made of:
 * each message is acknowledged when it is stored, taken by one worker, and acknowledged by that one.
 *
 * As it is installed, JetStream acknowledges what it has handed to the kernel, and syncs the disk every two minutes: a
 * machine that loses its power loses what was acknowledged before (nats-server, issue 7564). `isSynced` has it promise what a
 * task is promised here, that what is acknowledged is on the disk: by `sync_interval: always` where the server knows that
 * (2.10), else by the attribute `S` of its folder (chattr(1)), by which the kernel syncs each write to the files there.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { connect } from '@nats-io/transport-node';
import type { NatsConnection } from '@nats-io/transport-node';

const STREAM = 'WORK';
const SUBJECT = 'work.small';
const DURABLE = 'workers';
const ANSWERS = 'answers';
const TEXT = 'hello world';
const REQUEST_MS = 30_000;
const CONNECT_MS = 10_000;
const LOOK_MS = 50;
/** The minor version of nats-server 2 from which on it can sync before it acknowledges. */
const SYNCING_MINOR = 10;
/** Messages that are asked for at once, as workers of a queue do. */
const BATCH = 64;

/** The queue, and a worker of it. */
export interface QueueFloor {
  /** Puts one message in, and resolves when a worker has done it. */
  run(id: string): Promise<void>;
  stop(): Promise<void>;
}

/** How the queue keeps what it acknowledges. */
export interface QueueFloorInit {
  readonly isSynced: boolean;
}

/** Starts it; undefined where there is no nats-server, or none that can promise what is wanted. */
export async function startQueueFloor(
  root: string,
  { isSynced }: QueueFloorInit,
): Promise<QueueFloor | undefined> {
  const port = await freePort();
  const folder = join(root, isSynced ? 'jetstream-synced' : 'jetstream');
  await mkdir(folder);
  const knowsSync = isSynced && (await knowsSyncAlways());
  if (isSynced && !knowsSync && !(await hasSynced(folder))) return undefined;
  const config = join(folder, 'server.conf');
  const sync = knowsSync ? '  sync_interval: always\n' : '';
  await writeFile(config, `jetstream {\n  store_dir: "${folder}"\n${sync}}\n`);
  const args = ['-a', '127.0.0.1', '-p', String(port), '-c', config];
  const server = spawn('nats-server', args, { stdio: 'ignore' });
  const isThere = await Promise.race([
    once(server, 'spawn').then(() => true),
    once(server, 'error').then(() => false),
  ]);
  if (!isThere) return undefined;
  const [giver, worker] = [await connected(port), await connected(port)];
  await asked(giver, `$JS.API.STREAM.CREATE.${STREAM}`, {
    name: STREAM,
    subjects: [SUBJECT],
    retention: 'workqueue',
    storage: 'file',
    max_consumers: -1,
    max_msgs: -1,
    max_bytes: -1,
    max_age: 0,
    num_replicas: 1,
    discard: 'old',
  });
  await asked(giver, `$JS.API.CONSUMER.DURABLE.CREATE.${STREAM}.${DURABLE}`, {
    stream_name: STREAM,
    config: {
      durable_name: DURABLE,
      ack_policy: 'explicit',
      deliver_policy: 'all',
      max_ack_pending: 20_000,
    },
  });
  work(worker);
  const waiting = new Map<string, () => void>();
  giver.subscribe(ANSWERS, {
    callback: (_, message) => {
      waiting.get(message.string())?.();
      waiting.delete(message.string());
    },
  });
  return {
    async run(id) {
      const done = new Promise<void>((resolve) => waiting.set(id, resolve));
      await giver.request(SUBJECT, JSON.stringify({ id, text: TEXT }), { timeout: REQUEST_MS });
      await done;
    },
    async stop() {
      await Promise.all([giver.close(), worker.close()]);
      const ended = once(server, 'exit');
      server.kill();
      await ended;
    },
  };
}

/** Whether the server that is installed knows `sync_interval: always`. */
async function knowsSyncAlways(): Promise<boolean> {
  try {
    const { stdout } = await promisify(execFile)('nats-server', ['--version']);
    const [, major = '0', minor = '0'] = /v(\d+)\.(\d+)/.exec(stdout) ?? [];
    return Number(major) > 2 || (Number(major) === 2 && Number(minor) >= SYNCING_MINOR);
  } catch {
    return false;
  }
}

/** Whether the kernel syncs each write below the folder from now on. */
async function hasSynced(folder: string): Promise<boolean> {
  try {
    await promisify(execFile)('chattr', ['+S', folder]);
    return true;
  } catch {
    return false;
  }
}

/** Takes messages, a batch at a time, does them, and says so. */
function work(connection: NatsConnection): void {
  const inbox = `_INBOX.${DURABLE}`;
  const more = (): void => {
    const ask = JSON.stringify({ batch: BATCH, expires: REQUEST_MS * 1_000_000 });
    connection.publish(`$JS.API.CONSUMER.MSG.NEXT.${STREAM}.${DURABLE}`, ask, { reply: inbox });
  };
  let left = 0;
  connection.subscribe(inbox, {
    callback: (_, message) => {
      // What has no subject to answer to says that the question is over.
      if (message.reply === undefined || message.reply === '') return more();
      const { id } = JSON.parse(message.string()) as { readonly id: string };
      message.respond('+ACK');
      connection.publish(ANSWERS, id);
      left -= 1;
      if (left > 0) return;
      left = BATCH;
      more();
    },
  });
  left = BATCH;
  more();
}

async function asked(connection: NatsConnection, subject: string, body: object): Promise<void> {
  const reply = await connection.request(subject, JSON.stringify(body), { timeout: REQUEST_MS });
  const { error } = JSON.parse(reply.string()) as { readonly error?: unknown };
  if (error !== undefined) throw new Error(`${subject}: ${JSON.stringify(error)}`);
}

async function connected(port: number): Promise<NatsConnection> {
  const deadline = performance.now() + CONNECT_MS;
  for (;;) {
    try {
      return await connect({ servers: `127.0.0.1:${port}`, noAsyncTraces: true });
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await wait(LOOK_MS);
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
