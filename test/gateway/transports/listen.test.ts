/** The queue in which the system keeps connections until the node has a turn for each. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { expect, it, onTestFinished } from 'vitest';
import { close, listen } from '../../../src/gateway/transports/listen.ts';

/** More than Node's own queue of 511 holds. */
const CLIENTS = 700;
/** How long the clients have for what takes them a few milliseconds where the queue holds them all. */
const BLOCKED_MS = 5000;

/** Opens connections in a thread of its own, counts those that are open, and tells once all are. */
const CLIENTS_PROGRAM = `
  const { connect } = require('node:net');
  const { workerData: { clients, open, port } } = require('node:worker_threads');
  for (let at = 0; at < clients; at += 1) {
    connect(port, '127.0.0.1')
      .on('error', () => undefined)
      .on('connect', () => {
        if (Atomics.add(open, 0, 1) + 1 !== clients) return;
        Atomics.store(open, 1, 1);
        Atomics.notify(open, 1);
      });
  }`;

it('a node that is busy keeps a thousand clients waiting, and turns none away', async () => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => void sockets.push(socket));
  const where = { host: '127.0.0.1', port: 0 };
  await listen(server, where, { failure: "can't listen", hint: 'try another port' });
  onTestFinished(() => close(server, sockets));
  const { port } = server.address() as AddressInfo;
  const open = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(CLIENTS_PROGRAM, {
    eval: true,
    workerData: { clients: CLIENTS, open, port },
  });
  onTestFinished(async () => {
    await worker.terminate();
  });
  await once(worker, 'online');
  // This thread accepts nobody meanwhile: those who are in are those whom the system has kept.
  Atomics.wait(open, 1, 0, BLOCKED_MS);
  expect(Atomics.load(open, 0)).toBe(CLIENTS);
});
