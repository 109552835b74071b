/** Spans on their way to a collector: in batches, bounded, and whatever the collector does. */
import { afterEach, describe, expect, it } from 'vitest';
import { Secret, createHealth, silentLogger } from '../../src/core/index.ts';
import type { Health } from '../../src/core/index.ts';
import { createExporter } from '../../src/traces/exporter.ts';
import type { Exporter } from '../../src/traces/exporter.ts';
import type { EndedSpan } from '../../src/traces/types.ts';
import { createTestClock } from '../core/test-clock.ts';
import type { TestClock } from '../core/test-clock.ts';
import { startReceiver } from './receiver.ts';
import type { Receiver } from './receiver.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Bench {
  readonly exporter: Exporter;
  readonly receiver: Receiver;
  readonly clock: TestClock;
  readonly health: Health;
}

async function bench(key = 'of-the-collector'): Promise<Bench> {
  const receiver = await startReceiver();
  cleanups.push(() => receiver.stop());
  const clock = createTestClock();
  const health = createHealth();
  const exporter = createExporter(
    { clock, health, logger: silentLogger },
    {
      url: `${receiver.url}/v1/traces`,
      headers: { 'x-key': new Secret(key) },
      source: { serviceName: 'lab', node: 'alice', peerId: '12D3KooWAlice' },
    },
  );
  await exporter.start();
  return { exporter, receiver, clock, health };
}

let last = 0;
function span(more: Partial<EndedSpan> = {}): EndedSpan {
  last += 1;
  return {
    traceId: last.toString(16).padStart(32, '0'),
    spanId: last.toString(16).padStart(16, '0'),
    parent: undefined,
    method: 'tools/call',
    caller: 'client:editor',
    beganAt: 12_345.5,
    outcome: 'ok',
    resource: 'tool:@bob/files/read_file',
    peer: '12D3KooWBob',
    sentMs: 0.25,
    totalMs: 1.5,
    ...more,
  };
}

function keep({ exporter }: Bench, count: number): void {
  for (let index = 0; index < count; index += 1) exporter.keep(span());
}

async function requests(receiver: Receiver, count: number): Promise<void> {
  await expect.poll(() => receiver.bodies.length, { timeout: 20_000 }).toBe(count);
}
/** Until the answer to what was sent has been heard. */
async function heard({ exporter }: Bench, what: object): Promise<void> {
  await expect.poll(() => exporter.counts(), { timeout: 20_000 }).toMatchObject(what);
}

it('sends what has gathered for a second, as the protocol has it', async () => {
  const at = await bench();
  const { exporter, receiver, clock } = at;
  const parent = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), isSampled: true };
  exporter.keep(span({ traceId: parent.traceId, parent, outcome: 'failed', error: 'tool_error' }));
  exporter.keep(span({ resource: 'resource:files/file:///home/anna/secret', method: 'evil/name' }));
  clock.advance(999);
  expect(receiver.bodies).toEqual([]);
  clock.advance(1);
  await heard(at, { sent: 2, waiting: 0 });
  expect(clock.waiting()).toBe(0);
  const [failed, read] = receiver.spans;
  expect(failed).toMatchObject({
    traceId: parent.traceId,
    parentSpanId: parent.spanId,
    name: 'tools/call read_file',
    kind: 2,
    isError: true,
    attributes: {
      'mcp.method.name': 'tools/call',
      'gen_ai.tool.name': 'read_file',
      'starling.server': 'files',
      'starling.peer': '12D3KooWBob',
      'starling.caller': 'client:editor',
      'starling.outcome': 'failed',
      'starling.sent_ms': 0.25,
      'error.type': 'tool_error',
    },
    resource: {
      'service.name': 'lab',
      'service.instance.id': '12D3KooWAlice',
      'starling.node': 'alice',
    },
  });
  expect((failed?.endedNs ?? 0n) - (failed?.beganNs ?? 0n)).toBe(1_500_000n);
  // A URI may hold anything, and so may the name of a method that nobody knows.
  expect(read).toMatchObject({ name: 'other', parentSpanId: '', isError: false });
  expect(receiver.bodies[0]).not.toMatch(/anna|evil/);
  expect(receiver.headers[0]).toMatchObject({ 'x-key': 'of-the-collector' });
});

it('sends 512 at once without waiting, and one request at a time', async () => {
  const at = await bench();
  keep(at, 1300);
  at.clock.advance(0);
  await heard(at, { sent: 512 });
  at.clock.advance(0);
  await heard(at, { sent: 1024 });
  at.clock.advance(1000);
  await heard(at, { sent: 1300, waiting: 0 });
  expect(at.receiver.bodies).toHaveLength(3);
});

describe('a collector', () => {
  it('that is away costs a bounded queue, is told of, and gets what waits when it is back', async () => {
    const at = await bench();
    const { clock, exporter, health, receiver } = at;
    receiver.status = 503;
    keep(at, 10);
    clock.advance(1000);
    await requests(receiver, 1);
    keep(at, 10_000);
    await expect.poll(() => exporter.trouble()).toBe('it answered with HTTP 503');
    expect(exporter.counts()).toEqual({ sent: 0, rejected: 0, dropped: 5914, waiting: 4096 });
    expect(health.warnings()).toEqual([]);
    for (const [index, pauseMs] of [1000, 2000].entries()) {
      clock.advance(pauseMs - 1);
      expect(receiver.bodies).toHaveLength(index + 1);
      clock.advance(1);
      await requests(receiver, index + 2);
      await expect.poll(() => clock.waiting()).toBe(1);
    }
    expect(health.warnings()).toMatchObject([
      {
        code: 'traces-not-sent',
        text: `traces can't be sent to ${receiver.url}: it answered with HTTP 503`,
      },
    ]);
    receiver.status = 200;
    clock.advance(4000);
    await heard(at, { sent: 10 });
    expect(health.warnings()).toEqual([]);
    expect(exporter.trouble()).toBeUndefined();
    for (let sent = 522; sent < 4096; sent += 512) {
      clock.advance(0);
      await heard(at, { sent: Math.min(sent, 4096) });
    }
  });

  it('that does not answer at all is given up after ten seconds, and its batch after six tries', async () => {
    const at = await bench();
    const { clock, exporter, receiver } = at;
    receiver.status = undefined;
    keep(at, 3);
    clock.advance(1000);
    for (const [tries, pauseMs] of [1000, 2000, 4000, 8000, 16_000, 0].entries()) {
      await requests(receiver, tries + 1);
      clock.advance(10_000);
      if (pauseMs === 0) continue;
      await expect.poll(() => clock.waiting()).toBe(1);
      clock.advance(pauseMs);
    }
    await heard(at, { dropped: 3, waiting: 0 });
    expect(exporter.trouble()).toBeDefined();
    expect(clock.waiting()).toBe(0);
  });

  it('that refuses a batch for good does not get it again; one that takes a part says how many it left', async () => {
    const at = await bench();
    at.receiver.status = 400;
    keep(at, 5);
    at.clock.advance(1000);
    await heard(at, { rejected: 5, waiting: 0 });
    at.receiver.status = 200;
    at.receiver.answer = '{"partialSuccess":{"rejectedSpans":"2","errorMessage":"no"}}';
    keep(at, 5);
    at.clock.advance(1000);
    await heard(at, { sent: 3, rejected: 7 });
  });

  it.each([
    '',
    'no JSON',
    '[]',
    'null',
    '{"partialSuccess":{"rejectedSpans":"-9"}}',
    'x'.repeat(1e6),
  ])('may answer anything (%#)', async (answer) => {
    const at = await bench();
    at.receiver.answer = answer;
    keep(at, 2);
    at.clock.advance(1000);
    await heard(at, { sent: 2, rejected: 0 });
  });

  it('that asks for a pause gets one, of a minute at the most', async () => {
    const { receiver, clock, ...rest } = await bench();
    const at = { receiver, clock, ...rest };
    receiver.status = 429;
    receiver.retryAfter = '3600';
    keep(at, 1);
    clock.advance(1000);
    await requests(receiver, 1);
    await expect.poll(() => clock.waiting()).toBe(1);
    clock.advance(59_999);
    expect(receiver.bodies).toHaveLength(1);
    clock.advance(1);
    await requests(receiver, 2);
  });
});

it('a stop sends what waits once more, and holds nothing up where nobody answers', async () => {
  const at = await bench();
  keep(at, 3);
  await at.exporter.stop();
  expect(at.receiver.spans).toHaveLength(3);
  expect(at.exporter.counts()).toMatchObject({ sent: 3, waiting: 0 });
  expect(at.clock.waiting()).toBe(0);
  keep(at, 1);
  expect(at.exporter.counts()).toMatchObject({ dropped: 1, waiting: 0 });
  const other = await bench();
  other.receiver.status = undefined;
  keep(other, 2);
  const stopped = other.exporter.stop();
  await requests(other.receiver, 1);
  other.clock.advance(2000);
  await stopped;
  expect(other.exporter.counts()).toMatchObject({ dropped: 2, waiting: 0 });
});

it('an address that leads elsewhere does not get the headers of the collector', async () => {
  const at = await bench();
  const other = await bench();
  at.receiver.status = 307;
  at.receiver.location = `${other.receiver.url}/v1/traces`;
  keep(at, 1);
  at.clock.advance(1000);
  await expect.poll(() => at.exporter.trouble()).toBeDefined();
  expect(other.receiver.bodies).toEqual([]);
});

it('a key that no header can hold is told of, and not what it is', async () => {
  const at = await bench('of the\r\ncollector');
  keep(at, 1);
  at.clock.advance(1000);
  await expect.poll(() => at.exporter.trouble()).toContain('telemetry.otlp.headers.x-key');
  expect(at.exporter.trouble()).not.toContain('of the');
  expect(at.receiver.bodies).toEqual([]);
});
