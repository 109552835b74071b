/** The tools over the guard, as an agent, a stranger and the operator use them. */
import { describe, expect, it } from 'vitest';
import { governanceTools } from '../../src/builtin/index.ts';
import { activeGrants } from '../../src/builtin/permissions.ts';
import type {
  ApprovalListResult,
  PolicyExplainResult,
  PolicyShowResult,
  ValidateTokenResult,
} from '../../src/builtin/index.ts';
import type { JsonObject, PeerId } from '../../src/core/index.ts';
import { StarlingError, createHealth, silentLogger } from '../../src/core/index.ts';
import type { BuiltinContext, BuiltinTool } from '../../src/gateway/index.ts';
import { createCurrentPolicy } from '../../src/guard/index.ts';
import type { PermissionAnswer, Principal } from '../../src/guard/index.ts';
import type { PeerView } from '../../src/membership/index.ts';
import { alice, bob, carol, chainOf, owner } from '../grants/arrange.ts';
import { OPERATOR, governedNode, grant, peer } from '../guard/governed-node.ts';
import type { GovernedNode } from '../guard/governed-node.ts';

const POLICY = 'resource_types: { EXTERNAL_SERVICE: { resources: [files/*], restrictions: {} } }';
const GOOD = 'I need files/read_file to finish the task of summing up exactly one report.';
const ASK = {
  agent_id: 'laptop',
  resource_type: 'EXTERNAL_SERVICE',
  justification: GOOD,
  scope: 'files/read_*',
};

interface Bench extends GovernedNode {
  readonly all: readonly BuiltinTool[];
  readonly use: <T>(name: string, args: object, who?: Principal, session?: string) => Promise<T>;
}

async function benchOf(policyText = POLICY): Promise<Bench> {
  const node = await governedNode(policyText);
  const { did } = alice;
  const laptop = peer();
  const peerId = laptop.kind === 'peer' ? laptop.peerId : ('' as PeerId);
  const view = { peerId, did, alias: 'laptop' } as PeerView;
  const policy = createCurrentPolicy(
    { clock: node.clock, logger: silentLogger, health: createHealth() },
    { file: '/nowhere/policy.yaml' },
  );
  const tools = governanceTools({
    governance: {
      ...node,
      sourceZones: () => 'local',
      tools: () => node.tools,
      policy,
      start: nothing,
      stop: nothing,
    },
    grants: node.book,
    membership: {
      peer: (id) => (id === peerId ? view : undefined),
      byAlias: (alias) => (alias === view.alias ? view : undefined),
      resolve(name) {
        if ([view.alias, 'notebook'].includes(name)) return view;
        throw new StarlingError('STARLING_PEER_UNKNOWN', `no peer ${name}`);
      },
    },
    keys: { list: () => [{ id: 'k1', name: 'ci', scopes: ['tool:files/*'], createdAt: 0 }] },
    clock: node.clock,
    self: { name: 'workstation' },
  });
  return Object.assign(node, {
    all: tools,
    async use<T>(name: string, args: object, who: Principal = peer(), session?: string) {
      const tool = tools.find(({ definition }) => definition.name === name);
      if (tool === undefined) throw new Error(`no tool is called ${name}`);
      const context = {
        principal: who,
        signal: new AbortController().signal,
        ...(session === undefined ? {} : { session }),
      };
      return (await tool.call(args as JsonObject, context)) as unknown as T;
    },
  });
}

const nothing = (): Promise<void> => Promise.resolve();

it('peers and agents have the tools of permissions, and those of approvals where they were granted', async () => {
  const { all } = await benchOf();
  expect(all.map(({ definition, peers }) => [definition.name, peers])).toEqual([
    ['request_permission', 'granted'],
    ['validate_token', 'granted'],
    ['revoke_token', 'granted'],
    ['approval_list', 'granted'],
    ['approval_answer', 'granted'],
    ['approval_ask', 'no'],
    ['policy_check', 'no'],
    ['policy_show', 'no'],
    ['policy_explain', 'no'],
  ]);
});

describe('request_permission', () => {
  it('gives a grant that is valid, shows among the active ones, and can be given back', async () => {
    const bench = await benchOf();
    const { grantToken = '' } = await bench.use<PermissionAnswer>('request_permission', ASK);
    const valid = await bench.use<ValidateTokenResult>('validate_token', { token: grantToken });
    expect(valid).toMatchObject({ valid: true, grant: { holder: alice.did, owner: owner.did } });
    expect(activeGrants({ grants: bench.book }, peer()).grants).toEqual([valid.grant]);
    expect(activeGrants({ grants: bench.book }, OPERATOR).grants).toEqual([valid.grant]);
    expect(activeGrants({ grants: bench.book }, peer(bob, 'phone')).grants).toEqual([]);
    const revoked = await bench.use('revoke_token', { token: grantToken, reason: 'done' });
    expect(revoked).toEqual({ revoked: true, id: valid.grant?.id });
    expect(await bench.use('revoke_token', { token: grantToken })).toEqual(revoked);
    expect(await bench.use('validate_token', { token: grantToken })).toMatchObject({
      valid: false,
      rule: 'revoked',
    });
    expect(activeGrants({ grants: bench.book }, peer()).grants).toEqual([]);
    expect(await bench.use('request_permission', ASK)).toMatchObject({ granted: true });
  });

  it('names each argument that does not fit', async () => {
    const bench = await benchOf();
    await expect(bench.use('request_permission', { agent_id: 'x' })).rejects.toMatchObject({
      code: 'STARLING_USAGE',
      message: expect.stringMatching(/resource_type: [^]*justification: /) as string,
    });
  });
});

describe('validate_token', () => {
  it('checks a chain of which this node has nothing, and says what is missing', async () => {
    const bench = await benchOf();
    const [root, leaf] = chainOf([owner, alice, bob]);
    const token = `${leaf?.jws} ${root?.jws}`;
    expect(await bench.use('validate_token', { token })).toMatchObject({ valid: true });
    expect(await bench.use('validate_token', { token: leaf?.jws })).toMatchObject({
      valid: false,
      rule: 'missing-parent',
      grant: { holder: bob.did },
    });
  });

  it.each([
    ['a.b.c', 'malformed'],
    [' . ', 'malformed'],
  ])('calls %j %s', async (token, rule) => {
    const bench = await benchOf();
    expect(await bench.use('validate_token', { token: `${token}    ` })).toMatchObject({
      valid: false,
      rule,
    });
  });

  it('tells nobody about the grants of others by their id', async () => {
    const bench = await benchOf();
    const id = await grant(bench, 'tool:files/*');
    const stranger = peer(carol, 'tablet');
    const known = await bench.use('validate_token', { token: id }, stranger);
    const unknown = await bench.use('validate_token', { token: 'AAAAAAAAAA' }, stranger);
    expect(JSON.stringify(known).replaceAll(id, '…')).toBe(
      JSON.stringify(unknown).replaceAll('AAAAAAAAAA', '…'),
    );
    expect(await bench.use('validate_token', { token: id })).toMatchObject({ valid: true });
  });

  it('takes the beginning of an id as commands do, and says when that is too short', async () => {
    const bench = await benchOf();
    const id = await grant(bench, 'tool:files/*');
    const validate = (token: string): Promise<unknown> => bench.use('validate_token', { token });
    expect(await validate(id.slice(0, 4))).toMatchObject({ valid: true });
    expect(await validate(id.slice(0, 2))).toMatchObject({
      valid: false,
      reason: `'${id.slice(0, 2)}' is too short for a grant of yours: at least 4 characters of its id`,
    });
  });

  it('is not for floods', async () => {
    const bench = await benchOf();
    for (let count = 0; count < 60; count += 1)
      await bench.use('validate_token', { token: 'abcd' });
    await expect(bench.use('validate_token', { token: 'abcd' })).rejects.toMatchObject({
      code: 'STARLING_RATE_LIMITED',
    });
  });
});

describe('revoke_token', () => {
  it('is for the holder and the operator', async () => {
    const bench = await benchOf();
    const id = await grant(bench, 'tool:files/*');
    const [made] = bench.book.held(alice.did);
    const stranger = peer(bob, 'phone');
    await expect(bench.use('revoke_token', { token: made?.jws }, stranger)).rejects.toMatchObject({
      code: 'STARLING_CALL_REFUSED',
    });
    await expect(bench.use('revoke_token', { token: id }, stranger)).rejects.toMatchObject({
      code: 'STARLING_GRANT_UNKNOWN',
    });
    expect(bench.book.held(alice.did)).toHaveLength(1);
    await bench.use('revoke_token', { token: id }, OPERATOR);
    expect(bench.book.held(alice.did)).toEqual([]);
  });
});

describe('approvals as tools', () => {
  it('show what waits to who may answer, and take the answer', async () => {
    const bench = await benchOf('');
    const { pending } = await bench.use<PermissionAnswer>('request_permission', ASK);
    await expect(bench.use('approval_list', {})).rejects.toMatchObject({
      code: 'STARLING_CALL_REFUSED',
    });
    const list = await bench.use<ApprovalListResult>('approval_list', {}, OPERATOR);
    expect(list.approvals).toMatchObject([
      { id: pending, kind: 'permission', agentId: 'laptop', justification: GOOD, state: 'pending' },
    ]);
    const answer = { id: pending, approve: true, reason: 'fine' };
    await expect(bench.use('approval_answer', answer)).rejects.toThrow('may not answer approvals');
    const { approval } = await bench.use<{ approval: { made: string } }>(
      'approval_answer',
      answer,
      OPERATOR,
    );
    expect(bench.book.held(alice.did)[0]?.claims.jti).toBe(approval.made);
    expect(await bench.use('approval_list', {}, OPERATOR)).toEqual({ approvals: [] });
    expect(
      (await bench.use<ApprovalListResult>('approval_list', { all: true }, OPERATOR)).approvals,
    ).toHaveLength(1);
  });

  it('say of a word that is no id that there is no such approval', async () => {
    const bench = await benchOf('');
    const answer = { id: 'xyz', approve: true };
    await expect(bench.use('approval_answer', answer, OPERATOR)).rejects.toMatchObject({
      code: 'STARLING_APPROVAL_UNKNOWN',
      message: "'xyz' is no approval of this node",
      hint: expect.stringContaining('starling approvals') as string,
    });
  });

  it('write out what nobody would see', async () => {
    const bench = await benchOf();
    await bench.approvals.open({
      kind: 'call',
      principal: OPERATOR,
      resource: 'tool:files/x',
      ability: 'tool/call',
      args: { path: 'a\u3164b\ufe0f\u202e' },
      justification: 'be\u200bcause\u115f',
      rule: 'grant',
      timeoutMs: 1000,
    });
    const list = await bench.use<ApprovalListResult>('approval_list', {}, OPERATOR);
    expect(list.approvals).toMatchObject([
      {
        args: String.raw`{"path":"a\u{3164}b\u{FE0F}\u{202e}"}`,
        justification: String.raw`be\u{200b}cause\u{115F}`,
      },
    ]);
  });

  it('do not let a session approve what it waits for itself', async () => {
    const bench = await benchOf();
    const { id } = await bench.approvals.open({
      kind: 'call',
      principal: OPERATOR,
      resource: 'tool:files/delete',
      ability: 'tool/call',
      rule: 'callers.operator.approval_required',
      session: 's1',
      timeoutMs: 1000,
    });
    const answer = { id, approve: true };
    await expect(bench.use('approval_answer', answer, OPERATOR, 's1')).rejects.toThrow(
      'a session does not approve',
    );
    await bench.use('approval_answer', answer, OPERATOR, 's2');
    expect(bench.approvals.find(id).state).toBe('approved');
  });
});

describe('approval_answer without an answer', () => {
  const permission = async (bench: Bench): Promise<string> =>
    (await bench.use<PermissionAnswer>('request_permission', ASK)).pending ?? '';
  const ask = (
    bench: Bench,
    id: string,
    elicit?: NonNullable<BuiltinContext['elicit']>,
    principal: Principal = OPERATOR,
    session = 's2',
  ): Promise<unknown> => {
    const tool = bench.all.find(({ definition }) => definition.name === 'approval_answer');
    const { signal } = new AbortController();
    const context = { principal, session, signal, ...(elicit === undefined ? {} : { elicit }) };
    return tool?.call({ id }, context) ?? Promise.reject(new Error('no such tool'));
  };

  it('asks the person before the client, by the full id, and takes what that says', async () => {
    const bench = await benchOf('');
    const id = await permission(bench);
    const keys: string[] = [];
    const answered = await ask(bench, id.slice(0, 6), async (key, { message }) => {
      keys.push(key, String(message));
      return { action: 'accept', content: { decision: 'deny', reason: 'not now' } };
    });
    expect(answered).toMatchObject({ approval: { id, state: 'denied', reason: 'not now' } });
    expect(keys[0]).toBe(id);
    expect(keys[1]).toContain('asks for a grant at this node. Do you approve?');
  });

  it('decides nothing when the person does not, and says so', async () => {
    const bench = await benchOf('');
    const id = await permission(bench);
    for (const result of [undefined, { action: 'cancel' }, { action: 'accept', content: {} }]) {
      await expect(ask(bench, id, async () => result)).rejects.toThrow('has not decided');
    }
    await expect(ask(bench, id)).rejects.toMatchObject({ code: 'STARLING_USAGE' });
    expect(bench.approvals.find(id).state).toBe('pending');
  });

  it('takes the form back when somebody else answers first', async () => {
    const bench = await benchOf('');
    const id = await permission(bench);
    const asked = ask(bench, id, (_key, _params, signal) => {
      const gone = new Promise<undefined>((resolve) => {
        signal.addEventListener('abort', () => resolve(undefined));
      });
      void bench.use('approval_answer', { id, approve: false, reason: 'I' }, OPERATOR);
      return gone;
    });
    await expect(asked).rejects.toMatchObject({ code: 'STARLING_APPROVAL_CLOSED' });
    expect(bench.approvals.events.listenerCount('closed')).toBe(0);
  });

  it('asks nobody about what is over, what the session itself waits for, or for a peer', async () => {
    const bench = await benchOf('callers: { peer:laptop: { may_approve: true } }');
    const never = (): never => {
      throw new Error('somebody was asked');
    };
    const own = await bench.approvals.open({
      kind: 'call',
      principal: OPERATOR,
      resource: 'tool:files/delete',
      ability: 'tool/call',
      rule: 'callers.operator.approval_required',
      session: 's1',
      timeoutMs: 1000,
    });
    await expect(ask(bench, own.id, never, OPERATOR, 's1')).rejects.toThrow('a session does not');
    await expect(ask(bench, own.id, never, peer())).rejects.toMatchObject({
      code: 'STARLING_USAGE',
    });
    await bench.use('approval_answer', { id: own.id, approve: false }, OPERATOR);
    await expect(ask(bench, own.id, never)).rejects.toMatchObject({
      code: 'STARLING_APPROVAL_CLOSED',
    });
  });
});

describe('policy_explain', () => {
  it('of a tool without its server is no question that has an answer', async () => {
    const bench = await benchOf();
    await expect(
      bench.use('policy_explain', { as: 'laptop', on: 'foo' }, OPERATOR),
    ).rejects.toThrow("'foo' does not say at which server");
  });

  const explain = (bench: Bench, as: string, on: string, more = {}): Promise<PolicyExplainResult> =>
    bench.use('policy_explain', { as, on, ...more }, OPERATOR);

  it('says yes or no, by which grant, zone and rule', async () => {
    const bench = await benchOf('zones: { trusted: { read_only: true } }');
    const id = await grant(bench, 'tool:files/*');
    const yes = await explain(bench, 'laptop', 'files/read_file');
    expect(yes).toMatchObject({ answer: 'yes', grant: id, ability: 'tool/call' });
    const no = await explain(bench, 'laptop', 'tool:files/write_file', { do: 'tool/call' });
    expect(no).toMatchObject({
      answer: 'no',
      reason: expect.stringContaining('not marked read-only'),
      hint: expect.stringContaining('policy file'),
    });
    expect(no.steps.map(({ rule }) => rule)).toEqual(['zone', 'grant', 'zones.trusted.read_only']);
    bench.swap('zones: { trusted: { approval_required: true } }');
    expect(await explain(bench, alice.did, 'files/read_file')).toMatchObject({ answer: 'ask' });
  });

  it.each([
    ['files/read_file', 'tool:files/read_file'],
    ['files__read_file', 'tool:files/read_file'],
    ['workstation/files/read_file', 'tool:files/read_file'],
    ['workstation__files__read_file', 'tool:files/read_file'],
    ['laptop/git/log', 'tool:@laptop/git/log'],
    ['laptop__files__read_file', 'tool:@laptop/files/read_file'],
    ['nobody/git/log', 'tool:nobody/git/log'],
    ['@bob/files/read_file', 'tool:@bob/files/read_file'],
  ])('takes a tool as lists and messages show it: %s', async (on, resource) => {
    const bench = await benchOf();
    expect(await explain(bench, 'operator', on)).toMatchObject({ resource });
  });

  it('knows the operator, keys and strangers', async () => {
    const bench = await benchOf();
    expect((await explain(bench, 'operator', 'files/x')).answer).toBe('yes');
    expect((await explain(bench, 'client:ci', 'files/x')).answer).toBe('yes');
    expect((await explain(bench, 'client:ci', 'git/x')).answer).toBe('no');
    expect((await explain(bench, bob.did, 'files/x')).steps[0]?.text).toContain('zone external');
    for (const who of ['nobody', 'client:No Name', 'peer:nobody']) {
      await expect(explain(bench, who, 'files/x')).rejects.toMatchObject({
        code: 'STARLING_PEER_UNKNOWN',
      });
    }
    // A name that a peer has taken, as lists show it; this node itself is nobody who asks it.
    expect((await explain(bench, 'notebook', 'files/x')).answer).toBe('no');
    await expect(explain(bench, 'workstation', 'files/x')).rejects.toMatchObject({
      code: 'STARLING_USAGE',
      hint: expect.stringContaining('--as operator') as string,
    });
    await expect(explain(bench, 'laptop', 'board:plan/x')).rejects.toMatchObject({
      hint: 'for example --do board/write',
    });
  });
});

it('policy_show says all that is in force', async () => {
  const bench = await benchOf();
  const { file, rules, total } = await bench.use<PolicyShowResult>('policy_show', {}, OPERATOR);
  expect([file, total]).toEqual(['/nowhere/policy.yaml', rules.length]);
  expect(rules).toContainEqual({ key: 'zones.local.trust', value: '0.9', isShipped: true });
  expect(rules.filter(({ isShipped }) => !isShipped)).toEqual([]);
});

it('policy_check says what would change, and what is wrong', async () => {
  const bench = await benchOf();
  expect(
    await bench.use('policy_check', { text: 'zones: { local: { trust: 0.1 } }' }, OPERATOR),
  ).toEqual({
    file: '/nowhere/policy.yaml',
    ok: true,
    exists: true,
    changes: [{ key: 'zones.local.trust', from: '0.9', to: '0.1' }],
  });
  expect(await bench.use('policy_check', { text: '[' }, OPERATOR)).toMatchObject({ ok: false });
});
