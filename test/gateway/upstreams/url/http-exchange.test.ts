/** Exchanges with servers by HTTP/1.1: how connections to them are opened. */
import { createServer } from 'node:http';
import type { LookupFunction } from 'node:net';
import { expect, it } from 'vitest';
import { systemClock } from '../../../../src/core/index.ts';
import { createExchanger, readBody } from '../../../../src/gateway/upstreams/url/http-exchange.ts';
import { defer, useCleanup } from '../../support/gateways.ts';
import { until } from '../../support/clients.ts';

useCleanup();

/** A server on loopback that says `ok`; gives its port. */
async function okServer(): Promise<number> {
  const server = createServer((_, response) => response.end('ok'));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  defer(() => server.close().closeAllConnections());
  const address = server.address();
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

it('a burst of requests opens 64 connections at once, and the others as those are open or lost', async () => {
  const port = await okServer();
  const asked: ((ip: string) => void)[] = [];
  const lookup: LookupFunction = (_, { all }, found) => {
    asked.push((ip) => found(null, all === true ? [{ address: ip, family: 4 }] : ip, 4));
  };
  const exchanger = createExchanger({ clock: systemClock, lookup });
  defer(() => exchanger.close());
  const url = new URL(`http://far.test:${port}/`);
  const started = Array.from({ length: 200 }, () =>
    exchanger.start({ method: 'GET', url, headers: {} }),
  );
  const answers = started.map(({ reply }) => reply.then((one) => readBody(one, 10), String));
  await until(() => asked.length === 64);
  // Those that are given up make room for as many others.
  for (const exchange of started.slice(0, 10)) exchange.abort(new Error('given up'));
  await until(() => asked.length === 74);
  for (let at = 0; at < 200; at += 1) {
    await until(() => asked.length > at);
    asked[at]?.('127.0.0.1');
  }
  const said = (await Promise.all(answers)).map(String);
  expect(said.filter((text) => text === 'Error: given up')).toHaveLength(10);
  expect(said.filter((text) => text === 'ok')).toHaveLength(190);
});
