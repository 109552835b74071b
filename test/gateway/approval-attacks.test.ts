/** Attacks on approvals, and what the audit log says of each: once, and never an argument's value. */
import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { createNoAudit } from '../../src/audit/index.ts';
import type { Audit, AuditInit } from '../../src/audit/index.ts';
import { auditGovernance } from '../../src/guard/index.ts';
import { didFromPeerId } from '../../src/identity/index.ts';
import { ALL_WAIT, ECHO, FORMS, attach, meshOf, pending } from './people.ts';
import type { Mesh } from './people.ts';
import { until, useCleanup } from './support.ts';
import type { TestNode } from './support.ts';

useCleanup();

const OPERATOR = { principal: { kind: 'operator' }, via: 'library' } as const;

interface Kept extends Audit {
  readonly entries: AuditInit[];
}

function memoryAudit(): Kept {
  const entries: AuditInit[] = [];
  return {
    ...createNoAudit(),
    isOn: true,
    events: new EventEmitter(),
    entries,
    append: (entry) => Promise.resolve(entries.push(entry)),
    note: (entry) => void entries.push(entry),
  };
}

async function recorded(policy = ALL_WAIT): Promise<Mesh & { audit: Kept; said: () => string[] }> {
  const audit = memoryAudit();
  const mesh = await meshOf(policy, {}, audit);
  const others = { policy: { events: new EventEmitter() }, guardian: { events: new EventEmitter() } };
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
    console.log(JSON.stringify(caller.heard.find((one) => one['id'] === 33)));
    console.log(audit.entries.slice(-3));
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
    console.log(JSON.stringify(error));
    await until(() => said().length === 3);
    console.log(audit.entries.map(({ kind, outcome, reason }) => `${kind} ${outcome} ${reason}`));
    expect(JSON.stringify(audit.entries)).not.toContain('caller is gone');
  });

  it('has a refusal whose arguments can be hashed by nobody', async () => {
    const { caller, bob, alice, audit } = await recorded('agents: { "peer:bob": { read_only: true } }');
    void bob;
    caller.send({ id: 1, method: 'tools/call', params: { name: ECHO, arguments: { x: '\ud800' } } });
    await until(() => caller.heard.some((one) => one['id'] === 1));
    console.log(JSON.stringify(caller.heard.find((one) => one['id'] === 1)));
    caller.send({ id: 2, method: 'tools/call', params: { name: ECHO } });
    await until(() => caller.heard.some((one) => one['id'] === 2));
    console.log(audit.entries);
    void alice;
    expect(audit.entries.filter(({ outcome }) => outcome === 'denied')).toHaveLength(2);
  });

  it('has a call that repeats an argument', async () => {
    const { caller, audit } = await recorded('');
    caller.sendRaw(
      `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"${ECHO}","arguments":{"m":"a","m":"b"}}}`,
    );
    await until(() => caller.heard.some((one) => one['id'] === 1));
    console.log(JSON.stringify(caller.heard.find((one) => one['id'] === 1)));
    console.log(audit.entries);
    expect(audit.entries.filter(({ outcome }) => outcome === 'denied')).toHaveLength(1);
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
          { resource: 'tool:files/*', ability: 'tool/call', caveats: { uses: 1, approval: 'required' } },
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
    await until(() => pending(alice) === 1 || caller.heard.some((one) => one['id'] === 3));
    console.log('spent asks:', pending(alice), JSON.stringify(caller.heard.at(-1)));
    await approveAll(alice);
    await until(() => caller.heard.some((one) => one['id'] === 3));
    console.log(JSON.stringify(caller.heard.find((one) => one['id'] === 3)));
    await issue();
    const fourth = caller.call(4, ECHO);
    await until(() => pending(alice) === 1);
    await approveAll(alice);
    expect(await fourth).toMatchObject({ result: {} });
  });
});

describe('the operator', () => {
  it('can answer where everything waits', async () => {
    const { alice } = await recorded('agents: { operator: { approval_required: true } }');
    const one = await attach(alice, FORMS);
    const answer = await Promise.race([
      one.call(1, 'starling__echo', { message: 'x' }),
      until(() => pending(alice) === 1).then(() => 'waits'),
    ]);
    console.log(JSON.stringify(answer));
  });
});
