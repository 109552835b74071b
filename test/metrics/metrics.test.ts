/** What a node tells Prometheus: a closed table, counted as calls end and read when somebody asks. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { FIGURES, createMetrics } from '../../src/metrics/index.ts';
import type { Figure, Metrics } from '../../src/metrics/index.ts';
import { createTestClock } from '../core/test-clock.ts';

const TABLE: readonly Figure[] = Object.values(FIGURES);

/** The figures over rooms in which there is a bit of everything. */
function metrics(): Metrics {
  return createMetrics(
    {
      callsNow: () => 2,
      sessions: () => ({ http: 3, socket: 1, peer: 0, tcp: 0 }),
      peers: () => ({ alive: 2, dead: 1 }),
      servers: () => ['ready', 'ready', 'failed'],
      boards: () => 4,
      tasks: () => ({ running: 5 }),
      budgets: () => [
        { unit: 'usd', limit: 10_000_000, spent: 2_500_000, held: 500_000, free: 7_000_000 },
        { unit: 'usd', limit: 5_000_000, spent: 1_000_000, held: 0, free: 4_000_000 },
      ],
      agents: () => [false, true, false],
      models: () => [
        {
          calls: 3,
          failed: 1,
          inputTokens: 100,
          outputTokens: 20,
          costMicroUsd: 1500,
          lastHourMicroUsd: 500,
          checked: 5,
          passed: 4,
          voted: 3,
          agreed: 2,
          graded: 2,
          gradeSum: 1.5,
        },
        {
          calls: 1,
          failed: 0,
          inputTokens: 1,
          outputTokens: 2,
          costMicroUsd: 500,
          lastHourMicroUsd: 500,
          checked: 1,
          passed: 0,
          voted: 0,
          agreed: 0,
          graded: 0,
          gradeSum: 0,
        },
      ],
      isAuditHealthy: () => true,
      auditEntries: () => 7,
      warnings: () => 1,
      spans: () => ({ sent: 9, rejected: 1, dropped: 2, limited: 3, waiting: 4 }),
    },
    createTestClock(),
  );
}

/** Every series of a scrape by its name with labels, and its value. */
async function scrape(of: Metrics): Promise<ReadonlyMap<string, number>> {
  const { type, text } = await of.text();
  expect(type).toBe('text/plain; version=0.0.4; charset=utf-8');
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

it('tells of each room what it is asked for', async () => {
  const told = await scrape(metrics());
  expect(told.get('starling_peers{state="alive"}')).toBe(2);
  expect(told.get('starling_peers{state="suspect"}')).toBe(0);
  expect(told.get('starling_servers{state="failed"}')).toBe(1);
  expect(told.get('starling_tasks{state="running"}')).toBe(5);
  expect(told.get('starling_budget_spent{unit="usd"}')).toBe(3.5);
  expect(told.get('starling_agents{state="stopped"}')).toBe(1);
  expect(told.get('starling_model_calls_total{outcome="ok"}')).toBe(3);
  expect(told.get('starling_model_tokens_total{direction="input"}')).toBe(101);
  expect(told.get('starling_model_checks_total{outcome="passed"}')).toBe(4);
  expect(told.get('starling_model_checks_total{outcome="failed"}')).toBe(2);
  expect(told.get('starling_model_votes_total{outcome="alone"}')).toBe(1);
  expect(told.get('starling_model_grades_total')).toBe(2);
  expect(told.get('starling_model_grade_points_total')).toBe(1.5);
  expect(told.get('starling_audit_healthy')).toBe(1);
  expect(told.get('starling_trace_spans_total{outcome="dropped"}')).toBe(2);
  expect(told.get('starling_trace_spans_waiting')).toBe(4);
  expect(told.get('process_resident_memory_bytes')).toBeGreaterThan(1_000_000);
});

it('counts calls by what they were, where they went and how they ended, and how long they took', async () => {
  const counted = metrics();
  counted.calls.ended('tools/call', false, 'ok', 0.5);
  counted.calls.ended('tools/call', false, 'ok', 3);
  counted.calls.ended('tools/call', true, 'refused', 70_000);
  counted.calls.ended('completion/complete', false, 'failed', 1);
  const told = await scrape(counted);
  const here = 'kind="tool",place="here"';
  expect(told.get(`starling_calls_total{${here},outcome="ok"}`)).toBe(2);
  expect(told.get('starling_calls_total{kind="tool",place="peer",outcome="refused"}')).toBe(1);
  expect(told.get('starling_calls_total{kind="other",place="here",outcome="failed"}')).toBe(1);
  // Classes hold all that took no longer.
  expect(told.get(`starling_call_seconds_bucket{${here},le="0.001"}`)).toBe(1);
  expect(told.get(`starling_call_seconds_bucket{${here},le="0.005"}`)).toBe(2);
  expect(told.get(`starling_call_seconds_bucket{${here},le="+Inf"}`)).toBe(2);
  expect(told.get(`starling_call_seconds_sum{${here}}`)).toBeCloseTo(0.0035);
  const far = 'kind="tool",place="peer"';
  expect(told.get(`starling_call_seconds_bucket{${far},le="60"}`)).toBe(0);
  expect(told.get(`starling_call_seconds_count{${far}}`)).toBe(1);
});

it('has the same series however much happens, and no word that is not in the table', async () => {
  const busy = metrics();
  for (let n = 0; n < 1000; n += 1) busy.calls.ended(`method/${n}`, n % 2 === 0, 'ok', n);
  const told = [...(await scrape(busy)).keys()];
  expect(told).toEqual([...(await scrape(metrics())).keys()]);
  expect(told.length).toBeLessThan(400);
  for (const series of told) {
    const [, name = '', labels = ''] = /^(\w+)(?:\{(.*)\})?$/.exec(series) ?? [];
    const figure = TABLE.find(
      (one) => name.replace(/_(bucket|sum|count)$/, '') === one.name || name === one.name,
    );
    for (const [, label = '', word = ''] of labels.matchAll(/(\w+)="([^"]*)"/g)) {
      if (label === 'le' || label === 'version') continue;
      expect(figure?.labels[label], series).toContain(word);
    }
  }
});

it('is told at one glance, in an answer that does not grow', () => {
  const busy = metrics();
  for (let n = 0; n < 1000; n += 1) busy.calls.ended(`method/${n}`, false, 'ok', n);
  const { memoryBytes, cpuMs, calls, ...rest } = busy.glance();
  expect(rest).toEqual({
    at: 1_700_000_000_000,
    peers: { alive: 2, dead: 1 },
    sessions: { http: 3, socket: 1, peer: 0, tcp: 0 },
    servers: { ready: 2, failed: 1 },
    agents: { active: 2, stopped: 1 },
    tasks: { running: 5 },
    budgets: [
      {
        unit: 'usd',
        budgets: 2,
        limit: 15_000_000,
        spent: 3_500_000,
        held: 500_000,
        free: 11_000_000,
      },
    ],
    models: {
      calls: 4,
      failed: 1,
      inputTokens: 101,
      outputTokens: 22,
      costMicroUsd: 2000,
      lastHourMicroUsd: 1000,
    },
    boards: 4,
    warnings: 1,
  });
  expect(calls).toMatchObject({ underWay: 1, perSecond: 0 });
  expect(calls.minutes).toHaveLength(60);
  expect(calls.minutes.at(-1)).toBe(1000);
  expect(memoryBytes).toBeGreaterThan(1_000_000);
  expect(cpuMs).toBeGreaterThan(0);
  expect(JSON.stringify(busy.glance()).length).toBeLessThan(2000);
});

it('gives whoever asks at the same time one answer', () => {
  const shared = metrics();
  expect(shared.text()).toBe(shared.text());
});

it.each(['prometheus/alerts.yaml', 'grafana/starling.json'])(
  'config/%s asks for nothing else',
  (file) => {
    const text = readFileSync(`config/${file}`, 'utf8');
    const named = new Set(text.match(/\b(?:starling|process|nodejs)_[a-z_]+[a-z]/g));
    expect(named.size).toBeGreaterThan(5);
    const names = TABLE.flatMap(({ name }) => [name, `${name}_bucket`]);
    expect([...named].filter((name) => !names.includes(name))).toEqual([]);
  },
);
