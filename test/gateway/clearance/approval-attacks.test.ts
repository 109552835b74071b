/** Attacks on approvals, and what the audit log says of each: once, and never an argument's value. */
import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { AuditInit } from '../../../src/audit/index.ts';
import { parseFrame } from '../../../src/gateway/wire/frame.ts';
import { failureOf } from '../../../src/gateway/clearance/refusal-errors.ts';
import type { ResponseFrame } from '../../../src/gateway/frame-types.ts';
import { auditGovernance } from '../../../src/guard/index.ts';
import { didFromPeerId } from '../../../src/identity/index.ts';
import { ALL_WAIT, ECHO, FORMS, attach, meshOf, pending } from '../support/approvers.ts';
import type { Mesh } from '../support/approvers.ts';
import type { Kept } from '../support/memory-audit.ts';
import { memoryAudit } from '../support/memory-audit.ts';
import { until, useCleanup } from '../support/gateways.ts';
import type { TestNode } from '../support/gateways.ts';

useCleanup();

const OPERATOR = { principal: { kind: 'operator' }, via: 'library' } as const;

async function recorded(policy = ALL_WAIT): Promise<Mesh & { audit: Kept; said: () => string[] }> {
  const audit = memoryAudit();
  const mesh = await meshOf(policy, {}, audit);
  const others = {
    policy: { events: new EventEmitter() },
    guardian: { events: new EventEmitter() },
  };
  auditGovernance({ approvals: mesh.alice.approvals, ...others } as never, audit);
  const of = (one: AuditInit): boolean => one.what.resource === 'tool:files/echo';
  const said = (): string[] =>
    audit.entries.filter(of).map(({ kind, outcome }) => `${kind} ${outcome}`);
  return { ...mesh, audit, said };
}

async function approveAll({ approvals }: TestNode): Promise<void> {
  for (const { id } of approvals.list('pending')) await approvals.approve(id, OPERATOR);
}

describe('the audit log', () => {
  it('has an approved call once at each step, with one hash of the arguments', async () => {
    const { alice, caller, audit, said } = await recorded();
    const call = caller.call(1, ECHO, { message: 'zebra', b: 1, a: 2 });
    await until(() => pending(alice) === 1);
    await approveAll(alice);
    expect(await call).toMatchObject({ result: {} });
    await until(() => said().length === 4);
    expect(said()).toEqual(['decision asked', 'approval allowed', 'decision allowed', 'call ok']);
    expect(new Set(audit.entries.map(({ args }) => args)).size).toBe(1);
    expect(JSON.stringify(audit.entries)).not.toContain('zebra');
  });

  it('says that a call was refused for which too many wait already', async () => {
    const { alice, caller, audit } = await recorded();
    for (let n = 1; n <= 33; n += 1) caller.start(n, ECHO);
    await until(() => caller.heard.some((one) => one['id'] === 33));
    expect(pending(alice)).toBe(32);
    const asked = audit.entries.filter(({ outcome }) => outcome === 'asked').length;
    const denied = audit.entries.filter(({ outcome }) => outcome === 'denied').length;
    expect({ asked, denied }).toEqual({ asked: 33, denied: 1 });
  });

  it('gives the reason when the grant is revoked while its call waits', async () => {
    const { alice, caller, audit, said } = await recorded();
    const call = caller.call(1, ECHO);
    await until(() => pending(alice) === 1);
    for (const { claims } of alice.grants.issued()) await alice.grants.revoke(claims.jti);
    const { error } = await call;
    expect(error).toMatchObject({ message: expect.stringContaining('is revoked') as string });
    await until(() => said().length === 3);
    expect(JSON.stringify(audit.entries)).not.toContain('caller is gone');
  });

  it('has a refusal whose arguments can be hashed by nobody', async () => {
    const { caller, audit } = await recorded('callers: { "peer:bob": { read_only: true } }');
    caller.send({
      id: 1,
      method: 'tools/call',
      params: { name: ECHO, arguments: { x: '\ud800' } },
    });
    await until(() => caller.heard.some((one) => one['id'] === 1));
    caller.send({ id: 2, method: 'tools/call', params: { name: ECHO } });
    await until(() => caller.heard.some((one) => one['id'] === 2));
    expect(audit.entries.filter(({ outcome }) => outcome === 'denied')).toHaveLength(2);
  });

  it('has a call that repeats an argument', async () => {
    const { caller, audit } = await recorded('');
    caller.sendRaw(
      `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"${ECHO}","arguments":{"m":"a","m":"b"}}}`,
    );
    await until(() => caller.heard.some((one) => one['id'] === 1));
    expect(audit.entries.filter(({ outcome }) => outcome === 'denied')).toHaveLength(1);
  });
});

describe('an error of a server', () => {
  it('is recorded by its number: its words may repeat the arguments', () => {
    const frame = (error: object): ResponseFrame =>
      parseFrame(Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: 1, error }))) as ResponseFrame;
    expect(failureOf(frame({ code: -32602, message: 'bad password hunter2' }))).toBe(
      'the server answered with error -32602',
    );
    const data = { code: 'STARLING_TIMEOUT' };
    expect(failureOf(frame({ code: -32000, message: 'hunter2', data }))).toBe('STARLING_TIMEOUT');
    const forged = { code: 'STARLING_hunter2' };
    expect(failureOf(frame({ code: -1, message: 'x', data: forged }))).not.toContain('hunter2');
  });
});

describe('uses and approval', () => {
  it('a denied call uses none up, and a spent grant hides no other', async () => {
    const { alice, bob, caller } = await recorded('');
    for (const { claims } of alice.grants.issued()) await alice.grants.revoke(claims.jti);
    const issue = async (): Promise<void> =>
      void (await alice.grants.issue({
        aud: didFromPeerId(bob.peerId),
        capabilities: [
          {
            resource: 'tool:files/*',
            ability: 'tool/call',
            caveats: { uses: 1, approval: 'required' },
          },
        ],
        expiresAtMs: Date.now() + 3_600_000,
      }));
    await issue();
    const first = caller.call(1, ECHO);
    await until(() => pending(alice) === 1);
    await alice.approvals.deny(alice.approvals.list('pending')[0]?.id ?? '', OPERATOR);
    expect(await first).toMatchObject({ error: {} });
    const second = caller.call(2, ECHO);
    await until(() => pending(alice) === 1);
    await approveAll(alice);
    expect(await second).toMatchObject({ result: {} });
    caller.start(3, ECHO);
    await until(() => caller.heard.some((one) => one['id'] === 3));
    expect(caller.heard.at(-1)).toMatchObject({
      error: { message: expect.stringContaining('are used up') as string },
    });
    expect(alice.approvals.list()).toHaveLength(2);
    await issue();
    const fourth = caller.call(4, ECHO);
    await until(() => pending(alice) === 1);
    await approveAll(alice);
    expect(await fourth).toMatchObject({ result: {} });
  });
});

describe('whoever is asked', () => {
  it('is shown no argument that the server may read otherwise', async () => {
    const { alice, said } = await recorded(
      'callers: { operator: { approval_required: [files/*] } }',
    );
    const model = await attach(alice, FORMS);
    const person = await attach(alice, FORMS);
    model.sendRaw(
      `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"files__echo","arguments":{"message":"rm -rf","message":"ls"}}}`,
    );
    await until(() => model.heard.some((one) => one['id'] === 1));
    expect(model.heard.at(-1)).toMatchObject({
      error: { message: expect.stringContaining('can be read in more than one way') as string },
    });
    expect(person.forms()).toEqual([]);
    expect(said()).toEqual(['decision denied']);
  });

  it('is shown no name that the server may take for another, and every digit of a number', async () => {
    const { alice } = await recorded('callers: { operator: { approval_required: [files/*] } }');
    const model = await attach(alice, FORMS);
    const person = await attach(alice, FORMS);
    const call = (id: number, args: string): void =>
      model.sendRaw(
        `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"files__echo","arguments":${args}}}`,
      );
    call(1, '{"message":"ls","Message":"rm -rf"}');
    await until(() => model.heard.some((one) => one['id'] === 1));
    expect(model.heard.at(-1)).toMatchObject({
      error: { message: expect.stringContaining('could be read as') as string },
    });
    expect(person.forms()).toEqual([]);
    call(2, '{"message":"pay","amount":12345678901234567890}');
    await until(() => person.forms().length === 1);
    expect(JSON.stringify(person.forms())).toContain('12345678901234567890');
  });

  it('sees the form of a call however many grants are asked for', async () => {
    const { alice, bob, caller } = await recorded();
    const person = await attach(alice, FORMS);
    const did = didFromPeerId(bob.peerId);
    for (let n = 0; n < 20; n += 1) {
      await alice.approvals.open({
        kind: 'permission',
        principal: { kind: 'agent', did, name: 'a crowd' },
        resource: 'tool:files/*',
        ability: 'EXTERNAL_SERVICE',
        permission: { subject: `s${n}`, agentId: 'me', capabilities: [], lifetimeMs: 1000 },
        rule: 'guardian: it says so',
        timeoutMs: 3_600_000,
      });
    }
    caller.start(1, ECHO, { message: 'hi' });
    await until(() => person.forms().some((form) => JSON.stringify(form).includes('make a call')));
    expect(person.forms()).toHaveLength(5);
  });
});
