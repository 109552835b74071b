/** A node changes its key: who follows, what goes on, and what is refused. No network. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { builtScript } from '../fixtures/built-script.ts';
import { createAudit, verifyLog } from '../../src/audit/index.ts';
import type { AuditInit } from '../../src/audit/index.ts';
import { Secret, createHealth } from '../../src/core/index.ts';
import { issueGrant, issueSuccession } from '../../src/grants/index.ts';
import {
  PLAIN,
  createIdentity,
  openKeyFile,
  protectBy,
  readKeyFacts,
  sealerOf,
  writeKeyFile,
} from '../../src/identity/index.ts';
import type { Identity, PassphraseSource } from '../../src/identity/index.ts';
import {
  COMPONENTS,
  closeAll,
  folder,
  founder,
  joined,
  knows,
  meet,
  open,
  rotated,
  sync,
} from './nodes.ts';
import type { Opened } from './nodes.ts';
import { keysIn, rotateIdentity } from '../../src/rotation/index.ts';
import { createSecretStore } from '../../src/secrets/index.ts';
import type { SecretStore } from '../../src/secrets/index.ts';
import { someOf, upTo } from '../long/extent.ts';

/** The steps of a change of keys; each may be the last one. */
const STEPS = ['prepared', 'replaced', 'kept', 'resealed', 'audited'];
/** Changes a key, and kills itself after a step. */
const KILLED = fileURLToPath(new URL('./killed-rotation.ts', import.meta.url));

const CALL: AuditInit = {
  kind: 'call',
  who: 'operator',
  what: { ability: 'tool/call', resource: 'tool:a/b' },
  outcome: 'ok',
};

afterEach(closeAll);

const FILES = {
  capabilities: [{ resource: 'tool:files/*', ability: 'tool/call' }],
  expiresAtMs: Date.now() + 3_600_000,
};

describe('a member that changes its key', () => {
  it('is let in by who let it in, who then gives it a membership of its own', async () => {
    const alice = await founder();
    const before = await joined(alice);
    const { node: bob, rotation } = await rotated(before);
    expect(rotation).toMatchObject({
      before: { did: before.identity.did },
      now: { did: bob.identity.did },
    });
    expect(bob.identity.did).not.toBe(before.identity.did);
    expect(await meet(bob, alice)).toMatchObject({ ok: true });
    expect([knows(alice, bob), knows(alice, before)]).toEqual([true, false]);
    const own = alice.ownMesh.records().membershipOf(bob.identity.did);
    expect(own?.[0]?.claims.aud).toBe(bob.identity.did);
    await sync(alice, bob);
    expect(
      bob.ownMesh
        .records()
        .memberships()
        .map(({ claims }) => claims.aud),
    ).toContain(bob.identity.did);
    expect(alice.ownMesh.records().digest()).toBe(bob.ownMesh.records().digest());
  });

  it('is let in by somebody who never met it, and by who only hears of it from others', async () => {
    const alice = await founder();
    const before = await joined(alice);
    const carol = await joined(alice);
    const { node: bob } = await rotated(before);
    expect(await meet(bob, carol)).toMatchObject({ ok: true });
    await sync(carol, alice);
    expect(knows(alice, bob)).toBe(true);
    expect(await meet(alice, bob)).toMatchObject({ ok: true });
  });

  it('still vouches for whom it had let in, and for who came in through them', async () => {
    const alice = await founder();
    const before = await joined(alice);
    const carol = await joined(before);
    const dave = await joined(carol);
    const { node: bob, rotation } = await rotated(before);
    expect(rotation.memberships).toBe(1);
    expect(await meet(carol, bob)).toMatchObject({ ok: true });
    expect(await meet(dave, alice)).toMatchObject({ ok: true });
    expect(await meet(bob, alice)).toMatchObject({ ok: true });
    expect(await meet(dave, alice)).toMatchObject({ ok: true });
    expect(await meet(carol, alice)).toMatchObject({ ok: true });
    expect([knows(alice, dave), knows(alice, carol)]).toEqual([true, true]);
  });

  it('is no member any more once its membership is revoked, under whichever key', async () => {
    const alice = await founder();
    const before = await joined(alice);
    const membership = alice.grants
      .issued()
      .find(({ claims }) => claims.aud === before.identity.did);
    const { node: bob } = await rotated(before);
    await meet(bob, alice);
    const revocation = await alice.grants.revoke(membership?.claims.jti ?? '');
    await alice.ownMesh.records().add(revocation.jws);
    expect(knows(alice, bob)).toBe(false);
    expect(await meet(bob, alice)).toMatchObject({ ok: false });
  });

  it('is refused under its old key, and told why', async () => {
    const alice = await founder();
    const before = await joined(alice);
    await before.close();
    const copy = await folder();
    await cp(before.stateDir, copy, { recursive: true });
    await rotateIdentity(COMPONENTS, { stateDir: before.stateDir });
    const bob = await open(before.stateDir);
    await meet(bob, alice);
    const thief = await open(copy);
    const refused = await meet(thief, alice);
    expect(refused).toMatchObject({
      ok: false,
      code: 'STARLING_KEY_RETIRED',
      reason: expect.stringContaining(bob.identity.did) as string,
    });
    expect(knows(alice, thief)).toBe(false);
    // Its status tells, too, because its own key has signed it.
    const hear = (node: Opened): Promise<void> =>
      node.admission.answered(refused, alice.identity.peerId);
    await expect(hear(thief)).rejects.toMatchObject({ code: 'STARLING_KEY_RETIRED' });
    expect(thief.health.warnings()).toMatchObject([
      { code: 'key-retired', text: expect.stringContaining(bob.identity.did) as string },
    ]);
    // Nor is it told anything else once it has heard of the change, and is no member to itself.
    const jws = alice.successions.of(before.identity.did)?.jws ?? '';
    expect(await thief.ownMesh.records().add(jws)).toBe(true);
    expect(await meet(thief, alice)).toMatchObject({ ok: false, code: 'STARLING_KEY_RETIRED' });
    await thief.close();
    const again = await open(copy);
    expect(again.health.warnings()).toMatchObject([{ code: 'key-retired' }]);
    await again.close();
    await expect(rotateIdentity(COMPONENTS, { stateDir: copy })).rejects.toMatchObject({
      code: 'STARLING_KEY_RETIRED',
    });
    // Nobody else can be told so.
    await expect(hear(bob)).rejects.toMatchObject({ code: 'STARLING_KEY_RETIRED' });
    expect(bob.health.warnings()).toEqual([]);
  });

  it('does not let who has its old key bring in others, whatever date they write', async () => {
    const alice = await founder();
    const before = await joined(alice);
    const { node: bob } = await rotated(before);
    await meet(bob, alice);
    const [own] = alice.ownMesh.records().membershipOf(bob.identity.did) ?? [];
    if (own === undefined) throw new Error('bob is a member');
    const parent = alice.ownMesh
      .records()
      .memberships()
      .find(({ claims }) => claims.aud === before.identity.did);
    if (parent === undefined) throw new Error('bob was a member');
    const thief = createIdentity();
    const { sub, cap, exp } = parent.claims;
    const init = { aud: thief.did, sub, cap, expiresAt: exp, parents: [parent], maxDepth: 3 };
    const forged = issueGrant(before.identity, init, Date.now() - 86_400_000);
    await alice.ownMesh.records().add(forged.jws);
    expect(alice.admission.isMember(thief.peerId)).toBe(false);
    expect(() =>
      alice.ownMesh.records().verifyMembership([forged.jws, parent.jws], thief.did),
    ).toThrow(/retired|place/);
  });

  it('can do it twice before anybody hears of it, and again while somebody is away', async () => {
    const alice = await founder();
    const first = await joined(alice);
    const carol = await joined(alice);
    const { node: second } = await rotated(first);
    const { node: third } = await rotated(second);
    expect(await meet(third, alice)).toMatchObject({ ok: true });
    expect([knows(alice, first), knows(alice, second), knows(alice, third)]).toEqual([
      false,
      false,
      true,
    ]);
    const { node: fourth } = await rotated(third);
    expect(await meet(carol, fourth)).toMatchObject({ ok: true });
    expect(carol.successions.current(first.identity.did)).toBe(fourth.identity.did);
    await sync(carol, alice);
    expect([knows(carol, fourth), knows(alice, fourth), knows(alice, third)]).toEqual([
      true,
      true,
      false,
    ]);
  });

  it('goes on when two change their keys while they are cut off from each other', async () => {
    const alice = await founder();
    const before = await joined(alice);
    const { node: alice2 } = await rotated(alice);
    const { node: bob2 } = await rotated(before);
    expect(await meet(alice2, bob2)).toMatchObject({ ok: true });
    expect([knows(alice2, bob2), knows(bob2, alice2)]).toEqual([true, true]);
    await sync(alice2, bob2);
    const { node: alice3 } = await rotated(alice2);
    expect(await meet(bob2, alice3)).toMatchObject({ ok: true });
    expect(knows(bob2, alice3)).toBe(true);
  });
});

describe('the founder of a mesh that changes its key', () => {
  it('leaves the mesh what it is, and everybody in it', async () => {
    const before = await founder();
    const bob = await joined(before);
    const mesh = before.ownMesh.mesh();
    const { node: alice } = await rotated(before);
    expect(alice.ownMesh.mesh()).toEqual(mesh);
    const [own] = alice.ownMesh.records().membershipOf(alice.identity.did) ?? [];
    expect(own?.claims).toMatchObject({ iss: mesh?.id, aud: alice.identity.did });
    expect(await meet(bob, alice)).toMatchObject({ ok: true });
    expect([knows(bob, alice), knows(bob, before), knows(alice, bob)]).toEqual([true, false, true]);
    await sync(alice, bob);
    const carol = await joined(alice);
    expect(await meet(carol, bob)).toMatchObject({ ok: true });
  });

  it('of an open mesh is in it as before', async () => {
    const [alice, bob] = [await open(await folder()), await open(await folder())];
    for (const node of [alice, bob]) {
      await node.ownMesh.enterOpen('party');
      await node.ownMesh.keep();
    }
    await meet(alice, bob);
    const { node: alice2 } = await rotated(alice);
    expect(await meet(alice2, bob)).toMatchObject({ ok: true });
    expect([knows(bob, alice2), knows(bob, alice)]).toEqual([true, false]);
  });
});

describe('a succession that somebody makes up', () => {
  it('does not count for a stranger, for another mesh, or for the key of the mesh', async () => {
    const alice = await founder();
    const bob = await joined(alice);
    const mesh = alice.ownMesh.mesh()?.id;
    if (mesh === undefined) throw new Error('there is a mesh');
    const [eve, heir] = [createIdentity(), createIdentity()];
    const records = alice.ownMesh.records();
    const cases = [
      issueSuccession(eve, heir, { mesh }, Date.now()),
      issueSuccession(bob.identity, heir, { mesh: eve.did }, Date.now()),
    ];
    for (const { jws } of cases) expect(await records.add(jws)).toBe(false);
    expect(alice.successions.all()).toEqual([]);
    expect(knows(alice, bob)).toBe(true);
  });

  it('counts first seen, first served; status tells that a key names two heirs', async () => {
    const alice = await founder();
    const before = await joined(alice);
    const carol = await joined(alice);
    await sync(alice, carol);
    const mesh = alice.ownMesh.mesh()?.id;
    if (mesh === undefined) throw new Error('there is a mesh');
    const thief = createIdentity();
    const stolen = issueSuccession(before.identity, thief, { mesh }, Date.now());
    expect(await carol.ownMesh.records().add(stolen.jws)).toBe(true);
    const { node: bob } = await rotated(before);
    await meet(bob, alice);
    await sync(alice, carol);
    await sync(alice, bob);
    expect(alice.successions.current(before.identity.did)).toBe(bob.identity.did);
    expect(carol.successions.current(before.identity.did)).toBe(thief.did);
    const warnings = [alice, carol, bob].map(({ health }) => health.warnings()[0]?.text ?? '');
    expect(warnings[0]).toContain('has named two heirs');
    expect(warnings[1]).toContain('has named two heirs');
    expect(warnings[2]).toContain('the former key of this node');
    expect(alice.ownMesh.records().digest()).toBe(carol.ownMesh.records().digest());
    await carol.close();
    const again = await open(carol.stateDir);
    expect(again.successions.current(before.identity.did)).toBe(thief.did);
    expect(again.health.warnings()).toHaveLength(1);
  });
});

describe('what a key change leaves behind', () => {
  it('are secrets that open under the new key, which is as encrypted as the old one', async () => {
    const passphrase: PassphraseSource = {
      given: async () => new Secret('correct horse'),
      ask: () => Promise.reject(new Error('nobody is asked')),
    };
    const alice = await founder();
    const key = join(alice.stateDir, 'key');
    const secretsOf = async (node: Opened): Promise<SecretStore> => {
      const secrets = createSecretStore({
        ...COMPONENTS,
        table: node.store.table('secrets'),
        sealer: () => sealerOf(node.identity, 'secrets'),
      });
      await secrets.load();
      return secrets;
    };
    await (await secretsOf(alice)).set('API_TOKEN', new Secret('very secret'));
    await alice.close();
    const cost = { n: 2 ** 14, r: 8, p: 1 };
    const protection = await protectBy(new Secret('correct horse'), cost);
    await writeKeyFile(key, { identity: alice.identity, protection });
    await expect(rotateIdentity(COMPONENTS, { stateDir: alice.stateDir })).rejects.toMatchObject({
      code: 'STARLING_PASSPHRASE_MISSING',
    });
    const { now } = await rotateIdentity(COMPONENTS, { stateDir: alice.stateDir, passphrase });
    expect(await readKeyFacts(key)).toEqual({ ...now, isEncrypted: true });
    const opened = await openKeyFile(key, { passphrase });
    if (opened === undefined) throw new Error('the key is gone');
    await writeKeyFile(key, { identity: opened.identity, protection: PLAIN });
    const secrets = await secretsOf(await open(alice.stateDir));
    expect(secrets.lookup('API_TOKEN')).toBe('very secret');
  });

  it('are logins that open under the new key, and a log that verifies across it', async () => {
    const alice = await founder();
    const { identity: before } = alice;
    const secret = Buffer.from('token');
    await alice.store
      .table('logins')
      .put('tickets', sealerOf(before, 'logins').seal('tickets', secret));
    const log = join(alice.stateDir, 'audit');
    const audit = createAudit(
      { ...COMPONENTS, identity: before, health: createHealth() },
      { folder: log },
    );
    await audit.start();
    await audit.append(CALL);
    await audit.stop();
    const { node } = await rotated(alice);
    const sealed = await node.store.table('logins').get('tickets');
    expect(
      Buffer.from(sealerOf(node.identity, 'logins').open('tickets', sealed ?? new Uint8Array())),
    ).toEqual(secret);
    const dids = await keysIn(log, node.identity.did);
    expect(dids).toEqual([node.identity.did, before.did]);
    // Who wrote down the old key verifies by it, too.
    expect(await keysIn(log, before.did)).toEqual(dids);
    expect(await verifyLog(log, { did: dids })).toMatchObject({
      ok: true,
      checkpoint: { did: node.identity.did },
    });
    expect(await verifyLog(log, { did: node.identity.did })).toMatchObject({ ok: false });
  });

  it('is nothing of the old key: neither in the folder nor in the database', async () => {
    const alice = await founder();
    const { seed } = alice.identity;
    const { node } = await rotated(alice);
    await node.close();
    const files = (await readdir(node.stateDir, { recursive: true, withFileTypes: true })).filter(
      (entry) => entry.isFile(),
    );
    const texts = await Promise.all(
      files.map((file) => readFile(join(file.parentPath, file.name))),
    );
    const forms = [Buffer.from(seed), Buffer.from(Buffer.from(seed).toString('base64url'))];
    expect(files.map(({ name }) => name)).not.toContain('key.rotation');
    expect(texts.some((text) => forms.some((form) => text.includes(form)))).toBe(false);
  });

  it('are grants that peers issue anew, and its own under the new name', async () => {
    const alice = await founder();
    const before = await joined(alice);
    await alice.grants.issue({ aud: before.identity.did, ...FILES });
    await before.grants.issue({ aud: alice.identity.did, ...FILES });
    const { node: bob, rotation } = await rotated(before);
    expect(rotation.grants).toBe(1);
    expect(bob.grants.held(alice.identity.did)[0]?.claims.iss).toBe(bob.identity.did);
    await meet(bob, alice);
    expect(alice.grants.held(bob.identity.did)).toHaveLength(1);
    expect(alice.grants.held(before.identity.did)).toEqual([]);
  });
});

describe('a key change', () => {
  // The first of them leaves the old key, the last one the new key.
  it.each(someOf(STEPS, (step) => step === 'prepared' || step === 'kept'))(
    'killed when it is %s leaves the old key, or the new one with its succession',
    async (step) => {
      const alice = await founder();
      const before = await joined(alice);
      const secret = Buffer.from('token');
      const sealed = sealerOf(before.identity, 'logins').seal('tickets', secret);
      await before.store.table('logins').put('tickets', sealed);
      const grant = await before.grants.issue({ aud: alice.identity.did, ...FILES });
      const log = join(before.stateDir, 'audit');
      const audit = createAudit(
        { ...COMPONENTS, identity: before.identity, health: createHealth() },
        { folder: log },
      );
      await audit.start();
      await audit.append(CALL);
      await audit.stop();
      await before.close();
      const child = spawn(process.execPath, [await builtScript(KILLED), before.stateDir, step], {
        stdio: 'inherit',
      });
      const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
      expect(signal).toBe('SIGKILL');
      // What was cut short is no damage.
      const facts = await readKeyFacts(join(before.stateDir, 'key'));
      const known = await keysIn(log, facts?.did ?? before.identity.did, before.stateDir);
      expect(await verifyLog(log, { did: known })).toMatchObject({ ok: true });
      const bob = await open(before.stateDir);
      const isNew = bob.identity.did !== before.identity.did;
      expect(isNew).toBe(step !== 'prepared');
      expect(bob.successions.lineage(bob.identity.did)).toHaveLength(isNew ? 2 : 1);
      expect(await meet(bob, alice)).toMatchObject({ ok: true });
      expect([knows(alice, bob), knows(alice, before)]).toEqual([true, !isNew]);
      const kept = await bob.store.table('logins').get('tickets');
      const opened = sealerOf(bob.identity, 'logins').open('tickets', kept ?? new Uint8Array());
      expect(Buffer.from(opened)).toEqual(secret);
      expect(bob.grants.held(alice.identity.did)[0]?.claims).toMatchObject({
        iss: bob.identity.did,
        jti: grant.claims.jti,
      });
      const dids = await keysIn(log, bob.identity.did);
      expect(await verifyLog(log, { did: dids })).toMatchObject({
        ok: true,
        checkpoint: { did: bob.identity.did },
      });
      expect(await readdir(bob.stateDir)).not.toContain('key.rotation');
      // And it can be done once more.
      const { node } = await rotated(bob);
      expect(await meet(node, alice)).toMatchObject({ ok: true });
    },
  );

  it('that was cut short is finished by doing it again, not done twice', async () => {
    const alice = await founder();
    const before = await joined(alice);
    await before.close();
    const cut = rotateIdentity(
      {
        ...COMPONENTS,
        done(step) {
          if (step === 'replaced') throw new Error('cut short');
        },
      },
      { stateDir: before.stateDir },
    );
    await expect(cut).rejects.toThrow('cut short');
    const facts = await readKeyFacts(join(before.stateDir, 'key'));
    const rotation = await rotateIdentity(COMPONENTS, { stateDir: before.stateDir });
    expect(rotation.before.did).toBe(before.identity.did);
    expect(rotation.now.did).toBe(facts?.did);
  });

  it('that nobody could follow any more is refused before anything is changed', async () => {
    const alice = await founder();
    const mesh = alice.ownMesh.mesh()?.id ?? alice.identity.did;
    let old: Identity = createIdentity();
    for (let change = 1; change < 63; change += 1) {
      const next = createIdentity();
      await alice.successions.add(issueSuccession(old, next, { mesh }, 1_700_000_000_000));
      old = next;
    }
    await alice.successions.add(issueSuccession(old, alice.identity, { mesh }, 1_700_000_000_000));
    await alice.close();
    await expect(rotateIdentity(COMPONENTS, { stateDir: alice.stateDir })).rejects.toMatchObject({
      code: 'STARLING_LIMIT_EXCEEDED',
    });
    const again = await open(alice.stateDir);
    expect(again.identity.did).toBe(alice.identity.did);
    expect(again.ownMesh.isMember()).toBe(true);
  });

  it('is followed by whom it meets, however many came before', async () => {
    const alice = await founder();
    const bob = await joined(alice);
    await bob.close();
    const changes = upTo(6, 20);
    for (let change = 0; change < changes; change += 1) {
      await rotateIdentity(COMPONENTS, { stateDir: bob.stateDir });
    }
    const now = await open(bob.stateDir);
    expect(now.successions.lineage(now.identity.did)).toHaveLength(changes + 1);
    expect(await meet(now, alice)).toMatchObject({ ok: true });
    expect(knows(alice, now)).toBe(true);
  });

  it('whose record in the audit log is damaged is told by the name of its file', async () => {
    const log = await folder();
    const { identity } = await founder();
    await writeFile(join(log, 'keys.jws'), 'garbage\n');
    await expect(keysIn(log, identity.did)).rejects.toMatchObject({
      code: 'STARLING_STATE_UNUSABLE',
      message: expect.stringContaining('keys.jws, line 1') as string,
    });
  });

  it('that left something damaged says so, and touches nothing', async () => {
    const alice = await founder();
    await alice.close();
    await writeFile(join(alice.stateDir, 'key.rotation'), '{"version":1');
    await expect(open(alice.stateDir)).rejects.toMatchObject({ code: 'STARLING_KEY_UNUSABLE' });
    expect(await readdir(alice.stateDir)).toContain('key.rotation');
  });

  it('is refused while the node runs, where there is none, and where nobody would follow', async () => {
    const alice = await founder();
    await expect(rotateIdentity(COMPONENTS, { stateDir: alice.stateDir })).rejects.toMatchObject({
      code: 'STARLING_STATE_LOCKED',
    });
    await expect(rotateIdentity(COMPONENTS, { stateDir: await folder() })).rejects.toMatchObject({
      code: 'STARLING_USAGE',
    });
    const lonely = await open(await folder());
    await lonely.close();
    await expect(rotateIdentity(COMPONENTS, { stateDir: lonely.stateDir })).rejects.toMatchObject({
      code: 'STARLING_USAGE',
    });
    const again = await open(lonely.stateDir);
    expect(again.identity.did).toBe(lonely.identity.did);
  });
});
