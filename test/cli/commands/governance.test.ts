/** `starling approvals` and `starling policy`: what is printed, and what is asked of the node. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { JsonObject } from '../../../src/core/index.ts';
import { serving } from '../fake-node.ts';
import type { FakeNode } from '../fake-node.ts';
import { fakeNode, run, temporaryFolder } from '../support.ts';

const node = (results: Readonly<Record<string, JsonObject>>): Promise<FakeNode> =>
  fakeNode({ answer: serving(results) });
const argumentsOf = (fake: FakeNode): unknown =>
  fake.heard.find(({ method }) => method === 'tools/call')?.params?.['arguments'];

const NOW = Date.now();
const APPROVAL = {
  id: '8fK2abcdefgh',
  kind: 'call',
  who: 'laptop (12D3KooW…abcd)',
  resource: 'tool:files/write\u001B[2J',
  ability: 'tool/call',
  args: '{"path":"/srv\u202E"}',
  rule: 'zones.trusted.approval_required',
  justification: 'line one\nline two',
  state: 'pending',
  askedAt: NOW - 60_000,
  expiresAt: NOW + 600_000,
} satisfies JsonObject;

describe('starling approvals', () => {
  it('shows what waits, safe for a terminal', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: NOW + 2000 });
    onTestFinished(() => void vi.useRealTimers());
    const fake = await node({ approval_list: { approvals: [APPROVAL] } });
    const { code, stdout } = await run('approvals', '--state', fake.stateDir);
    expect(code).toBe(0);
    expect(stdout).toContain('8fK2abcd  laptop (12D3KooW…abcd) wants to call files/write');
    expect(stdout).toContain('arguments: {"path":"/srv');
    expect(stdout).toContain('they say: line one⏎line two');
    expect(stdout).toMatch(/asked 62s ago, refused in 10m/);
    expect(stdout).toContain('starling approvals approve <id> (or deny <id>)');
    expect(stdout).not.toMatch(/[\u001B\u202E]/u);
    expect(argumentsOf(fake)).toEqual({ all: false });
  });

  it('says what a score is where the guardian names one, and nothing of it elsewhere', async () => {
    const scored = { ...APPROVAL, rule: 'guardian: the score is 0.45, below 0.5' };
    const fake = await node({ approval_list: { approvals: [scored, APPROVAL] } });
    const { stdout } = await run('approvals', '--state', fake.stateDir);
    expect(stdout.match(/score: 0 to 1, from how well they say why/g)).toHaveLength(1);
  });

  it('says so when nothing waits, and shows what is over when asked', async () => {
    const none = await node({ approval_list: { approvals: [] } });
    expect((await run('approvals', '--state', none.stateDir)).stdout).toBe(
      'nothing waits for you\n',
    );
    const over = { ...APPROVAL, state: 'denied', answeredBy: 'the operator', reason: 'no' };
    const fake = await node({ approval_list: { approvals: [over] } });
    const { stdout } = await run('approvals', '--all', '--state', fake.stateDir);
    expect(stdout).toContain('denied by the operator: no');
    expect(argumentsOf(fake)).toEqual({ all: true });
  });

  it('names what an agent proposes and the command for that, where it is all that waits and elsewhere', async () => {
    const proposal = { id: '4c1dabcdefgh', agent: 'coder', what: 'server', name: 'resize' };
    const proposals = [
      { ...proposal, state: 'pending' },
      { ...proposal, id: '9999abcdefgh', state: 'approved' },
    ];
    const line = "coder proposes a server, 'resize': starling proposals show 4c1dabcd\n";
    const only = await node({ approval_list: { approvals: [] }, proposal_list: { proposals } });
    expect((await run('approvals', '--state', only.stateDir)).stdout).toBe(line);
    const both = await node({
      approval_list: { approvals: [APPROVAL] },
      proposal_list: { proposals },
    });
    const { stdout } = await run('approvals', '--state', both.stateDir);
    expect(stdout).toContain('8fK2abcd');
    expect(stdout.endsWith(`\n\n${line}`)).toBe(true);
    const { stdout: json } = await run('approvals', '--json', '--state', both.stateDir);
    expect(Object.keys(JSON.parse(json) as JsonObject)).toEqual(['approvals']);
  });

  it.each([
    ['approve', true, 'approved'],
    ['deny', false, 'denied'],
  ])('%s answers with a reason', async (command, approve, state) => {
    const fake = await node({ approval_answer: { approval: { ...APPROVAL, state } } });
    const ran = await run('approvals', command, '8fK2', '--reason', 'ok', '--state', fake.stateDir);
    expect(ran.code).toBe(0);
    expect(ran.stdout).toMatch(new RegExp(`^${state}: laptop`));
    expect(argumentsOf(fake)).toEqual({ id: '8fK2', approve, reason: 'ok' });
  });
});

describe('starling policy show', () => {
  const shipped = { key: 'zones.local.trust', value: '0.9', isShipped: true };

  it('prints what the file says, and then the shipped rest', async () => {
    const own = { key: 'callers.ci.trust', value: '0.5', isShipped: false };
    const result = { file: '/etc/policy.yaml', rules: [own, shipped], total: 2 };
    const fake = await node({ policy_show: result });
    const { code, stdout } = await run('policy', 'show', '--state', fake.stateDir);
    expect(code).toBe(0);
    expect(stdout.split('\n')).toEqual([
      'in force: /etc/policy.yaml (+), and the shipped policy',
      '+ callers.ci.trust: 0.5',
      '  zones.local.trust: 0.9',
      '',
    ]);
  });

  it('says where a policy of your own goes, and what is not printed', async () => {
    const result = { file: '/etc/policy.yaml', rules: [shipped], total: 3000 };
    const fake = await node({ policy_show: result });
    const { stdout } = await run('policy', 'show', '--state', fake.stateDir);
    expect(stdout).toContain('in force: the shipped policy; yours goes into /etc/policy.yaml');
    expect(stdout).toContain('and 2999 more: /etc/policy.yaml');
  });
});

describe('starling policy check', () => {
  it('shows what would change, by the running node', async () => {
    const changes = [
      { key: 'zones.local.trust', from: '0.9', to: '0.1' },
      { key: 'roles', to: '{}' },
    ];
    const result = { file: '/etc/policy.yaml', ok: true, exists: true, changes };
    const fake = await node({ policy_check: result });
    const { code, stdout } = await run('policy', 'check', '--state', fake.stateDir);
    expect(code).toBe(0);
    expect(stdout.split('\n')).toEqual([
      '/etc/policy.yaml holds; it would change:',
      '  zones.local.trust: 0.9 → 0.1',
      '  roles: (none) → {}',
      '',
    ]);
  });

  it('works without a node, and ends with 1 when something is wrong', async () => {
    const folder = await temporaryFolder();
    const config = join(folder, 'starling.json');
    await writeFile(config, JSON.stringify({ stateDir: folder }));
    const check = (...more: string[]): ReturnType<typeof run> =>
      run('policy', 'check', ...more, '--config', config);
    expect(await check()).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(
        'the shipped policy is in force; it changes nothing',
      ) as string,
    });
    await writeFile(join(folder, 'policy.yaml'), 'zones: { local: { trust: 7 } }');
    expect(await check()).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(
        /policy\.yaml can't be used:\n {2}✗ zones\.local\.trust: 7/,
      ) as string,
    });
    const other = join(folder, 'other.yaml');
    await writeFile(other, 'zones: { local: { trust: 0.7 } }');
    expect(await check(other)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('zones.local.trust: 0.9 → 0.7') as string,
    });
    await writeFile(other, 'agents: { operator: { approval_required: [files/x] } }');
    expect(await check(other)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(
        /callers\.operator\.approval_required: [^]*\n {2}! agents: this key is called callers now/,
      ) as string,
    });
    expect(await check(join(folder, 'none.yaml'))).toMatchObject({ code: 2 });
  });
});

describe('starling policy explain', () => {
  it('shows the answer and each step', async () => {
    const fake = await node({
      policy_explain: {
        answer: 'no',
        who: 'bob (12D3KooW…abcd)',
        resource: 'tool:files/write',
        ability: 'tool/call',
        steps: [
          { rule: 'zone', outcome: 'note', text: 'zone external, trust 0.5, no role' },
          { rule: 'zones.external.read_only', outcome: 'deny', text: 'not read-only' },
        ],
        reason: 'bob may not\n  not read-only',
        hint: 'ask the operator',
        there: "starling request 'chief/files/write' --because '<why>'",
      },
    });
    const words = [
      '--as',
      'bob',
      '--do',
      'tool/call',
      '--on',
      'tool:files/write',
      '--arg',
      'path=/a',
    ];
    const { code, stdout } = await run('policy', 'explain', ...words, '--state', fake.stateDir);
    expect(code).toBe(0);
    expect(stdout.split('\n')).toEqual([
      'no: bob (12D3KooW…abcd), call files/write',
      '    zone: zone external, trust 0.5, no role',
      '  - zones.external.read_only: not read-only',
      'bob may not',
      '  not read-only',
      '→ ask the operator',
      "→ there: starling request 'chief/files/write' --because '<why>'",
      '',
    ]);
    expect(argumentsOf(fake)).toEqual({
      as: 'bob',
      do: 'tool/call',
      on: 'tool:files/write',
      args: { path: '/a' },
    });
  });

  it('needs to know who and what', async () => {
    expect(await run('policy', 'explain', '--as', 'bob')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--on') as string,
    });
  });
});
