/** Conditions on grants: what each means, that children can only narrow them, and who is asked first. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StarlingError } from '../../../src/core/index.ts';
import type { Json, JsonObject } from '../../../src/core/index.ts';
import {
  allows,
  evaluateCall,
  parseTarget,
  readCallArguments,
  ruleOf,
} from '../../../src/grants/index.ts';
import type { Capability, Grant } from '../../../src/grants/index.ts';
import { NOW_MS, NOW_S, READ, alice, bob, carol, grantOf, owner, verifyLast } from '../arrange.ts';
import { slowSays } from './slow-caveats.ts';
import { upTo } from '../../long/extent.ts';

const target = parseTarget('tool:files/read_file');

/** What a capability with these caveats says: `yes`, `ask`, `count`, or the rule that refuses. */
function said(caveats: Record<string, Json>, args: JsonObject = {}, nowMs = NOW_MS): string {
  const verdict = allows({ ...READ, caveats }, 'tool/call', target, { args, nowMs });
  if (!verdict.allow) return verdict.refusal?.rule ?? 'elsewhere';
  if (verdict.needs === undefined) return 'yes';
  return verdict.needs.approval ? 'ask' : 'count';
}

/** What a path says under `--arg path=<pattern>`. */
function path(pattern: string, value: Json): boolean {
  return said({ args: { path: { paths: [pattern] } } }, { path: value }) === 'yes';
}

describe('a path caveat', () => {
  it.each([
    ['/srv/docs/**', '/srv/docs/a.txt', true],
    ['/srv/docs/**', '/srv/docs/a/b/c.txt', true],
    ['/srv/docs/**', '/srv/docs/sub/', true],
    ['/srv/docs/**', '/srv/docs', false],
    ['/srv/docs/**', '/srv/docs/', false],
    ['/srv/docs/**', '/srv/docsx/a', false],
    ['/srv/docs/**', 'srv/docs/a', false],
    ['/srv/docs/**', '/SRV/docs/a', false],
    ['/srv/docs/*', '/srv/docs/a', true],
    ['/srv/docs/*', '/srv/docs/a/b', false],
    ['/srv/docs', '/srv/docs', true],
    ['/srv/docs', '/srv/docs/', true],
    ['/srv/docs/*.md', '/srv/docs/a.md', true],
    ['/srv/docs/*.md', '/srv/docs/a.mdx', false],
    ['/**', '/etc/passwd', true],
    ['/**', 'etc/passwd', false],
    ['**', 'notes/a', true],
    ['**', '/etc/passwd', false],
    ['docs/**', 'docs/a', true],
    ['/srv/docs/**', '/srv/docs/caf\u00e9', true],
    ['/srv/docs/**', '/srv/docs/100 % sure.txt', true],
  ])('%s on %j: %s', (pattern, value, expected) => {
    expect(path(pattern, value)).toBe(expected);
  });

  it('looks at each path of a list', () => {
    expect(path('/srv/docs/**', ['/srv/docs/a', '/srv/docs/b'])).toBe(true);
    expect(path('/srv/docs/**', ['/srv/docs/a', '/etc/passwd'])).toBe(false);
    expect(path('/srv/docs/**', [])).toBe(false);
    expect(path('/srv/docs/**', [['/srv/docs/a']])).toBe(false);
    expect(path('/srv/docs/**', 7)).toBe(false);
    expect(path('/srv/docs/**', null)).toBe(false);
  });

  it.each(['/srv/../etc/**', '/srv/**/x', '/srv//x', '/srv/%2e%2e/**', '', '/', '/a\\b/**', '***'])(
    '%j is no pattern, so that the grant allows nothing',
    (pattern) => {
      expect(said({ args: { path: { paths: [pattern] } } }, { path: '/srv/x' })).toBe('caveat');
    },
  );
});

describe('an argument caveat', () => {
  it.each<[JsonObject, Json, boolean]>([
    [{ const: 'a' }, 'a', true],
    [{ const: 'a' }, 'A', false],
    [{ const: 1 }, '1', false],
    [{ const: null }, null, true],
    [{ enum: ['a', 2] }, 2, true],
    [{ enum: ['a', 2] }, ['a'], false],
    [{ enum: ['a', 'b'], const: 'b' }, 'a', false],
    [{ minimum: 1, maximum: 5 }, 5, true],
    [{ minimum: 1, maximum: 5 }, 5.1, false],
    [{ maximum: 5 }, '3', false],
    [{ prefix: 'feature-' }, 'feature-x', true],
    [{ prefix: 'feature-' }, 'main', false],
    [{ prefix: 'https://example.com/docs/' }, 'https://example.com/docs/a?x=1', true],
    [{ prefix: 'https://example.com/docs/' }, 'https://example.com/docs/../admin', false],
    [{ prefix: 'https://example.com/docs/' }, 'https://example.com/docs/..?x', false],
    [{ prefix: 'https://example.com/docs/' }, 'https://example.com/docs/%2e%2e/admin', false],
  ])('%j on %j: %s', (rule, value, expected) => {
    expect(said({ args: { it: rule } }, { it: value }) === 'yes').toBe(expected);
  });

  it('wants the argument to be there, and leaves others free', () => {
    expect(said({ args: { path: { const: 'a' } } }, {})).toBe('args');
    expect(said({ args: { path: { const: 'a' } } }, { path: 'a', head: 10 })).toBe('yes');
    expect(said({ args: { toString: { const: 'a' } } }, {})).toBe('args');
  });

  it.each<JsonObject>([
    { path: 'a', Path: 'b' },
    { path: 'a', PATH: 'b' },
    { path: 'a', '\uff50ath': 'b' },
    { path: 'a', 'pa\u200bth': 'b' },
    { path: 'a', ' path': 'b' },
    { path: 'a', options: { path: 'b' } },
    { path: 'a', list: [[{ path: 'b' }]] },
    { path: 'a', options: { Path: 'a' } },
  ])('refuses a second argument of that name: %j', (args) => {
    expect(said({ args: { path: { const: 'a' } } }, args)).toBe('args');
  });

  it.each<Json>([
    {},
    [],
    'path',
    { path: {} },
    { path: { pattern: 'a' } },
    { path: { const: {} } },
    { path: { enum: [] } },
    { path: { maximum: '5' } },
    { path: { paths: '/srv' } },
    { '': { const: 1 } },
  ])('that is %j makes the grant allow nothing', (args) => {
    expect(said({ args }, { path: 'a' })).toBe('caveat');
  });

  it('reads a call only if all readers read it the same', () => {
    expect(readCallArguments('{"path":"/srv/docs/a"}')).toEqual({ path: '/srv/docs/a' });
    for (const text of [
      '{"path":"/srv/docs/a","path":"/etc/passwd"}',
      '{"path":"/srv/docs/a","p\\u0061th":"/etc/passwd"}',
      '{"path":"a","o":{"b":1,"b":2}}',
      '{"__proto__":{"path":"a"}}',
      '[1]',
      '"x"',
      '{',
      `{"a":${'['.repeat(100)}${']'.repeat(100)}}`,
    ]) {
      expect(() => readCallArguments(text)).toThrow(StarlingError);
    }
  });
});

describe('hours', () => {
  // 2026-06-01 is a Monday.
  const at = (time: string, day = 1): number => Date.parse(`2026-06-0${day}T${time}:00Z`);
  const hours = (value: Json, nowMs: number): string => said({ hours: value }, {}, nowMs);

  it('count from the first minute to before the last', () => {
    const office = { from: '08:00', to: '18:00' };
    expect(hours(office, at('07:59'))).toBe('hours');
    expect(hours(office, at('08:00'))).toBe('yes');
    expect(hours(office, at('17:59'))).toBe('yes');
    expect(hours(office, at('18:00'))).toBe('hours');
    expect(hours({ from: '00:00', to: '24:00' }, at('23:59'))).toBe('yes');
  });

  it('count on their days, and go over midnight', () => {
    const night = { from: '22:00', to: '06:00', days: ['sun'] };
    expect(hours(night, at('23:00', 7))).toBe('yes');
    expect(hours(night, at('05:00', 1))).toBe('yes');
    expect(hours(night, at('05:00', 2))).toBe('hours');
    expect(hours(night, at('23:00', 1))).toBe('hours');
  });

  it('are those of the zone, summer time included', () => {
    const office = { from: '08:00', to: '18:00', zone: 'Europe/Berlin' };
    expect(hours(office, at('06:30'))).toBe('yes');
    expect(hours(office, at('16:30'))).toBe('hours');
    expect(hours(office, Date.parse('2026-01-05T06:30:00Z'))).toBe('hours');
  });

  it.each<Json>([
    'office',
    {},
    { from: '8:00', to: '18:00' },
    { from: '08:00', to: '08:00' },
    { from: '24:00', to: '08:00' },
    { from: '08:00', to: '25:00' },
    { from: '08:00', to: '18:00', days: [] },
    { from: '08:00', to: '18:00', days: ['funday'] },
    { from: '08:00', to: '18:00', zone: 'Mars/Olympus' },
    { from: '08:00', to: '18:00', until: 'x' },
  ])('that are %j make the grant allow nothing', (value) => {
    expect(hours(value, at('12:00'))).toBe('caveat');
  });
});

describe('a caveat', () => {
  it.each<Record<string, Json>>([
    { colour: 'red' },
    { uses: 0 },
    { uses: -1 },
    { uses: 1.5 },
    { uses: '3' },
    { uses: 1e12 },
    { rate: 5 },
    { rate: { per_s: 5 } },
    { rate: { per_s: 0, burst: 1 } },
    { rate: { per_s: 5, burst: 0.5 } },
    { rate: { per_s: 5, burst: 5, free: true } },
    { approval: true },
    { approval: 'maybe' },
    { budget: { id: 'b', max: 0.5 } },
    { budget: { id: '', max: 3 } },
    { budget: { id: 'b', free: true } },
  ])('that is not known or makes no sense makes the grant void: %j', (caveats) => {
    expect(said(caveats)).toBe('caveat');
    expect(said({ ...caveats, approval: caveats['approval'] ?? 'required' })).toBe('caveat');
  });

  it('says what a call still needs', () => {
    expect(said({ uses: 3 })).toBe('count');
    expect(said({ rate: { per_s: 0.1, burst: 1 } })).toBe('count');
    expect(said({ approval: 'required' })).toBe('ask');
  });
});

describe('a child', () => {
  const child = (above: Record<string, Json>, below: Record<string, Json>): string => {
    const root = grantOf(owner, alice, { maxDepth: 1, cap: [{ ...READ, caveats: above }] });
    const cap = [{ ...READ, caveats: below }];
    const verdict = verifyLast([root, grantOf(alice, bob, { parents: [root], cap })]);
    return verdict.ok ? 'fine' : ruleOf(verdict.refusal);
  };

  it.each<[Record<string, Json>, Record<string, Json>, string]>([
    [{ uses: 5 }, { uses: 5 }, 'fine'],
    [{ uses: 5 }, { uses: 4 }, 'fine'],
    [{ uses: 5 }, { uses: 6 }, 'widened-uses'],
    [{ uses: 5 }, {}, 'widened-uses'],
    [{ rate: { per_s: 5, burst: 5 } }, { rate: { per_s: 1, burst: 5 } }, 'fine'],
    [{ rate: { per_s: 5, burst: 5 } }, { rate: { per_s: 5, burst: 6 } }, 'widened-rate'],
    [{ rate: { per_s: 5, burst: 5 } }, { rate: { per_s: 6, burst: 1 } }, 'widened-rate'],
    [{ approval: 'required' }, {}, 'widened-approval'],
    [{ budget: { id: 'a', max: 5 } }, { budget: { id: 'a', max: 4 } }, 'fine'],
    [{ budget: { id: 'a', max: 5 } }, { budget: { id: 'b', max: 4 } }, 'widened-budget'],
    [{ colour: 'red' }, { colour: 'red' }, 'fine'],
    [{ colour: 'red' }, { colour: 'blue' }, 'widened-colour'],
    [
      { hours: { from: '08:00', to: '18:00' } },
      { hours: { from: '09:00', to: '12:00', days: ['mon'] } },
      'fine',
    ],
    [
      { hours: { from: '08:00', to: '18:00', days: ['mon'] } },
      { hours: { from: '08:00', to: '18:00' } },
      'widened-hours',
    ],
    [
      { hours: { from: '08:00', to: '18:00' } },
      { hours: { from: '08:00', to: '18:00', zone: 'Asia/Tokyo' } },
      'widened-hours',
    ],
    [
      { args: { path: { paths: ['/srv/**'] } } },
      { args: { path: { paths: ['/srv/a/**', '/srv/b'] } } },
      'fine',
    ],
    [
      { args: { path: { paths: ['/srv/**'] } } },
      { args: { path: { paths: ['/srv/a/**', '/etc/b'] } } },
      'widened-args',
    ],
    [{ args: { path: { paths: ['/srv/**'] } } }, { args: { path: { const: '/srv/a' } } }, 'fine'],
    [
      { args: { path: { paths: ['/srv/**'] } } },
      { args: { path: { const: '/srv/../a' } } },
      'widened-args',
    ],
    [{ args: { path: { const: 'a' } } }, { args: { other: { const: 'a' } } }, 'widened-args'],
    [{ args: { n: { maximum: 5 } } }, { args: { n: { minimum: 1 } } }, 'widened-args'],
    [{ args: { n: { maximum: 5 } } }, { args: { n: { maximum: 4, minimum: 1 } } }, 'fine'],
    [{ args: { n: { prefix: 'ab' } } }, { args: { n: { prefix: 'abc' } } }, 'fine'],
    [{ args: { n: { prefix: 'ab' } } }, { args: { n: { prefix: 'a' } } }, 'widened-args'],
    [{ args: { n: { enum: [1, 2] } } }, { args: { n: { enum: [2, 3] } } }, 'widened-args'],
  ])('of %j with %j: %s', (above, below, expected) => {
    expect(child(above, below)).toBe(expected);
  });
});

describe('any random chain of caveats', () => {
  const values = fc.constantFrom<Json>('/a/b', '/a/c', '/a', '/b', 'ab', 1, 5, null);
  const globs = fc.constantFrom('/**', '/a/**', '/a/*', '/a/b', '/a/b*', '/b');
  const rule: fc.Arbitrary<JsonObject> = fc.oneof(
    fc.record({ const: values }),
    fc.record({ enum: fc.array(values, { minLength: 1, maxLength: 3 }) }),
    fc.record({ paths: fc.array(globs, { minLength: 1, maxLength: 2 }) }),
    fc.record({ prefix: fc.constantFrom('/a', '/a/', '/', 'a') }),
    fc.record({ minimum: fc.integer({ min: 0, max: 5 }), maximum: fc.integer({ min: 0, max: 5 }) }),
  );
  const times = fc.constantFrom('00:00', '06:00', '12:00', '18:00');
  const hours = fc
    .record({
      from: times,
      to: times,
      days: fc.subarray(['mon', 'tue', 'sun'], { minLength: 1 }),
    })
    .filter(({ from, to }) => from !== to);
  const caveats = fc.record(
    {
      args: fc.dictionary(fc.constantFrom('p', 'q'), rule, { minKeys: 1, maxKeys: 2 }),
      hours,
      uses: fc.integer({ min: 1, max: 4 }),
      rate: fc.record({ per_s: fc.constantFrom(1, 2), burst: fc.constantFrom(1, 2) }),
      approval: fc.constant('required'),
    },
    { requiredKeys: [] },
  );
  /** Often what the parent has, or a part of it: else few chains would hold. */
  const step = fc.record({ own: caveats, keep: fc.integer({ min: 0, max: 3 }) });
  const odd = fc.constantFrom<Json>('/a/../b', '/a/%2e%2e/b', '/a//b', { p: '/a/b' }, [
    '/a/b',
    '/b',
  ]);
  const args = fc.dictionary(fc.constantFrom('p', 'q', 'P', 'x'), fc.oneof(values, values, odd), {
    maxKeys: 3,
  });
  const when = fc.integer({ min: 0, max: 7 * 24 }).map((hour) => NOW_MS + hour * 3_600_000);
  const people = [owner, alice, bob, carol];

  it('allows a call only if every link of it does, and needs all that a link needs', () => {
    const runs = upTo(1000, 10_000);
    let held = 0;
    let granted = 0;
    const calls = fc.array(fc.tuple(args, when), { minLength: 12, maxLength: 12 });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 3 }), calls, (steps, wanted) => {
        const chain: Grant[] = [];
        for (const [index, { own, keep }] of steps.entries()) {
          const parent = chain.at(-1);
          const above = parent?.claims.cap[0]?.caveats ?? {};
          const merged =
            keep === 0 ? own : keep === 1 ? { ...above, ...own } : { ...own, ...above };
          chain.push({
            jws: '',
            hash: `hash-${index}`,
            claims: {
              iss: people[index]?.did ?? owner.did,
              aud: people[index + 1]?.did ?? owner.did,
              sub: owner.did,
              cap: [{ ...READ, caveats: merged }],
              iat: NOW_S,
              exp: NOW_S + 3600,
              jti: `grant-${index}`,
              max_depth: 5 - index,
              ...(parent === undefined ? {} : { prf: [parent.hash] }),
            },
          });
        }
        if (!verifyLast(chain).ok) return;
        held += chain.length > 1 ? 1 : 0;
        const leaf = chain.at(-1)?.claims.cap[0] as Capability;
        for (const [given, nowMs] of wanted) {
          const verdict = allows(leaf, 'tool/call', target, { args: given, nowMs });
          if (!verdict.allow) continue;
          granted += 1;
          for (const { claims } of chain) {
            const link = claims.cap[0] as Capability;
            const says = slowSays(link, given, nowMs);
            expect(says).not.toBe('no');
            if (says === 'ask') expect(verdict.needs?.approval).toBe(true);
            const uses = link.caveats?.['uses'];
            if (uses !== undefined) {
              expect(verdict.needs?.uses).toBeLessThanOrEqual(Number(uses));
            }
            const rate = link.caveats?.['rate'] as { per_s: number; burst: number } | undefined;
            if (rate !== undefined) {
              expect(verdict.needs?.rate?.perSecond).toBeLessThanOrEqual(rate.per_s);
              expect(verdict.needs?.rate?.burst).toBeLessThanOrEqual(rate.burst);
            }
          }
        }
      }),
      { numRuns: runs, seed: 8 },
    );
    expect(held).toBeGreaterThan(runs / 8);
    expect(granted).toBeGreaterThan(runs / 8);
  });

  it('of one link says what the slow oracle says', () => {
    const runs = upTo(1500, 10_000);
    let yes = 0;
    fc.assert(
      fc.property(caveats, args, when, (own, given, nowMs) => {
        const link = { ...READ, caveats: own };
        const verdict = allows(link, 'tool/call', target, { args: given, nowMs });
        const says = !verdict.allow ? 'no' : verdict.needs?.approval === true ? 'ask' : 'yes';
        expect(says).toBe(slowSays(link, given, nowMs));
        if (verdict.allow) yes += 1;
      }),
      { numRuns: runs, seed: 9 },
    );
    expect(yes).toBeGreaterThan(runs / 20);
  });
});

describe('judging', () => {
  const wanted = { resource: 'tool:files/read_file', ability: 'tool/call' };
  const grant = (caveats?: Record<string, Json>): Grant =>
    grantOf(owner, alice, { cap: [caveats === undefined ? READ : { ...READ, caveats }] });
  const rule = (grants: readonly Grant[], call: object = {}): string => {
    const answer = evaluateCall(grants, { ...wanted, ...call }, undefined, NOW_MS);
    if ('ask' in answer) return 'ask';
    return answer.allow ? 'yes' : answer.refusal.rule;
  };

  it('prefers a grant for which nobody must be asked', () => {
    const asks = grant({ approval: 'required' });
    expect(evaluateCall([asks], wanted, undefined, NOW_MS)).toEqual({
      ask: 'approval',
      grant: asks,
    });
    const free = grant();
    expect(evaluateCall([asks, free], wanted, undefined, NOW_MS)).toEqual({
      allow: true,
      grant: free,
    });
  });

  it('takes an approval for the one grant that it was given for', () => {
    const asks = grant({ approval: 'required' });
    expect(rule([asks], { approved: asks.claims.jti })).toBe('yes');
    expect(rule([asks], { approved: grant().claims.jti })).toBe('ask');
  });

  it('says why not', () => {
    expect(rule([])).toBe('no-grant');
    expect(rule([grant()], { resource: 'tool:git/log' })).toBe('not-covered');
    expect(rule([grant()], { resource: 'tool:files/..' })).toBe('malformed');
    const docs = grant({ args: { path: { paths: ['/srv/docs/**'] } } });
    expect(rule([docs], { args: { path: '/etc/passwd' } })).toBe('args');
    // In a list: there is a call that would be allowed.
    expect(rule([docs])).toBe('yes');
  });
});
