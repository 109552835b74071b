/** Calls that wait for a person, and calls under way when grants or the policy change. */
import { describe, expect, it } from 'vitest';
import type { Capability } from '../../../src/grants/index.ts';
import { didFromPeerId } from '../../../src/identity/index.ts';
import { ECHO, MINUTE_MS, attach, meshOf, pending } from '../support/approvers.ts';
import type { Attached, Mesh, Message } from '../support/approvers.ts';
import { until, useCleanup } from '../support/gateways.ts';
import type { TestNode } from '../support/gateways.ts';

useCleanup();

const HANG = 'alice__files__hang';
const TOKEN = { progressToken: 'p' };
const WAITS = 'waits for an approval by the operator of alice';

async function approveAll({ approvals }: TestNode): Promise<void> {
  for (const { id } of approvals.list('pending')) {
    await approvals.approve(id, { principal: { kind: 'operator' }, via: 'library' });
  }
}

/** Lets what is on its way arrive: a question of the caller's own, and its answer. */
async function settled(client: Attached): Promise<void> {
  expect(await client.call(99, 'starling__status')).toMatchObject({ result: {} });
  client.heard.splice(0, client.heard.length, ...client.heard.filter((one) => one['id'] !== 99));
}

function answerTo(client: Attached, id: number): Message | undefined {
  return client.heard.find((one) => one['id'] === id && one['method'] === undefined);
}

async function grantTo(
  { alice, bob }: Mesh,
  caveats: NonNullable<Capability['caveats']>,
  resource = 'tool:files/*',
): Promise<string> {
  const grant = await alice.grants.issue({
    aud: didFromPeerId(bob.peerId),
    capabilities: [{ resource, ability: 'tool/call', caveats }],
    expiresAtMs: Date.now() + 3_600_000,
  });
  return grant.claims.jti;
}

/** Bob holds nothing but what the test grants it. */
async function bareMesh(policy = ''): Promise<Mesh> {
  const mesh = await meshOf(policy);
  for (const { claims } of mesh.alice.grants.issued()) {
    await mesh.alice.grants.revoke(claims.jti);
  }
  return mesh;
}

/** Begins a call that runs until it is ended; resolves when the server has it. */
async function running(client: Attached, id: number, name: string, args: object): Promise<void> {
  client.start(id, name, args, { progressToken: id });
  await until(() =>
    client.progress().some((one) => one['progressToken'] === id && one['progress'] === 1),
  );
}

describe('a call that waits for a person', () => {
  it('says so by progress that grows, also over what the tool says later', async () => {
    const { alice, caller, clock } = await meshOf();
    const call = caller.call(1, 'alice__files__steps', {}, TOKEN);
    await until(() => caller.progress().length > 0);
    expect(caller.progress()[0]).toMatchObject({ progressToken: 'p', message: WAITS });
    await clock.advance(3000);
    await approveAll(alice);
    expect(await call).toMatchObject({ result: {} });
    const steps = caller.progress().map(({ progress }) => Number(progress));
    expect(steps.slice(-3)).toEqual([1, 2, 3]);
    expect(steps.length).toBeGreaterThan(4);
    expect(steps).toEqual([...new Set(steps)].toSorted((a, b) => a - b));
  });

  it('says nothing more once it runs, is refused, or is given up', async () => {
    const { alice, caller, clock } = await meshOf();
    caller.start(1, HANG, {}, { progressToken: 1 });
    caller.start(2, ECHO, {}, { progressToken: 2 });
    caller.start(3, ECHO, {}, { progressToken: 3 });
    await until(() => pending(alice) === 3);
    const [third, second] = alice.approvals.list('pending');
    const by = { principal: { kind: 'operator' }, via: 'library' } as const;
    await alice.approvals.deny(second?.id ?? '', by);
    await until(() => answerTo(caller, 2));
    expect(third?.state).toBe('pending');
    caller.send({ method: 'notifications/cancelled', params: { requestId: 3 } });
    await until(() => pending(alice) === 1);
    await approveAll(alice);
    await until(() => caller.progress().some(({ progress }) => progress === 1));
    const before = caller.progress().length;
    await clock.advance(5000);
    await settled(caller);
    expect(caller.progress()).toHaveLength(before);
  });

  it.each([
    ['asked for progress', TOKEN],
    ['did not', {}],
  ])('is not late on the way of a caller that %s', async (_, meta) => {
    const { alice, caller, clock } = await meshOf(undefined, { callTimeoutMs: 10_000 });
    const call = caller.call(1, ECHO, { message: 'hi' }, meta);
    await until(() => pending(alice) === 1);
    await clock.advance(9 * MINUTE_MS);
    expect(answerTo(caller, 1)).toBeUndefined();
    await approveAll(alice);
    expect(await call).toMatchObject({ result: { content: [{ text: 'hi' }] } });
    const heard = caller.heard.map((one) => String(one['method']));
    expect(heard.filter((method) => method.includes('starling'))).toEqual([]);
    expect(caller.progress().length > 0).toBe(meta === TOKEN);
  });

  it('is late at the entry node all the same once it runs and nothing comes', async () => {
    const { alice, caller, clock } = await meshOf(undefined, { callTimeoutMs: 10_000 });
    const call = caller.call(1, HANG);
    await until(() => pending(alice) === 1);
    await clock.advance(MINUTE_MS);
    await approveAll(alice);
    await until(() => alice.gateway.load() === 1 && pending(alice) === 0);
    await clock.advance(11_000);
    expect(await call).toMatchObject({ error: { data: { code: 'STARLING_TIMEOUT' } } });
  });

  it('waits no longer than limits.callTotalMs', async () => {
    const policy = 'zones: { trusted: { approval_required: true } }\napprovals: { timeout: 2h }';
    const { alice, caller, clock } = await meshOf(policy, { callTotalMs: 30 * MINUTE_MS });
    const call = caller.call(1, ECHO, {}, TOKEN);
    await until(() => pending(alice) === 1);
    await clock.advance(29 * MINUTE_MS);
    expect(answerTo(caller, 1)).toBeUndefined();
    await clock.advance(2 * MINUTE_MS);
    expect(await call).toMatchObject({
      error: { message: expect.stringContaining('raise limits.callTotalMs') as string },
    });
    await until(() => alice.approvals.list().every(({ state }) => state === 'withdrawn'));
  });
});

describe('when grants change', () => {
  it('a call whose arguments are not covered any more ends, and one that is covered goes on', async () => {
    const mesh = await bareMesh();
    const wide = await grantTo(mesh, { args: { path: { paths: ['/srv/**'] } } });
    await running(mesh.caller, 1, HANG, { path: '/srv/private/a' });
    await running(mesh.caller, 2, HANG, { path: '/srv/docs/b' });
    await grantTo(mesh, { args: { path: { paths: ['/srv/docs/**'] } } });
    await settled(mesh.caller);
    expect(answerTo(mesh.caller, 1)).toBeUndefined();
    await mesh.alice.grants.revoke(wide);
    await until(() => answerTo(mesh.caller, 1));
    expect(answerTo(mesh.caller, 1)).toMatchObject({
      error: { data: { code: 'STARLING_CALL_REFUSED' } },
    });
    await settled(mesh.caller);
    expect(answerTo(mesh.caller, 2)).toBeUndefined();
    const ended = { name: 'alice__files__cancelled', args: { path: '/srv/docs/b' } };
    expect(await mesh.caller.call(3, ended.name, ended.args)).toMatchObject({
      result: { content: [{ text: '1' }] },
    });
  });

  it('a call with an approval goes on, also by another grant that needs one', async () => {
    const mesh = await bareMesh();
    const caveats = { approval: 'required' } as const;
    const first = await grantTo(mesh, caveats);
    mesh.caller.start(1, HANG, { path: '/a' }, { progressToken: 1 });
    await until(() => pending(mesh.alice) === 1);
    await approveAll(mesh.alice);
    await until(() => mesh.caller.progress().some(({ progress }) => progress === 1));
    await grantTo(mesh, caveats, 'tool:other/*');
    await settled(mesh.caller);
    await grantTo(mesh, caveats);
    await mesh.alice.grants.revoke(first);
    await settled(mesh.caller);
    expect(answerTo(mesh.caller, 1)).toBeUndefined();
  });

  it('a call with an approval ends when no grant covers it any more', async () => {
    const mesh = await bareMesh();
    const id = await grantTo(mesh, { approval: 'required' });
    mesh.caller.start(1, HANG, { path: '/a' }, { progressToken: 1 });
    await until(() => pending(mesh.alice) === 1);
    await approveAll(mesh.alice);
    await until(() => mesh.caller.progress().some(({ progress }) => progress === 1));
    await mesh.alice.grants.revoke(id);
    await until(() => answerTo(mesh.caller, 1));
    expect(answerTo(mesh.caller, 1)).toMatchObject({ error: {} });
  });

  it('a call that began without an approval ends when its only grant needs one', async () => {
    const mesh = await bareMesh();
    const free = await grantTo(mesh, {});
    await running(mesh.caller, 1, HANG, {});
    await grantTo(mesh, { approval: 'required' });
    await settled(mesh.caller);
    expect(answerTo(mesh.caller, 1)).toBeUndefined();
    await mesh.alice.grants.revoke(free);
    await until(() => answerTo(mesh.caller, 1));
    expect(answerTo(mesh.caller, 1)).toMatchObject({ error: {} });
  });

  it('a call that waits for its approval is refused at once if no grant covers it', async () => {
    const mesh = await bareMesh();
    const id = await grantTo(mesh, {
      approval: 'required',
      args: { path: { paths: ['/srv/**'] } },
    });
    mesh.caller.start(1, ECHO, { path: '/srv/a' });
    await until(() => pending(mesh.alice) === 1);
    await grantTo(mesh, { approval: 'required', args: { path: { paths: ['/tmp/**'] } } });
    await mesh.alice.grants.revoke(id);
    await until(() => answerTo(mesh.caller, 1));
    expect(answerTo(mesh.caller, 1)).toMatchObject({ error: {} });
    await until(() => pending(mesh.alice) === 0);
    expect(mesh.alice.approvals.list()).toMatchObject([{ state: 'withdrawn' }]);
  });
});

describe('when the policy changes', () => {
  it('a call that it forbids ends, and the tool leaves the list', async () => {
    const mesh = await meshOf('');
    await running(mesh.caller, 1, HANG, {});
    mesh.alice.govern('zones: { trusted: { read_only: true } }');
    await until(() => answerTo(mesh.caller, 1));
    expect(answerTo(mesh.caller, 1)).toMatchObject({
      error: { message: expect.stringMatching(/read-only|only read/) as string },
    });
  });

  it('a call that has its approval goes on, and one that waits waits', async () => {
    const mesh = await meshOf();
    mesh.caller.start(1, HANG, {}, { progressToken: 1 });
    await until(() => pending(mesh.alice) === 1);
    await approveAll(mesh.alice);
    await until(() => mesh.caller.progress().some(({ progress }) => progress === 1));
    mesh.caller.start(2, ECHO, { message: 'hi' });
    await until(() => pending(mesh.alice) === 1);
    mesh.alice.govern('zones: { trusted: { approval_required: ["files/*"] } }');
    await settled(mesh.caller);
    expect([answerTo(mesh.caller, 1), answerTo(mesh.caller, 2)]).toEqual([undefined, undefined]);
    await approveAll(mesh.alice);
    await until(() => answerTo(mesh.caller, 2));
    expect(answerTo(mesh.caller, 2)).toMatchObject({ result: {} });
  });

  it('a call of the operator that now needs an approval ends, and others go on', async () => {
    const { alice } = await meshOf('');
    const own = await attach(alice);
    await running(own, 1, 'files__hang', {});
    alice.govern('callers: { operator: { approval_required: ["files/echo"] } }');
    await settled(own);
    expect(answerTo(own, 1)).toBeUndefined();
    alice.govern('callers: { operator: { approval_required: ["files/hang"] } }');
    await until(() => answerTo(own, 1));
    expect(answerTo(own, 1)).toMatchObject({
      error: { message: expect.stringContaining('approve') as string },
    });
  });
});
