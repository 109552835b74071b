/** What becomes of a subscription whose server is away for a while. */
import { beforeEach, describe, expect, it } from 'vitest';
import { StarlingError, silentLogger } from '../../../src/core/index.ts';
import type { Route, View } from '../../../src/gateway/catalog/types.ts';
import type { ChannelTable } from '../../../src/gateway/session/channel-table.ts';
import { createSubscriber } from '../../../src/gateway/session/subscribe.ts';
import type { Subscriber } from '../../../src/gateway/session/subscribe.ts';
import { createSubscriptions } from '../../../src/gateway/session/subscriptions.ts';
import type { Subscriptions } from '../../../src/gateway/session/subscriptions.ts';
import { createTestClock } from '../../core/test-clock.ts';
import type { TestClock } from '../../core/test-clock.ts';

const URI = 'test://watched';
const HOME = '/notes';
const OTHER = '/copies';
/** Longer than it takes until the next attempt. */
const A_WHILE_MS = 6000;
const AWAY = { code: -32_003, message: 'the server is away', data: { retryable: true } };
const REFUSED = { code: -32_602, message: 'no such resource', data: { retryable: false } };

/** A route to the server of this name, which lists the resource, or merely may have it. */
const routeTo = (server: string, isUnlisted = false): Route =>
  ({
    target: { server: server.slice(1) },
    wanted: {},
    ...(isUnlisted ? { isUnlisted } : {}),
  }) as unknown as Route;

let clock: TestClock;
let routes: readonly Route[];
let forbidden: ReadonlySet<string>;
let answers: Record<string, object | undefined>;
let asked: string[];
let told: unknown[];
let subscriptions: Subscriptions;
let subscriber: Subscriber;

beforeEach(() => {
  clock = createTestClock();
  routes = [routeTo(HOME)];
  forbidden = new Set();
  answers = {};
  asked = [];
  told = [];
  subscriptions = createSubscriptions();
  const view = {
    resource(uri: string) {
      if (routes.length === 0) throw new StarlingError('STARLING_USAGE', `no resource is ${uri}`);
      return routes;
    },
  } as unknown as View;
  const channels = {
    nameOf: ({ server }: { server: string }) => `/${server}`,
    get: ({ server }: { server: string }) => ({
      async request(method: string) {
        asked.push(`${method.slice('resources/'.length)} /${server}`);
        return { kind: 'response', id: 1, error: answers[`/${server}`] };
      },
    }),
  } as unknown as ChannelTable;
  subscriber = createSubscriber({
    view: () => view,
    channels,
    subscriptions,
    push: (message) => told.push((JSON.parse(message.toString()) as { method: string }).method),
    permit({ target }) {
      if (!forbidden.has(`/${target.server}`)) return;
      throw new StarlingError('STARLING_CALL_REFUSED', 'not any more');
    },
    taskOf: () => undefined,
    principal: () => ({ kind: 'operator' }),
    clock,
    logger: silentLogger,
  });
  subscriptions.begin(URI, HOME, URI).made();
});

const turns = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function passes(ms: number): Promise<void> {
  clock.advance(ms);
  for (let turn = 0; turn < 5; turn += 1) await turns();
}

const whereItIs = (): readonly string[] => subscriptions.servers();

it('what nobody hears of any more is ended where it was subscribed to', async () => {
  routes = [routeTo(OTHER, true), routeTo(HOME, true)];
  subscriber.unsubscribe([{ uri: URI, server: HOME }]);
  await passes(0);
  expect(asked).toEqual([`unsubscribe ${HOME}`]);
});

describe('a subscription whose server is away', () => {
  it('is made again once the server is back, and the client is told to read', async () => {
    answers[HOME] = AWAY;
    subscriber.lost(HOME);
    await passes(A_WHILE_MS);
    expect(told).toEqual([]);
    answers = {};
    await passes(A_WHILE_MS);
    expect(whereItIs()).toEqual([HOME]);
    expect(told).toEqual(['notifications/resources/updated']);
    await passes(10 * A_WHILE_MS);
    expect(asked).toEqual([`subscribe ${HOME}`, `subscribe ${HOME}`]);
  });

  it('waits while nobody lists the resource, and asks nobody who merely may have it', async () => {
    routes = [routeTo('/starling', true), routeTo(OTHER, true)];
    answers = { '/starling': REFUSED, [OTHER]: REFUSED };
    subscriber.lost(HOME);
    await passes(A_WHILE_MS);
    expect(asked).toEqual([]);
    routes = [];
    await passes(A_WHILE_MS);
    routes = [routeTo('/starling', true), routeTo(HOME, true)];
    await passes(A_WHILE_MS);
    expect(asked).toEqual([`subscribe ${HOME}`]);
    expect(whereItIs()).toEqual([HOME]);
  });

  it('outlives a change of rights, which is asked about when the server is back', async () => {
    routes = [routeTo('/starling', true)];
    subscriber.lost(HOME);
    subscriber.dropRefused();
    routes = [routeTo(HOME)];
    await passes(A_WHILE_MS);
    expect(whereItIs()).toEqual([HOME]);

    subscriber.lost(HOME);
    forbidden = new Set([HOME]);
    await passes(A_WHILE_MS);
    expect(whereItIs()).toEqual([]);
  });

  it('ends when that server refuses', async () => {
    answers[HOME] = REFUSED;
    subscriber.lost(HOME);
    await passes(A_WHILE_MS);
    expect(whereItIs()).toEqual([]);
    expect(told).toHaveLength(1);
  });

  it('is made again though the channel ends at the moment at which the server takes it', async () => {
    subscriptions.remove(URI);
    const attempt = subscriptions.begin(URI, HOME, URI);
    subscriber.lost(HOME);
    attempt.made();
    await passes(A_WHILE_MS);
    expect(asked).toEqual([`subscribe ${HOME}`]);
  });
});

describe('a subscription whose URI another server lists meanwhile', () => {
  beforeEach(async () => {
    routes = [routeTo(OTHER)];
    subscriber.lost(HOME);
    await passes(A_WHILE_MS);
  });

  it('is with that server, and comes home', async () => {
    expect(whereItIs()).toEqual([OTHER]);
    routes = [routeTo(HOME)];
    await passes(A_WHILE_MS);
    expect(whereItIs()).toEqual([HOME]);
    expect(asked).toEqual([`subscribe ${OTHER}`, `subscribe ${HOME}`, `unsubscribe ${OTHER}`]);
    expect(told).toHaveLength(2);
  });

  it('comes home when that server goes as well', async () => {
    answers[OTHER] = REFUSED;
    subscriber.lost(OTHER);
    await passes(A_WHILE_MS);
    expect(whereItIs()).toEqual([OTHER]);
    routes = [routeTo(HOME)];
    await passes(A_WHILE_MS);
    expect(whereItIs()).toEqual([HOME]);
  });
});

it('is not given away when another that lists the URI refuses', async () => {
  routes = [routeTo(OTHER)];
  answers[OTHER] = REFUSED;
  subscriber.lost(HOME);
  await passes(A_WHILE_MS);
  forbidden = new Set([OTHER]);
  await passes(A_WHILE_MS);
  expect(whereItIs()).toEqual([HOME]);
  expect(told).toEqual([]);
});

it('ends when the caller may not hear of its server any more, though others may have the resource', () => {
  routes = [routeTo(OTHER, true)];
  subscriber.dropRefused();
  expect(whereItIs()).toEqual([]);
});

it('of a listener goes to the first of those that may have the resource that takes it', async () => {
  subscriptions.remove(URI);
  routes = [routeTo('/starling', true), routeTo(HOME, true)];
  answers = { '/starling': REFUSED };
  const request = { kind: 'request', bytes: Buffer.from('{}'), id: 1 } as const;
  const listener = subscriptions.listen(
    {
      ...request,
      method: 'subscriptions/listen',
      params: { notifications: { resourceSubscriptions: [URI] } },
    },
    { interim: () => undefined, final: () => undefined },
  );
  subscriber.listen(listener);
  await passes(0);
  expect(asked).toEqual(['subscribe /starling', `subscribe ${HOME}`]);
  expect(whereItIs()).toEqual([HOME]);
});
