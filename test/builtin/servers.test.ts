/** The tools by which servers are looked after, over upstreams that a test plays. */
import { EventEmitter } from 'node:events';
import { beforeEach, describe, expect, it } from 'vitest';
import { serverTools } from '../../src/builtin/index.ts';
import type { JsonObject } from '../../src/core/index.ts';
import type { ServerCondition, UpstreamStatus } from '../../src/gateway/index.ts';
import type { UpstreamsEvents } from '../../src/gateway/types.ts';
import { createTestClock } from '../core/test-clock.ts';

const STATUS: UpstreamStatus = {
  server: 'notes',
  kind: 'stdio',
  state: 'ready',
  tools: 2,
  resources: 0,
  prompts: 0,
  instances: 1,
  pid: 7,
};

let status: UpstreamStatus;
let condition: ServerCondition;
let events: EventEmitter<UpstreamsEvents>;
let clock: ReturnType<typeof createTestClock>;
let onRestart: () => void;

beforeEach(() => {
  status = STATUS;
  condition = { run: 1, isHeld: false, startedAt: 0, log: [] };
  events = new EventEmitter();
  clock = createTestClock();
  onRestart = () => undefined;
});

function call(
  name: string,
  args: JsonObject,
  signal = new AbortController().signal,
): Promise<JsonObject> {
  const upstream = { server: 'notes', status: () => status } as never;
  const tools = serverTools({
    clock,
    upstreams: () => ({
      events,
      all: () => [upstream],
      get: (server) => (server === 'notes' ? upstream : undefined),
      condition: (server) => (server === 'notes' ? condition : undefined),
      restart(_, run) {
        if (run !== undefined && run !== condition.run) return false;
        condition = { ...condition, run: condition.run + 1 };
        onRestart();
        return true;
      },
    }),
  });
  const found = tools.find(({ definition }) => definition.name === name);
  if (found === undefined) throw new Error(`no ${name}`);
  return found.call(args, { principal: { kind: 'operator' }, signal });
}

describe('server_status', () => {
  it('shows a server, and waits for a change where the version is known', async () => {
    const seen = await call('server_status', { server: 'notes' });
    expect(seen['servers']).toEqual([
      {
        server: 'notes',
        kind: 'stdio',
        state: 'ready',
        tools: 2,
        run: 1,
        held: false,
        pid: 7,
        startedAt: '1970-01-01T00:00:00.000Z',
      },
    ]);
    const args = { server: 'notes', version: seen['version'] ?? '', timeout_s: 10 };
    const waiting = call('server_status', args);
    status = { ...STATUS, state: 'failed', error: 'gone' };
    condition = { ...condition, isHeld: true };
    events.emit('change', 'notes');
    expect((await waiting)['servers']).toMatchObject([
      { state: 'failed', held: true, error: 'gone' },
    ]);
    const late = call('server_status', { ...args, version: (await waiting)['version'] ?? '' });
    clock.advance(10_000);
    expect(await late).toEqual(await waiting);
    expect([events.listenerCount('change'), clock.waiting()]).toEqual([0, 0]);
  });

  it('lists those of the configuration, and says of no other one how it does', async () => {
    expect((await call('server_status', {}))['servers']).toHaveLength(1);
    for (const server of ['starling', 'other']) {
      await expect(call('server_status', { server })).rejects.toThrow(`'${server}'`);
      await expect(call('server_logs', { server })).rejects.toThrow(`'${server}'`);
    }
  });
});

describe('server_restart', () => {
  it('waits until the server is ready or has failed', async () => {
    onRestart = () => (status = { ...STATUS, state: 'starting' });
    const waiting = call('server_restart', { server: 'notes', run: 1 });
    await new Promise((resolve) => setImmediate(resolve));
    status = STATUS;
    events.emit('change', 'notes');
    expect(await waiting).toMatchObject({ restarted: true, state: 'ready', run: 2 });
  });

  it('leaves alone what was restarted since the run that somebody has seen', async () => {
    expect(await call('server_restart', { server: 'notes', run: 0 })).toMatchObject({
      restarted: false,
      run: 1,
    });
  });
});

it('clients need approval for logs and restarts, peers a grant for each of the three', () => {
  const tools = serverTools({ clock, upstreams: () => ({}) as never });
  expect(tools.map(({ clients, peers }) => [clients, peers])).toEqual([
    ['yes', 'granted'],
    ['ask', 'granted'],
    ['ask', 'granted'],
  ]);
});
