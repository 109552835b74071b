/** What clients with scopes and agents with grants may do. */
import { describe, expect, it } from 'vitest';
import { ATTACHED_SCOPES, createGuard, isScope } from '../../../src/guard/index.ts';
import type {
  ClientAccess,
  Decision,
  Guard,
  GuardWanted,
  Principal,
} from '../../../src/guard/index.ts';
import { alice, bob, carol, emptyBook, manualClock, owner } from '../../grants/arrange.ts';
import { peerIdFromDid } from '../../../src/identity/index.ts';

const clock = manualClock();
const book = emptyBook(clock);
const ACCESS: Readonly<Record<string, ClientAccess>> = { board_set: 'yes', task_start: 'ask' };
const guard: Guard = createGuard({
  grants: book,
  self: { name: 'workstation', did: owner.did },
  clientAccess: (tool) => ACCESS[tool] ?? 'no',
});

const client = (...scopes: readonly string[]): Principal => ({
  kind: 'client',
  name: 'ci',
  scopes,
});
const may = (principal: Principal, resource: string, ability = 'tool/call'): boolean =>
  guard.decide(principal, { resource, ability }).allow;

const call = (resource: string): GuardWanted => ({ resource, ability: 'tool/call' });

function refusalOf(decision: Decision): { text: string; cause: string; hint: string } {
  if (decision.allow) throw new Error('it was allowed');
  const [cause] = decision.refusal.causes ?? [];
  return { text: decision.refusal.text, cause: cause?.text ?? '', hint: decision.hint };
}

describe('a client', () => {
  it('may do what a scope of its own matches, and nothing else', () => {
    const ci = client('tool:files/read_*', 'resource:files/**', 'prompt:files/*');
    expect(may(ci, 'tool:files/read_file')).toBe(true);
    expect(may(ci, 'tool:files/write_file')).toBe(false);
    expect(may(ci, 'tool:git/read_log')).toBe(false);
    expect(may(ci, 'resource:files/a/b', 'resource/read')).toBe(true);
    expect(may(ci, 'resource:files/a', 'resource/subscribe')).toBe(true);
    expect(may(ci, 'resource:git/a', 'resource/read')).toBe(false);
    expect(may(ci, 'prompt:files/review', 'prompt/get')).toBe(true);
    expect(may(client(), 'tool:files/read_file')).toBe(false);
  });

  it('that works for others may do what each of them may, too, and never more than it may itself', () => {
    const worker = (...worksFor: readonly Principal[]): Principal => ({
      kind: 'client',
      name: 'agent:coder',
      scopes: ['tool:files/*'],
      worksFor,
    });
    const full = client('*');
    const narrow = client('tool:files/read_file');
    const peer: Principal = { kind: 'agent', did: bob.did, name: 'bob' };
    expect(may(worker(), 'tool:files/write_file')).toBe(true);
    expect(may(worker(full), 'tool:files/write_file')).toBe(true);
    expect(may(worker(narrow), 'tool:files/write_file')).toBe(false);
    expect(may(worker(narrow), 'tool:files/read_file')).toBe(true);
    expect(may(worker(full, narrow), 'tool:files/write_file')).toBe(false);
    expect(may(worker(full), 'tool:git/log')).toBe(false);
    expect(may(worker(peer), 'tool:files/read_file')).toBe(false);
    expect(may(worker(worker(narrow)), 'tool:files/write_file')).toBe(false);
    const { refusal } = guard.decide(worker(narrow), call('tool:files/write_file')) as {
      refusal: { rule: string; text: string };
    };
    expect(refusal).toMatchObject({
      rule: 'on-behalf-of',
      text: 'the client ci, for whom it works, has no such right',
    });
  });

  it('that works for peers is judged by them here, and elsewhere by the owner, who is told of them', () => {
    const peer = (did: typeof bob.did, worksFor?: readonly Principal[]): Principal => ({
      kind: 'peer',
      peerId: peerIdFromDid(did),
      did,
      alias: 'bob',
      ...(worksFor === undefined ? {} : { worksFor }),
    });
    const worker = (...worksFor: readonly Principal[]): Principal => ({
      kind: 'client',
      name: 'agent:coder',
      scopes: ['tool:files/*', 'tool:@carol/files/*'],
      worksFor,
    });
    expect(may(worker(peer(bob.did)), 'tool:files/read_file')).toBe(false);
    expect(may(worker(peer(bob.did)), 'tool:@carol/files/read_file')).toBe(true);
    // Whom the owner does not know is judged here alone.
    const narrow = client('tool:files/*');
    expect(may(worker(narrow), 'tool:@carol/files/read_file')).toBe(false);
    expect(may(worker({ kind: 'agent', did: bob.did, name: 'bob' }), 'tool:@carol/files/x')).toBe(
      false,
    );
  });

  it('may use what peers offer where a scope says so', () => {
    const resource = 'tool:@alice/files/read_file';
    expect(may(client('tool:@alice/files/*'), resource)).toBe(true);
    expect(may(client('tool:@*/files/read_*'), resource)).toBe(true);
    expect(may(client('tool:@bob/files/*'), resource)).toBe(false);
    expect(may(client('tool:files/*'), resource)).toBe(false);
    expect(may(client('tool:*/*'), resource)).toBe(false);
    expect(may(client('tool:@alice/files/*'), 'tool:files/read_file')).toBe(false);
  });

  it('with the full scope may do all that is offered, but nothing to the node itself', () => {
    const all = client('*');
    expect(may(all, 'tool:files/read_file')).toBe(true);
    expect(may(all, 'tool:@alice/files/read_file')).toBe(true);
    expect(may(all, 'resource:files/a', 'resource/read')).toBe(true);
    expect(may(all, 'tool:starling/board_set')).toBe(false);
    expect(may(all, 'resource:starling/status', 'resource/read')).toBe(false);
    expect(may(all, 'tool:@alice/starling/board_set')).toBe(false);
    expect(may(all, 'mesh:did', 'mesh/invite')).toBe(false);
    expect(may(all, 'board:plan', 'board/write')).toBe(false);
  });

  it.each(['tool:**', 'tool:*/*', 'tool:star*/**', 'tool:@alice/**', 'tool:@alice/*/*'])(
    'does not reach the built-in server by %s',
    (scope) => {
      expect(may(client(scope), 'tool:starling/peers')).toBe(false);
      expect(may(client(scope), 'tool:@alice/starling/peers')).toBe(false);
    },
  );

  it('reaches the built-in server when a scope names it literally', () => {
    expect(may(client('*', 'tool:starling/board_*'), 'tool:starling/board_set')).toBe(true);
    expect(may(client('tool:starling/board_*'), 'tool:starling/grant_create')).toBe(false);
    expect(may(client('tool:@alice/starling/peers'), 'tool:@alice/starling/peers')).toBe(true);
  });

  it('has of the built-in server only what that has for clients, whatever its scopes say', () => {
    const greedy = client('*', 'tool:starling/**', 'tool:starling/grant_create');
    expect(may(greedy, 'tool:starling/board_set')).toBe(true);
    for (const tool of ['grant_create', 'key_create', 'made_up', 'method/anything']) {
      const refusal = refusalOf(guard.decide(greedy, call(`tool:starling/${tool}`)));
      expect(refusal.cause).toBe("it is for this node's operator, and for no client of it");
      expect(refusal.hint).toBe(
        'the person who owns workstation can do it in a terminal: starling --help',
      );
    }
  });

  it('waits for a person where a tool starts or spends something', () => {
    const decision = guard.decide(client('tool:starling/*'), call('tool:starling/task_start'));
    expect(decision).toMatchObject({ allow: false, ask: { rule: 'clients', kind: 'call' } });
    expect(may(client('*'), 'tool:starling/task_start')).toBe(false);
  });

  it.each([
    '*',
    'tool:**',
    'tool:*/*',
    'tool:@*/**',
    'resource:**',
    'prompt:**',
    'tool:starling/*',
    'tool:starling/agent_message',
    'tool:@alice/starling/agent_message',
  ])('reaches no agent, board, model or budget by %s, which names none', (scope) => {
    const wide = client(scope);
    for (const at of ['', '@alice/']) {
      expect(may(wide, `agent:${at}coder`, 'agent/message')).toBe(false);
      expect(may(wide, `agent:${at}coder`, 'agent/spawn')).toBe(false);
      expect(may(wide, `board:${at}plan`, 'board/write')).toBe(false);
      expect(may(wide, `model:${at}gpt`, 'model/use')).toBe(false);
      expect(may(wide, `budget:${at}team`, 'budget/spend')).toBe(false);
    }
    expect(may(client(scope, 'agent:coder'), 'agent:coder', 'agent/message')).toBe(true);
  });

  it('that is attached has what servers here and at peers offer, and asks peers for more', () => {
    const cursor: Principal = { kind: 'client', name: 'cursor', scopes: ATTACHED_SCOPES };
    for (const tool of ['files/x', '@alice/files/x', 'starling/board_set']) {
      expect(may(cursor, `tool:${tool}`)).toBe(true);
    }
    expect(may(cursor, 'resource:@alice/files/a', 'resource/read')).toBe(true);
    expect(may(cursor, 'tool:@alice/starling/request_permission')).toBe(true);
    for (const tool of ['grant_create', 'approval_answer', 'revoke_token', 'peers']) {
      const told = refusalOf(guard.decide(cursor, call(`tool:@alice/starling/${tool}`)));
      expect(told.cause).toBe('it is for the operator of workstation, and for no client');
      expect(told.hint).toBe('ask the operator of workstation');
    }
    expect(may(cursor, 'mesh:did', 'mesh/invite')).toBe(false);
    expect(may(cursor, 'resource:starling/anything', 'resource/read')).toBe(false);
  });

  it('has nothing by a malformed scope, and by the others what they say', () => {
    const ci = client('tool:', '**', 'TOOL:files/*', 'tool:git/*');
    expect(may(ci, 'tool:files/read_file')).toBe(false);
    expect(may(ci, 'tool:git/log')).toBe(true);
    expect(may(ci, 'tool:git/../files')).toBe(false);
  });

  it('is told why not, and which command would allow it', () => {
    const wanted = { resource: "tool:git/it's", ability: 'tool/call' };
    expect(refusalOf(guard.decide(client('tool:files/*'), wanted))).toEqual({
      text: "the client ci may not call git/it's at workstation",
      cause: 'its scopes cover other things only',
      hint: "starling key create ci-2 --scope 'tool:git/it%27s'",
    });
    const subject: Principal = { kind: 'client', name: "x'; rm -rf /", scopes: [] };
    expect(refusalOf(guard.decide(subject, wanted)).hint).toBe(
      "ask the operator of workstation for the scope 'tool:git/it%27s'",
    );
  });

  it.each(['*', 'tool:files/*', 'tool:@alice/files/*', 'prompt:a/b', 'resource:files/**'])(
    'may have the scope %s',
    (scope) => expect(isScope(scope)).toBe(true),
  );

  it.each(['', '**', 'files/*', 'tool:files', 'tool:a/**/b', 'sql:x', 'tool:a/%zz'])(
    'can not have the scope %j',
    (scope) => expect(isScope(scope)).toBe(false),
  );
});

describe('an agent', () => {
  const agent = (did: typeof alice.did): Principal => ({ kind: 'agent', did, name: 'scout' });

  it('has what was granted to its did, until that is revoked', async () => {
    const capabilities = [{ resource: 'tool:files/*', ability: 'tool/call' }];
    const expiresAtMs = clock.now() + 3_600_000;
    const grant = await book.issue({ aud: alice.did, capabilities, expiresAtMs });
    expect(may(agent(alice.did), 'tool:files/read_file')).toBe(true);
    expect(may(agent(alice.did), 'tool:starling/peers')).toBe(false);
    expect(may(agent(bob.did), 'tool:files/read_file')).toBe(false);
    await book.revoke(grant.claims.jti);
    expect(may(agent(alice.did), 'tool:files/read_file')).toBe(false);
  });

  it('gets what peers have granted to this node only by a grant that names them', async () => {
    const grantFor = (resource: string): ReturnType<typeof book.issue> =>
      book.issue({
        aud: carol.did,
        capabilities: [{ resource, ability: 'tool/call' }],
        expiresAtMs: clock.now() + 3_600_000,
      });
    await grantFor('tool:**');
    await grantFor('tool:*/files/*');
    const wanted = { resource: 'tool:@alice/files/read', ability: 'tool/call' };
    const told = refusalOf(guard.decide(agent(carol.did), wanted));
    expect(told.hint).toBe(`starling grant create ${carol.did} --tool '@alice/files/read'`);
    await grantFor('tool:@alice/**');
    expect(may(agent(carol.did), 'tool:@alice/files/read')).toBe(true);
    expect(may(agent(carol.did), 'tool:@bob/files/read')).toBe(false);
    expect(may(agent(carol.did), 'tool:@alice/starling/board_set')).toBe(false);
    await grantFor('tool:@alice/starling/board_*');
    expect(may(agent(carol.did), 'tool:@alice/starling/board_set')).toBe(true);
  });

  it('is told the command that would grant it', () => {
    const wanted = { resource: 'tool:files/read', ability: 'tool/call' };
    const told = refusalOf(guard.decide(agent(bob.did), wanted));
    expect(told.hint).toBe(`starling grant create ${bob.did} --tool 'files/read'`);
    expect(told.text).toMatch(/^scout \(…\w{8}\) may not call files\/read at workstation$/);
    expect(told.cause).toBe('workstation has granted it nothing yet');
  });
});
