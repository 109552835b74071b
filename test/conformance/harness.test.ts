/** The conformance fixture, the proxy and the reader of the suite's results, without any node. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { buildPrograms } from './bundle.ts';
import { startFixture } from './mesh.ts';
import type { Era } from './mesh.ts';
import { startProxy } from './proxy.ts';
import { judge } from './report.ts';
import { readRequirements, runSuite } from './suite.ts';
import type { Revision } from './suite.ts';

const ends: (() => unknown)[] = [];
const cleanup = { defer: (end: () => unknown): void => void ends.push(end) };

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

const cases: readonly [Era, Revision, number][] = [
  ['legacy', '2025-11-25', 30],
  ['modern', '2026-07-28', 37],
];

describe.each(cases)('the %s conformance fixture', (era, revision, count) => {
  it(`passes everything that ${revision} requires, through the proxy`, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'starling-conformance-'));
    cleanup.defer(() => rm(folder, { recursive: true, force: true }));
    const { fixture } = await buildPrograms(join(folder, 'programs'));
    const url = new URL(await startFixture(fixture, era, cleanup));
    const proxy = await startProxy(url.origin, 'a-token-that-the-fixture-ignores');
    cleanup.defer(() => proxy.close());
    const requirements = readRequirements(revision, 'server');
    const args = ['server', '--url', `${proxy.origin}/mcp`, '--requirements', revision];
    const run = await runSuite(args, join(folder, 'results'), 50_000);
    const row = judge({ name: 'direct', revision, scored: true, seconds: 0 }, requirements, run);
    expect([...row.failed]).toEqual([]);
    expect([...row.warned]).toEqual([]);
    expect(row.passed).toBe(count);
  });
});

describe('the table of the conformance run', () => {
  it('counts a required scenario that left no result as failed', () => {
    const run = { scenarios: new Map(), output: 'it\nended early\n', timedOut: false };
    const what = { name: 'one hop', revision: '2025-11-25' as const, seconds: 0 };
    const requirements = { required: ['ping'], unscored: new Map() };
    const row = judge({ ...what, scored: true }, requirements, run);
    expect(row.failed.get('ping')).toEqual(['no result: ended early']);
    expect(row.isFine).toBe(false);
    expect(judge({ ...what, scored: false }, requirements, run).isFine).toBe(true);
  });
});
