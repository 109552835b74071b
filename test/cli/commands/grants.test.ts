/** `starling grant`: what the options become, how a chain is drawn, and checking without a node. */
import { describe, expect, it } from 'vitest';
import { parseCount, parseDepth, parseRate } from '../../../src/cli/options/parsers.ts';
import { grantConditions } from '../../../src/cli/options/grant-conditions.ts';
import { drawChain } from '../../../src/cli/terminal/lines/grant-tree.ts';
import { StarlingError } from '../../../src/core/index.ts';
import type { Json, JsonObject } from '../../../src/core/index.ts';
import { explainChain, issueGrant } from '../../../src/grants/index.ts';
import type { Grant } from '../../../src/grants/index.ts';
import { NOW_MS, READ, alice, bob, grantOf, owner, resign } from '../../grants/arrange.ts';
import { serving } from '../fake-node.ts';
import { fakeNode, run } from '../support.ts';

const args = (...arg: string[]): Json | undefined => grantConditions({ arg })['args'];

describe('--arg', () => {
  it.each<[string[], Json]>([
    [['path=/srv/docs/**'], { path: { paths: ['/srv/docs/**'] } }],
    [['path=/srv/docs', 'path=/srv/docs/**'], { path: { paths: ['/srv/docs', '/srv/docs/**'] } }],
    [['mode=read'], { mode: { enum: ['read'] } }],
    [['mode=read', 'mode=list'], { mode: { enum: ['read', 'list'] } }],
    [['name=a', 'name=b*'], { name: { paths: ['a', 'b*'] } }],
    [['deep:=true', 'n:=5'], { deep: { enum: [true] }, n: { enum: [5] } }],
    [['n>=1', 'n<=10'], { n: { minimum: 1, maximum: 10 } }],
    [['branch^=feature-'], { branch: { prefix: 'feature-' } }],
    [['q=a=b'], { q: { enum: ['a=b'] } }],
  ])('%j becomes %j', (words, rules) => {
    expect(args(...words)).toEqual(rules);
  });

  it.each(['path', '=x', 'n<=many', 'n<=', 'deep:=yes'])('%s is no rule', (word) => {
    expect(() => args(word)).toThrow(StarlingError);
  });
});

describe('the other options', () => {
  it('become the arguments of the tool', () => {
    const given = {
      tool: ['files/*'],
      expires: 28_800_000,
      uses: 100,
      rate: parseRate('5/s'),
      needsApproval: true,
      maxDepth: 0,
      hours: 'mon-fri 08:00-18:00 Europe/Berlin',
    };
    expect(grantConditions(given)).toEqual({
      tools: ['files/*'],
      expires_s: 28_800,
      uses: 100,
      rate: { per_s: 5, burst: 5 },
      approval: 'required',
      max_depth: 0,
      hours: {
        from: '08:00',
        to: '18:00',
        days: ['mon', 'tue', 'wed', 'thu', 'fri'],
        zone: 'Europe/Berlin',
      },
    });
    expect(grantConditions({ hours: '22:00-06:00' })['hours']).toMatchObject({ from: '22:00' });
    expect(parseRate('60/m')).toEqual({ per_s: 1, burst: 60 });
  });

  it('are refused when they make no sense', () => {
    for (const hours of ['office', 'fri-mon 08:00-18:00', '08:00']) {
      expect(() => grantConditions({ hours })).toThrow(StarlingError);
    }
    for (const rate of ['5', '0/s', '5/y', '/s']) expect(() => parseRate(rate)).toThrow(/5\/s/);
    for (const count of ['0', '-1', 'x', '1.5']) expect(() => parseCount(count)).toThrow(/whole/);
    expect(() => parseDepth('8')).toThrow(/0 to 7/);
  });
});

describe('a drawn chain', () => {
  const root = grantOf(owner, alice, { maxDepth: 2 });
  const other = grantOf(owner, alice, { maxDepth: 1, cap: [READ] });
  const cap = [{ ...READ, caveats: { uses: 5 } }];
  const leaf = grantOf(alice, bob, { parents: [root, other], cap });
  const short = (grant: Grant): string => grant.claims.jti.slice(0, 8);
  const known = new Map([root, other].map((grant) => [grant.hash, grant]));
  const chain = explainChain(leaf, {
    nowMs: NOW_MS,
    find: (hash) => known.get(hash),
    isRevoked: () => false,
  });

  it('has the grant on top and what it stands on below', () => {
    const names = { [owner.did]: 'workstation', [alice.did]: 'laptop', [bob.did]: 'phone' };
    expect(drawChain(chain, names, NOW_MS).split('\n')).toEqual([
      `${short(leaf)}  laptop → phone, ends in 60m`,
      '│   call files/read_* (5 uses)',
      '│   narrows: files/* to files/read_*',
      '│   narrows: 5 uses',
      `├─ ${short(root)}  workstation → laptop, ends in 60m`,
      '│      call files/*',
      '│      may be handed on 2 times',
      `└─ ${short(other)}  workstation → laptop, ends in 60m`,
      '       call files/read_*',
      '       may be handed on once',
      'valid',
    ]);
  });

  it('says which rule fails, and what is missing', () => {
    const alone = explainChain(leaf, {
      nowMs: NOW_MS,
      find: () => undefined,
      isRevoked: () => false,
    });
    const lines = drawChain(alone, {}, NOW_MS + 7_200_000).split('\n');
    expect(lines[0]).toContain('ended 60m ago');
    expect(lines.filter((line) => /^[├└]─ .*  missing$/.test(line))).toHaveLength(2);
    expect(lines).toContain('not valid: missing-parent');
  });

  it('names who gave what to whom where that is what is wrong', () => {
    const first = grantOf(owner, alice, { maxDepth: 1 });
    const crooked = resign(bob, grantOf(alice, bob, { parents: [first] }), { iss: bob.did });
    const shown = explainChain(crooked, {
      nowMs: NOW_MS,
      find: (hash) => (hash === first.hash ? first : undefined),
      isRevoked: () => false,
    });
    const names = { [owner.did]: 'workstation', [alice.did]: 'laptop', [bob.did]: 'phone' };
    expect(drawChain(shown, names, NOW_MS).split('\n').slice(-2)).toEqual([
      'not valid: issuer',
      `  grant ${short(crooked)} was given by phone, but grant ${short(first)}, on which it stands, is for laptop`,
    ]);
  });

  it('says in words what a link takes away, and what it allows beyond', () => {
    const limited = { ...READ, caveats: { uses: 5 } };
    const read = { ability: 'resource/read', resource: 'resource:files/**' };
    const base = grantOf(owner, alice, { maxDepth: 1, cap: [limited, read] });
    const leafOf = grantOf(alice, bob, { parents: [base], cap: [limited] });
    const wider = resign(alice, leafOf, { cap: [READ] });
    const shown = explainChain(wider, {
      nowMs: NOW_MS,
      find: (hash) => (hash === base.hash ? base : undefined),
      isRevoked: () => false,
    });
    const lines = drawChain(shown, {}, NOW_MS).split('\n');
    expect(lines).toContain('│   narrows: nothing: to call files/read_* is more');
    expect(lines).toContain('│   narrows: may not read files/**');
    expect(lines.slice(-3)).toEqual([
      'not valid: widened-uses',
      `  grant ${short(wider)} allows more than what it stands on`,
      '    to call files/read_*: the limit on its number of uses is wider, or left out',
    ]);
  });
});

describe('starling grant verify', () => {
  const grant = (to: typeof alice, maxDepth = 0, parents: readonly Grant[] = []): Grant =>
    issueGrant(
      parents.length === 0 ? owner : alice,
      {
        aud: to.did,
        sub: owner.did,
        cap: [READ],
        expiresAt: Math.floor(Date.now() / 1000) + 3600,
        maxDepth,
        parents,
      },
      Date.now(),
    );

  it('needs no node, and ends with 0 for what holds', async () => {
    const root = grant(alice, 1);
    const leaf = grant(bob, 0, [root]);
    const told = await run('grant', 'verify', leaf.jws, root.jws);
    expect(told).toMatchObject({ code: 0, stderr: '' });
    expect(told.stdout).toMatch(/\nvalid\n$/);
  });

  it('ends with 1 and the rule for what does not', async () => {
    const leaf = grant(bob, 0, [grant(alice, 1)]);
    const alone = await run('grant', 'verify', leaf.jws);
    expect(alone.code).toBe(1);
    expect(alone.stdout).toContain('not valid: missing-parent');
    const cut = await run('grant', 'verify', leaf.jws.slice(0, -10));
    expect(cut.stdout).toContain('not valid: format');
    const asJson = await run('grant', 'verify', '--json', leaf.jws);
    expect(asJson.code).toBe(1);
    expect(JSON.parse(asJson.stdout)).toMatchObject({
      valid: false,
      chains: [{ rule: 'missing-parent' }],
    });
  });
});

it('a grant that means or limits nothing is made, and said to be one, beside what scripts read', async () => {
  const grant = { id: 'abcdefgh12', with: 'bob', renewed: true, capabilities: [], expiresAt: 0 };
  const remarks = ["no server here is called 'fils' (did you mean 'files'?)", 'two\u001b[2J'];
  const node = await fakeNode({
    answer: serving({ grant_create: { grant, jws: 'a.b.c', remarks } }),
  });
  const at = ['grant', 'create', 'bob', '--tool', 'fils/x', '--state', node.stateDir];
  const { code, stdout, stderr } = await run(...at);
  expect([code, stdout.split('\n')]).toEqual([
    0,
    [expect.stringMatching(/^bob may now call fils\/x/), ''],
  ]);
  expect(stderr).toMatch(/^! no server here is called 'fils' \(did you mean 'files'\?\)\n! two/);
  expect(stderr).not.toContain('\u001b[2J');
  const json = await run(...at, '--json');
  expect(json.stderr).toBe('');
  expect(JSON.parse(json.stdout)).toMatchObject({ remarks });
});

it('grants are listed for one peer where that is named', async () => {
  const one = (id: string, alias: string): JsonObject => ({
    id,
    direction: 'issued',
    with: alias,
    did: `did:key:${alias}`,
    state: 'valid',
    capabilities: [],
    issuedAt: 0,
    expiresAt: Date.now() + 60_000,
    renewed: false,
  });
  const node = await fakeNode({
    answer: serving({
      grant_list: { grants: [one('aaaaaaaa1', 'bob'), one('bbbbbbbb1', 'carol')] },
    }),
  });
  const some = await run('grant', 'list', 'carol', '--state', node.stateDir);
  expect(some.stdout).toContain('bbbbbbbb');
  expect(some.stdout).not.toContain('aaaaaaaa');
  const none = await run('grant', 'list', 'dave', '--state', node.stateDir);
  expect(none.stdout).toMatch(/^no grants to dave or from it/);
});
