/** The conformance fixture, the proxy and the reader of the suite's results, without any node. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { buildPrograms } from './bundle.ts';
import type { Programs } from './bundle.ts';
import { startFixture } from './mesh.ts';
import type { Era } from './mesh.ts';
import { startProxy } from './proxy.ts';
import { judge } from './report.ts';
import { readRequirements, runSuite } from './suite.ts';
import type { Revision } from './suite.ts';
import { isLong, someOf } from '../long/extent.ts';

/** The built fixture, for both eras. */
let programs: Programs;
let built = '';

beforeAll(async () => {
  if (!isLong) return;
  built = await mkdtemp(join(tmpdir(), 'starling-conformance-'));
  programs = await buildPrograms(built);
});
afterAll(async () => {
  if (isLong) await rm(built, { recursive: true, force: true, maxRetries: 5 });
});

const ends: (() => unknown)[] = [];
const cleanup = { defer: (end: () => unknown): void => void ends.push(end) };

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

const cases: readonly [Era, Revision, string][] = [
  ['legacy', '2025-11-25', 'tools-call-sampling'],
  ['modern', '2026-07-28', 'input-required-result-multi-round'],
];

/** One scenario each, in which both sides speak: `npm run conformance`, a part of `npm test`, has all of them. */
describe.each(someOf(cases, () => false))(
  'the %s conformance fixture',
  (era, revision, scenario) => {
    it(`passes what ${revision} requires of ${scenario}, through the proxy`, async () => {
      const folder = await mkdtemp(join(tmpdir(), 'starling-conformance-'));
      cleanup.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
      const url = new URL(await startFixture(programs.fixture, era, cleanup));
      const proxy = await startProxy(url.origin, 'a-token-that-the-fixture-ignores');
      cleanup.defer(() => proxy.close());
      const target = ['server', '--url', `${proxy.origin}/mcp`];
      const wanted = ['--scenario', scenario, '--spec-version', revision];
      const run = await runSuite([...target, ...wanted], join(folder, 'results'), 50_000);
      const required = [scenario];
      const requirements = { ...readRequirements(revision, 'server'), required };
      const row = judge({ name: 'direct', revision, scored: true, seconds: 0 }, requirements, run);
      expect([...row.failed]).toEqual([]);
      expect([...row.warned]).toEqual([]);
      expect(row.passed).toBe(1);
      expect(readRequirements(revision, 'server').required).toContain(scenario);
    });
  },
);

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
