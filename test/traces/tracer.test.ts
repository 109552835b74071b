/** Which calls are kept in traces: what the sampler says, and bounds that no caller lifts. */
import { describe, expect, it } from 'vitest';
import type { BeginningCall, TraceParent } from '../../src/gateway/index.ts';
import type { Did } from '../../src/core/index.ts';
import { readTraceParent } from '../../src/gateway/wire/trace-parent.ts';
import { createTracer } from '../../src/traces/tracer.ts';
import type { Tracer, TracerInit } from '../../src/traces/tracer.ts';
import type { EndedSpan } from '../../src/traces/types.ts';
import { createTestClock } from '../core/test-clock.ts';

const PARENT: TraceParent = {
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  isSampled: true,
};

function bench(init: Partial<TracerInit> = {}): {
  readonly tracer: Tracer;
  readonly kept: EndedSpan[];
  readonly clock: ReturnType<typeof createTestClock>;
} {
  const clock = createTestClock();
  const kept: EndedSpan[] = [];
  const all: TracerInit = {
    sampler: 'parentbased_always_on',
    ratio: 1,
    spansPerSecond: 1000,
    ...init,
  };
  return {
    tracer: createTracer({ clock, keep: (span) => void kept.push(span) }, all),
    kept,
    clock,
  };
}

function call(more: Partial<BeginningCall> = {}): BeginningCall {
  return {
    method: 'tools/call',
    principal: { kind: 'operator' },
    parent: undefined,
    isAskedFor: false,
    ...more,
  };
}

const END = { outcome: 'ok', totalMs: 3 } as const;

it('a call is a child of what its caller names, and the parent of what is called next', () => {
  const { tracer, kept } = bench();
  const span = tracer.begin(call({ parent: PARENT }));
  span?.ended(END);
  expect(kept).toMatchObject([{ traceId: PARENT.traceId, parent: PARENT, caller: 'operator' }]);
  expect(readTraceParent(span?.traceparent)).toEqual({
    traceId: PARENT.traceId,
    spanId: kept[0]?.spanId,
    isSampled: true,
  });
  expect(kept[0]?.spanId).not.toBe(PARENT.spanId);
});

it('a call that names no trace begins one, with ids that no other has', () => {
  const { tracer, kept } = bench({ spansPerSecond: 100_000 });
  for (let index = 0; index < 2000; index += 1) tracer.begin(call())?.ended(END);
  expect(kept[0]?.parent).toBeUndefined();
  expect(new Set(kept.map(({ traceId }) => traceId)).size).toBe(2000);
  expect(new Set(kept.map(({ spanId }) => spanId)).size).toBe(2000);
  expect(kept.every((span) => /^[0-9a-f]{32}$/.test(span.traceId))).toBe(true);
});

describe('a sampler', () => {
  const off: TraceParent = { ...PARENT, isSampled: false };

  it.each([
    ['always_on', undefined, true],
    ['always_on', off, true],
    ['always_off', undefined, false],
    ['always_off', PARENT, false],
    ['parentbased_always_on', undefined, true],
    ['parentbased_always_on', off, false],
    ['parentbased_always_off', undefined, false],
    ['parentbased_always_off', PARENT, true],
    ['parentbased_traceidratio', PARENT, true],
    ['traceidratio', PARENT, false],
  ] as const)('%s: of a caller that says %j', (sampler, parent, isKept) => {
    const { tracer, kept } = bench({ sampler, ratio: 0 });
    tracer.begin(call({ parent }))?.ended(END);
    expect(kept).toHaveLength(isKept ? 1 : 0);
  });

  it('with a ratio keeps that share, and the same traces on all nodes', () => {
    const { tracer, kept } = bench({ sampler: 'traceidratio', ratio: 0.25, spansPerSecond: 1e6 });
    for (let index = 0; index < 4000; index += 1) tracer.begin(call())?.ended(END);
    expect(kept.length).toBeGreaterThan(800);
    expect(kept.length).toBeLessThan(1200);
    const other = bench({ sampler: 'traceidratio', ratio: 0.5, spansPerSecond: 1e6 });
    for (const span of kept) {
      const parent = { traceId: span.traceId, spanId: span.spanId, isSampled: false };
      other.tracer.begin(call({ parent }))?.ended(END);
    }
    expect(other.kept).toHaveLength(kept.length);
  });

  it('that leaves a call out says so to whoever is next, so that nobody begins a trace behind', () => {
    const { tracer } = bench({ sampler: 'parentbased_traceidratio', ratio: 0 });
    expect(readTraceParent(tracer.begin(call())?.traceparent)?.isSampled).toBe(false);
    // What the caller has decided stands in its own words.
    expect(tracer.begin(call({ parent: off }))).toBeUndefined();
  });

  it.each([
    ['always_off', 0],
    ['parentbased_always_off', 1],
    ['traceidratio', 1],
  ] as const)('%s of a caller that wants to know what the call takes where', (sampler, spans) => {
    const { tracer, kept } = bench({ sampler, ratio: 0 });
    // An operator who has switched spans off has nobody's switched on.
    tracer.begin(call({ isAskedFor: true }))?.ended(END);
    expect(kept).toHaveLength(spans);
  });
});

it('a caller that wants everything kept gets half of what there is, and leaves others the rest', () => {
  const { tracer, kept, clock } = bench({ spansPerSecond: 100 });
  const principal = { kind: 'peer', peerId: 'x', did: 'did:key:zHostile' as Did, grants: [] };
  const hostile = call({ principal: principal as never, parent: PARENT, isAskedFor: true });
  for (let index = 0; index < 10_000; index += 1) tracer.begin(hostile)?.ended(END);
  expect(kept).toHaveLength(50);
  expect(tracer.limited()).toBe(9950);
  // Its calls go on as they came.
  expect(tracer.begin(hostile)).toBeUndefined();
  tracer.begin(call())?.ended(END);
  expect(kept).toHaveLength(51);
  clock.advance(1000);
  for (let index = 0; index < 10_000; index += 1) tracer.begin(hostile)?.ended(END);
  expect(kept).toHaveLength(101);
});
