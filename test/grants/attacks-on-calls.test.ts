/** Attacks on calls, by name: what a grant allows is dodged by names, arguments or numbers. */
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../src/core/index.ts';
import type { Did, Json, JsonObject } from '../../src/core/index.ts';
import {
  allowsAlways,
  createCounters,
  createGrantBook,
  evaluateCall,
  parseTarget,
  readCallArguments,
  ruleOf,
} from '../../src/grants/index.ts';
import type { Grant, GrantBook, CallEvaluation, WantedCall } from '../../src/grants/index.ts';
import { refusalOf } from '../../src/grants/format/grant.ts';
import {
  ALL_FILES,
  NOW_MS,
  READ,
  alice,
  bob,
  grantOf,
  manualClock,
  owner,
  signerOf,
} from './arrange.ts';
import { memoryTable } from './memory-table.ts';

const HOUR_MS = 3_600_000;
const good = grantOf(owner, alice, { maxDepth: 2 });

type Attack = readonly [name: string, rule: string, run: () => string | Promise<string>];

function word(answer: CallEvaluation): string {
  if ('ask' in answer) return 'ask';
  return answer.allow ? 'accepted' : answer.refusal.rule;
}

/** The rule that refuses a call with these arguments under `--arg path=/srv/docs/**`. */
function call(args: JsonObject | string): string {
  const caveats = { args: { path: { paths: ['/srv/docs/**'] } } };
  const grant = grantOf(owner, alice, { cap: [{ ...READ, caveats }] });
  try {
    const read = readCallArguments(typeof args === 'string' ? args : JSON.stringify(args));
    return word(evaluateCall([grant], { ...toRead, args: read }, undefined, NOW_MS));
  } catch (error) {
    return refusalOf(error).rule;
  }
}

const toRead: WantedCall = { resource: 'tool:files/read_file', ability: 'tool/call' };

/** The rule that refuses `resource` to the holder of `files/**`. */
function name(resource: string): string {
  const grant = grantOf(owner, alice, {
    cap: [{ resource: 'tool:files/**', ability: 'tool/call' }],
  });
  return word(evaluateCall([grant], { resource, ability: 'tool/call' }, undefined, NOW_MS));
}

interface House {
  readonly book: GrantBook;
  readonly call: (grant: Grant, more?: Partial<WantedCall>) => string;
}

async function house(): Promise<House> {
  const clock = manualClock();
  const logger = silentLogger;
  const tables = { grants: memoryTable(), revocations: memoryTable() };
  const book = createGrantBook({ identity: owner, ...tables, clock, logger });
  await book.start();
  const parts = { table: memoryTable(), grants: book, self: owner.did, clock, logger };
  const counters = createCounters(parts);
  await counters.start();
  return {
    book,
    call: (grant, more = {}) =>
      word(evaluateCall([grant], { ...toRead, ...more }, counters, clock.now())),
  };
}

function give(book: GrantBook, caveats: Record<string, Json>, to: Did = alice.did): Promise<Grant> {
  return book.issue({
    aud: to,
    capabilities: [{ ...READ, caveats }],
    expiresAtMs: NOW_MS + HOUR_MS,
    maxDepth: 2,
  });
}

function fresh(book: GrantBook, holder: Did, ...grants: readonly Grant[]): string {
  const [refusal] = book.present(
    holder,
    grants.map((grant) => grant.jws),
  );
  return refusal === undefined ? 'accepted' : ruleOf(refusal);
}

const onNames: readonly Attack[] = [
  ['.. in a name', 'malformed', () => name('tool:files/../git/push')],
  ['encoded .. in a name', 'malformed', () => name('tool:files/%2e%2e/git')],
  ['doubly encoded .. in a name: another name', 'not-covered', () => name('tool:git/%252e%252e')],
  ['encoded slash in a name', 'malformed', () => name('tool:files/a%2Fb')],
  ['overlong UTF-8 in a name', 'malformed', () => name('tool:files/%C0%AE')],
  ['direction marks in a name', 'malformed', () => name('tool:files/\u202eexe.txt')],
  ['invisible characters in a name', 'malformed', () => name('tool:files/re\u200bad')],
  [
    'name that only looks like the granted one (NFKC)',
    'not-covered',
    () => name('tool:\uff46iles/x'),
  ],
  ['name in other case', 'not-covered', () => name('tool:Files/x')],
  [
    'wildcard over the built-in server',
    'not-covered',
    () => {
      const all = grantOf(owner, alice, { cap: [{ resource: 'tool:**', ability: 'tool/call' }] });
      const resource = 'tool:starling/grant_create';
      return word(evaluateCall([all], { ...toRead, resource }, undefined, NOW_MS));
    },
  ],
  [
    'name with a star in it',
    'not-covered',
    () => {
      const one = grantOf(owner, alice, {
        cap: [{ resource: 'tool:files/read', ability: 'tool/call' }],
      });
      return word(evaluateCall([one], { ...toRead, resource: 'tool:files/*' }, undefined, NOW_MS));
    },
  ],
  [
    'ability * wanted',
    'not-covered',
    () => {
      const all = grantOf(owner, alice, { cap: [{ ...ALL_FILES, ability: '*' }] });
      return word(evaluateCall([all], { ...toRead, ability: '*' }, undefined, NOW_MS));
    },
  ],
];

const onArguments: readonly Attack[] = [
  ['.. in a path', 'args', () => call({ path: '/srv/docs/../../etc/passwd' })],
  ['.. at the end of a path', 'args', () => call({ path: '/srv/docs/..' })],
  ['dots and blanks, which Windows drops', 'args', () => call({ path: '/srv/docs/.. /x' })],
  ['backslashes in a path', 'args', () => call({ path: '/srv/docs/..\\..\\etc' })],
  ['encoded .. in a path', 'args', () => call({ path: '/srv/docs/%2e%2e/x' })],
  ['doubly encoded .. in a path', 'args', () => call({ path: '/srv/docs/%252e%252e/x' })],
  ['encoded slash in a path', 'args', () => call({ path: '/srv/docs/..%2fetc' })],
  ['full-width dots in a path (NFKC)', 'args', () => call({ path: '/srv/docs/\uff0e\uff0e/x' })],
  ['two-dot leader in a path (NFKC)', 'args', () => call({ path: '/srv/docs/\u2025/x' })],
  ['full-width slash in a path (NFKC)', 'args', () => call({ path: '/srv/docs/a\uff0f..' })],
  ['path not in NFC', 'args', () => call({ path: '/srv/docs/cafe\u0301' })],
  ['NUL in a path', 'args', () => call({ path: '/srv/docs/a\u0000.txt' })],
  ['direction marks in a path', 'args', () => call({ path: '/srv/docs/\u202etxt' })],
  ['empty segment in a path', 'args', () => call({ path: '/srv/docs//etc' })],
  ['path in other case', 'args', () => call({ path: '/SRV/docs/a' })],
  ['argument left out', 'args', () => call({})],
  ['argument as an object', 'args', () => call({ path: { path: '/srv/docs/a' } })],
  ['one bad path in a list', 'args', () => call({ path: ['/srv/docs/a', '/etc/passwd'] })],
  ['argument there twice', 'args', () => call('{"path":"/srv/docs/a","path":"/etc/passwd"}')],
  [
    'argument there twice, once escaped',
    'args',
    () => call('{"path":"/srv/docs/a","\\u0070ath":"/etc/passwd"}'),
  ],
  ['argument there again in other case', 'args', () => call({ path: '/srv/docs/a', PATH: '/etc' })],
  [
    'argument there again further in',
    'args',
    () => call({ path: '/srv/docs/a', options: { path: '/etc/passwd' } }),
  ],
  ['prototype instead of an argument', 'args', () => call('{"__proto__":{"path":"/srv/docs/a"}}')],
  [
    'nesting until the reader gives up',
    'args',
    () => call(`{"path":"/srv/docs/a","x":${'['.repeat(5000)}${']'.repeat(5000)}}`),
  ],
];

const onCounting: readonly Attack[] = [
  [
    'uses raced by 100 calls',
    'uses',
    async () => {
      const { book, call: ask } = await house();
      const grant = await give(book, { uses: 7 });
      const answers = await Promise.all(Array.from({ length: 100 }, async () => ask(grant)));
      expect(answers.filter((it) => it === 'accepted')).toHaveLength(7);
      return answers.at(-1) ?? '';
    },
  ],
  [
    'uses multiplied by handing on to many',
    'uses',
    async () => {
      const { book, call: ask } = await house();
      const root = await give(book, { uses: 2 });
      const leaves = [51, 52, 53].map((it) =>
        grantOf(alice, signerOf(it), { parents: [root], cap: root.claims.cap }),
      );
      for (const leaf of leaves) fresh(book, leaf.claims.aud, leaf);
      return leaves.map((leaf) => ask(leaf)).at(-1) ?? '';
    },
  ],
  [
    'uses set back by signing the same link again',
    'uses',
    async () => {
      const { book, call: ask } = await house();
      const root = await give(book, { uses: 1 });
      const [one, two] = [1, 2].map(() =>
        grantOf(alice, bob, { parents: [root], cap: root.claims.cap }),
      ) as [Grant, Grant];
      fresh(book, bob.did, one, two);
      expect(ask(one)).toBe('accepted');
      return ask(two);
    },
  ],
  [
    'rate multiplied by handing on to many',
    'rate',
    async () => {
      const { book, call: ask } = await house();
      const root = await give(book, { rate: { per_s: 1, burst: 1 } });
      const leaves = [51, 52].map((it) =>
        grantOf(alice, signerOf(it), { parents: [root], cap: root.claims.cap }),
      );
      for (const leaf of leaves) fresh(book, leaf.claims.aud, leaf);
      return leaves.map((leaf) => ask(leaf)).at(-1) ?? '';
    },
  ],
  [
    'call outside of the hours',
    'hours',
    async () => {
      const { book, call: ask } = await house();
      return ask(await give(book, { hours: { from: '08:00', to: '18:00' } }));
    },
  ],
  [
    'call without its arguments, where a caveat is about them',
    'args',
    async () => {
      const { book, call: ask } = await house();
      return ask(await give(book, { args: { path: { const: 'a' } } }));
    },
  ],
  [
    'approval of one grant used with another',
    'ask',
    async () => {
      const { book, call: ask } = await house();
      const [one, two] = [
        await give(book, { approval: 'required' }),
        await give(book, { approval: 'required' }),
      ];
      expect(ask(one, { approved: one.claims.jti })).toBe('accepted');
      return ask(two, { approved: one.claims.jti });
    },
  ],
  [
    'caveat that we do not know',
    'caveat',
    () =>
      word(
        evaluateCall(
          [grantOf(owner, alice, { cap: [{ ...READ, caveats: { colour: 'red' } }] })],
          toRead,
          undefined,
          NOW_MS,
        ),
      ),
  ],
  [
    'budget of nothing, which would be none',
    'caveat',
    () => {
      const cap = [{ ...READ, caveats: { budget: { id: 'a', max: 0 } } }];
      return word(evaluateCall([grantOf(owner, alice, { cap })], toRead, undefined, NOW_MS));
    },
  ],
  [
    'more grants shown than are kept',
    'limit',
    async () => {
      const book = createGrantBook(
        {
          identity: owner,
          grants: memoryTable(),
          revocations: memoryTable(),
          clock: manualClock(),
          logger: silentLogger,
        },
        { presentedMax: 1 },
      );
      fresh(book, alice.did, good);
      return fresh(book, alice.did, grantOf(owner, alice));
    },
  ],
];

describe.each([
  ['names', onNames],
  ['arguments', onArguments],
  ['counting and conditions', onCounting],
])('an attack on %s', (_on, attacks) => {
  it.each(attacks)('%s: %s', async (_name, rule, run) => {
    expect(await run()).toBe(rule);
  });
});

describe('the attacks', () => {
  it('have each a name of its own', () => {
    const all = [...onNames, ...onArguments, ...onCounting];
    expect(new Set(all.map(([title]) => title)).size).toBe(all.length);
  });

  it('fail where the same thing done honestly works', async () => {
    expect(name('tool:files/read/deep')).toBe('accepted');
    expect(call({ path: '/srv/docs/a.txt', head: 3 })).toBe('accepted');
    const { book, call: ask } = await house();
    expect(ask(await give(book, { uses: 1, rate: { per_s: 1, burst: 1 } }))).toBe('accepted');
  });
});

describe('a glob', () => {
  it('that would explode is matched without going back, which would take for ever', () => {
    const resource = `tool:files/${'*a'.repeat(200)}`;
    const target = parseTarget(`tool:files/${'a'.repeat(400)}b`);
    for (let round = 0; round < 100; round += 1) {
      expect(allowsAlways({ resource, ability: 'tool/call' }, 'tool/call', target)).toBe(false);
    }
    const paths = [`/${'*a'.repeat(200)}/**`];
    const grant = grantOf(owner, alice, {
      cap: [{ ...READ, caveats: { args: { path: { paths } } } }],
    });
    const args = { path: `/${'a'.repeat(4000)}` };
    expect(word(evaluateCall([grant], { ...toRead, args }, undefined, NOW_MS))).toBe('args');
  });
});

describe('arguments as big as a message may be', () => {
  const mb = (text: string, count: number): string =>
    text.repeat((count * 1_000_000) / text.length);

  it.each([
    ['a long text', `{"text":"${mb('x', 9.9)}"}`],
    ['a long text of quotes', `{"text":"${mb('\\"', 9)}"}`],
    ['a long text of backslashes', `{"text":"${mb('\\\\\\\\', 8)}"}`],
    ['much space', `{"text"${mb(' ', 9)}:1}`],
  ])('are read: %s', (_, text) => {
    expect(Object.keys(readCallArguments(text))).toEqual(['text']);
  });

  it.each([
    ['behind a long text', `{"text":"${mb('x', 9)}","a":1,"a":2}`],
    ['behind much space', `{"a"${mb(' ', 9)}:1,"a":2}`],
    ['with an escape', '{"a\\\\":1,"b":"\\\\\\"","b":2}'],
  ])('name nothing twice: %s', (_, text) => {
    expect(() => readCallArguments(text)).toThrow('is there twice');
  });
});
