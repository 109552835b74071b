/** `starling pin`: what is quarantined is shown so that nothing in it can fool the reader. */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/core/index.ts';
import { serving } from '../fake-node.ts';
import type { FakeNode } from '../fake-node.ts';
import { fakeNode, run } from '../support.ts';

const ENTRY = {
  reference: 'alice/files/read',
  peer: 'alice',
  server: 'files',
  kind: 'tool',
  name: 'read',
  reason: 'changed',
  flags: [
    { where: 'description', kind: 'zero-width', character: 'U+200B', count: 2 },
    { where: 'title\u001B[2J', kind: 'bidi', character: 'U+202E', count: 1 },
  ],
  since: Date.now() - 300_000,
  difference: [
    '  {',
    '-   "description": "reads"',
    '+   "description": "mails\u001B[2J\u202E\u200B"',
  ],
} satisfies JsonObject;

const node = (results: Readonly<Record<string, JsonObject>>): Promise<FakeNode> =>
  fakeNode({ answer: serving(results) });

const argumentsOf = (fake: FakeNode): unknown =>
  fake.heard.find(({ method }) => method === 'tools/call')?.params?.['arguments'];

describe('starling pin list', () => {
  it('shows each thing, why, the difference, and what is invisible, safe for a terminal', async () => {
    const { stateDir } = await node({ pin_list: { quarantined: [ENTRY], pinned: 7 } });
    const { code, stdout } = await run('pin', 'list', '--state', stateDir);
    expect(code).toBe(0);
    expect(stdout).toContain('tool alice/files/read differs from what was pinned (for 5m)');
    expect(stdout).toContain('zero-width character U+200B (2 times) in description');
    expect(stdout).toContain('-   "description": "reads"');
    expect(stdout).toContain('+   "description": "mails');
    expect(stdout).toContain('starling pin approve');
    expect(stdout).not.toMatch(/[\u001B\u202E\u200B]/u);
  });

  it('says that a tool was renamed, and where a difference is left off', async () => {
    const { difference: _, ...rest } = ENTRY;
    const entry = { ...rest, reason: 'renamed', was: 'fetch', flags: [] };
    const { stateDir } = await node({ pin_list: { quarantined: [entry], pinned: 7 } });
    const { stdout } = await run('pin', 'list', '--state', stateDir);
    expect(stdout).toContain('is a pinned one under a new name (was fetch)');
    expect(stdout).toContain('its difference: starling pin list');
  });

  it('says when nothing is quarantined', async () => {
    const fake = await node({ pin_list: { quarantined: [], pinned: 7 } });
    const all = await run('pin', 'list', '--state', fake.stateDir);
    expect(all.stdout).toBe('nothing is quarantined; 7 definitions pinned\n');
    const some = await run('pin', 'list', 'git/', '--state', fake.stateDir);
    expect(some.stdout).toBe("nothing quarantined contains 'git/'\n");
  });

  it('gives it whole as JSON', async () => {
    const result = { quarantined: [ENTRY], pinned: 7 };
    const { stateDir } = await node({ pin_list: result });
    const { stdout } = await run('pin', 'list', '--json', '--state', stateDir);
    expect(JSON.parse(stdout)).toEqual(result);
  });
});

describe('starling pin approve', () => {
  it('approves what is named, and says so', async () => {
    const fake = await node({ pin_approve: { approved: [ENTRY] } });
    const { stdout } = await run('pin', 'approve', 'alice/files/read', '--state', fake.stateDir);
    expect(argumentsOf(fake)).toEqual({ reference: 'alice/files/read' });
    expect(stdout).toBe('approved tool alice/files/read\n');
  });

  it('approves everything with --all', async () => {
    const fake = await node({ pin_approve: { approved: [] } });
    const { stdout } = await run('pin', 'approve', '--all', '--state', fake.stateDir);
    expect(argumentsOf(fake)).toEqual({ all: true });
    expect(stdout).toBe('nothing is quarantined\n');
  });

  it.each([[[]], [['files', '--all']]])('wants a name or --all, not %j', async (words) => {
    const { code, stderr } = await run('pin', 'approve', ...words);
    expect(code).toBe(2);
    expect(stderr).toContain('name what to approve, or say --all');
  });
});

describe('starling tools', () => {
  it('says what is held back, and how to look and to allow, below the list and to who asks for it', async () => {
    const { difference: _, ...rest } = ENTRY;
    const held = { ...rest, reference: 'bob/files/tree', peer: 'bob', name: 'tree', reason: 'new' };
    const pins = serving({ pin_list: { quarantined: [held], pinned: 1 } });
    const { stateDir } = await fakeNode({
      answer: (message, connection) =>
        message.method === 'tools/list'
          ? { tools: [{ name: 'git__log' }] }
          : pins(message, connection),
    });
    const line = 'bob__files__tree is held back: it came after its server was pinned here';
    const next = 'look: starling pin list; allow: starling pin approve bob/files/tree';
    const whole = (text: string): string => text.replaceAll(/\s+/g, ' ');
    const list = await run('tools', '--state', stateDir);
    expect(whole(list.stderr)).toContain(`${line}; ${next}`);
    expect(whole((await run('tools', 'tree', '--state', stateDir)).stdout)).toContain(line);
    const shown = await run('tools', 'show', 'bob/files/tree', '--state', stateDir);
    expect(whole(shown.stderr)).toContain(line);
    expect(whole(shown.stderr)).toContain(next);
    expect(shown.stderr).toContain('STARLING_TOOL_QUARANTINED');
  });

  it('of a peer that has granted nothing say so, and how to ask it, also where a name contains that of the peer', async () => {
    const serve = serving({ peers: { peers: [{ alias: 'workstation', state: 'alive' }] } });
    const { stateDir } = await fakeNode({
      answer: (message, connection) =>
        message.method === 'tools/list'
          ? { tools: [{ name: 'git__log' }, { name: 'starling__workstations' }] }
          : serve(message, connection),
    });
    const { stdout } = await run('tools', 'workstation', '--state', stateDir);
    expect(stdout.replaceAll(/\s+/g, ' ')).toContain(
      "workstation is here, and lets this node use nothing yet: starling request 'workstation/<server>/*' --because '<why>'",
    );
    expect(stdout).not.toContain('workstations');
  });

  it('of a peer that has granted some and lists none are said to be granted', async () => {
    const capabilities = [{ resource: 'tool:files/*', ability: 'tool/call' }];
    const grant = { direction: 'received', with: 'workstation', state: 'valid', capabilities };
    const grants = [grant, { ...grant, with: 'other' }, { ...grant, state: 'revoked' }];
    const serve = serving({
      peers: { peers: [{ alias: 'workstation', state: 'alive' }] },
      grant_list: { grants },
    });
    const { stateDir } = await fakeNode({
      answer: (message, connection) =>
        message.method === 'tools/list'
          ? { tools: [{ name: 'git__log' }] }
          : serve(message, connection),
    });
    const { stdout } = await run('tools', 'workstation', '--state', stateDir);
    expect(stdout.replaceAll(/\s+/g, ' ')).toContain(
      'workstation is here, and has granted files/*, but lists no such tool: its server may still be starting',
    );
  });
});
