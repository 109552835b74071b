/** A key file under a passphrase. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { builtScript } from '../fixtures/built-script.ts';
import { Secret } from '../../src/core/index.ts';
import {
  PLAIN,
  createIdentity,
  loadIdentity,
  openKeyFile,
  protectBy,
  readKeyFacts,
  writeKeyFile,
} from '../../src/identity/index.ts';
import type { PassphraseSource } from '../../src/identity/index.ts';

/** The least that a file may have, so that the tests are quick. */
const cost = { n: 2 ** 14, r: 8, p: 1 };
const RIGHT = 'correct horse';
const identity = createIdentity(Buffer.alloc(32, 7));
const WRITER = fileURLToPath(new URL('key-writer.ts', import.meta.url));

let root: string;
let path: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'starling-key-'));
  path = join(root, 'key');
});
afterEach(() => rm(root, { recursive: true, force: true, maxRetries: 5 }));

function giving(text: string): PassphraseSource {
  return { given: async () => new Secret(text), ask: async () => undefined };
}

function answering(...texts: readonly string[]): PassphraseSource & { readonly asked: string[] } {
  const [asked, answers] = [[] as string[], [...texts]];
  return {
    asked,
    given: async () => undefined,
    async ask(question) {
      asked.push(question);
      const answer = answers.shift();
      return answer === undefined ? undefined : new Secret(answer);
    },
  };
}

/** The text of the file under its passphrase: sealed once, since to derive a key takes as long as a test. */
let sealed: string | undefined;

async function encrypted(): Promise<void> {
  if (sealed !== undefined) return writeFile(path, sealed, { mode: 0o600 });
  await sealAnew();
  sealed = await readFile(path, 'utf8');
}

async function sealAnew(): Promise<void> {
  await writeKeyFile(path, { identity, protection: await protectBy(new Secret(RIGHT), cost) });
}

/** Changes fields of the file, its check sum along with them. */
async function forge(change: (fields: Record<string, unknown>) => void): Promise<void> {
  const { createHash } = await import('node:crypto');
  const fields = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
  change(fields);
  const { type, check: _, ...rest } = fields;
  const check = createHash('sha256').update(JSON.stringify(rest)).digest().subarray(0, 16);
  const content = { type, ...rest, check: check.toString('base64url') };
  await writeFile(path, JSON.stringify(content), { mode: 0o600 });
}

describe('an encrypted key', () => {
  it('opens with its passphrase, in whatever form of Unicode that was typed', async () => {
    const protection = await protectBy(new Secret('Zürich am See'.normalize('NFD')), cost);
    await writeKeyFile(path, { identity, protection });
    const typed = giving('Zürich am See'.normalize('NFC'));
    expect((await loadIdentity(path, { passphrase: typed })).peerId).toBe(identity.peerId);
  });

  it('has neither its seed nor the passphrase in its file', async () => {
    await encrypted();
    const text = await readFile(path, 'utf8');
    const { seed } = identity;
    for (const form of ['base64url', 'base64', 'hex'] as const) {
      expect(text).not.toContain(Buffer.from(seed).toString(form));
    }
    expect(text).not.toContain(RIGHT);
    expect(JSON.parse(text)).toMatchObject({
      version: 2,
      peerId: identity.peerId,
      kdf: { name: 'scrypt', n: cost.n, r: 8, p: 1 },
      cipher: 'xsalsa20-poly1305',
    });
  });

  it('takes 128 MiB of scrypt, and another salt each time, where nobody says else', async () => {
    const kdfs: unknown[] = [];
    for (let round = 0; round < 2; round += 1) {
      const fields = (await protectBy(new Secret(RIGHT))).fieldsOf(identity);
      kdfs.push(fields['kdf']);
    }
    const [one, other] = kdfs;
    expect(one).toMatchObject({ n: 2 ** 17, r: 8, p: 1 });
    expect(other).not.toEqual(one);
  });

  it('says who it is without the passphrase', async () => {
    await encrypted();
    const { did, peerId } = identity;
    expect(await readKeyFacts(path)).toEqual({ did, peerId, isEncrypted: true });
    await writeKeyFile(path, { identity, protection: PLAIN });
    expect(await readKeyFacts(path)).toEqual({ did, peerId, isEncrypted: false });
    expect(await readKeyFacts(join(root, 'none'))).toBeUndefined();
  });

  it('asks a person three times, and no fourth', async () => {
    await encrypted();
    const late = answering('a', 'b', RIGHT);
    expect((await loadIdentity(path, { passphrase: late })).did).toBe(identity.did);
    expect(late.asked).toHaveLength(3);
    const never = answering('a', 'b', 'c', RIGHT);
    await expect(loadIdentity(path, { passphrase: never })).rejects.toMatchObject({
      code: 'STARLING_PASSPHRASE_WRONG',
    });
    expect(never.asked).toHaveLength(3);
  });

  it('is refused at once with a wrong passphrase that nobody typed', async () => {
    await encrypted();
    const before = await readFile(path, 'utf8');
    const error: unknown = await loadIdentity(path, { passphrase: giving('wrong words') }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ code: 'STARLING_PASSPHRASE_WRONG' });
    expect(JSON.stringify([error, String(error)])).not.toContain('wrong words');
    expect(await readFile(path, 'utf8')).toBe(before);
  });

  it.each([undefined, answering()])('says what to set where nobody gives one', async (source) => {
    await encrypted();
    const init = source === undefined ? {} : { passphrase: source };
    await expect(loadIdentity(path, init)).rejects.toMatchObject({
      code: 'STARLING_PASSPHRASE_MISSING',
      hint: expect.stringContaining('STARLING_PASSPHRASE_FILE') as string,
    });
  });

  it('is damaged, not under another passphrase, when any of its characters changed', async () => {
    await encrypted();
    const text = (await readFile(path, 'utf8')).trim();
    const asked = answering(RIGHT);
    for (let at = 0; at < text.length; at += 7) {
      const other = text[at] === 'A' ? 'B' : 'A';
      await writeFile(path, `${text.slice(0, at)}${other}${text.slice(at + 1)}`);
      await expect(openKeyFile(path, { passphrase: asked })).rejects.toMatchObject({
        code: 'STARLING_KEY_UNUSABLE',
      });
    }
    expect(asked.asked).toEqual([]);
  });

  it.each([
    ['n', 2 ** 30],
    ['n', 2 ** 40],
    ['n', 2 ** 13],
    ['n', 100_000],
    ['n', '131072'],
    ['n', -1],
    ['n', null],
    ['r', 2 ** 20],
    ['r', 0],
    ['p', 2 ** 29],
    ['p', 1.5],
    ['name', 'argon2id'],
  ])('asks nobody and takes no memory when its %s is %j', async (key, value) => {
    await encrypted();
    await forge((fields) => Object.assign(fields['kdf'] as object, { [key]: value }));
    const asked = answering(RIGHT);
    await expect(loadIdentity(path, { passphrase: asked })).rejects.toMatchObject({
      code: 'STARLING_KEY_UNUSABLE',
      data: { reason: 'parameters' },
    });
    await expect(readKeyFacts(path)).rejects.toMatchObject({ code: 'STARLING_KEY_UNUSABLE' });
    expect(asked.asked).toEqual([]);
  });

  it('of a newer version is left to that version', async () => {
    await encrypted();
    await forge((fields) => Object.assign(fields, { version: 3 }));
    await expect(loadIdentity(path)).rejects.toMatchObject({ data: { reason: 'parameters' } });
  });

  it('can not be passed off as that of another node', async () => {
    await encrypted();
    const other = createIdentity(Buffer.alloc(32, 8));
    await forge((fields) => Object.assign(fields, { peerId: other.peerId }));
    await expect(loadIdentity(path, { passphrase: giving(RIGHT) })).rejects.toMatchObject({
      code: 'STARLING_PASSPHRASE_WRONG',
    });
  });
});

describe('a new key', () => {
  it('is encrypted when a passphrase was given beforehand, and nobody is asked for one', async () => {
    const made = await loadIdentity(path, { passphrase: giving(RIGHT), cost });
    expect(await readKeyFacts(path)).toEqual({
      did: made.did,
      peerId: made.peerId,
      isEncrypted: true,
    });
    const asked = answering(RIGHT);
    await loadIdentity(join(root, 'other'), { passphrase: asked, cost });
    expect(asked.asked).toEqual([]);
  });

  it.each(['', 'sieben7', 'x'.repeat(1025)])('takes no passphrase like %j', async (text) => {
    await expect(protectBy(new Secret(text), cost)).rejects.toMatchObject({
      code: 'STARLING_PASSPHRASE_UNUSABLE',
    });
    await expect(loadIdentity(path, { passphrase: giving(text), cost })).rejects.toMatchObject({
      code: 'STARLING_PASSPHRASE_UNUSABLE',
    });
    expect(await readdir(root)).toEqual([]);
  });

  it('can be put under the protection of the old one without its passphrase', async () => {
    await encrypted();
    const old = await openKeyFile(path, { passphrase: giving(RIGHT) });
    const next = createIdentity(Buffer.alloc(32, 9));
    await writeKeyFile(path, { identity: next, protection: old?.protection ?? PLAIN });
    expect((await readKeyFacts(path))?.isEncrypted).toBe(true);
    expect((await loadIdentity(path, { passphrase: giving(RIGHT) })).did).toBe(next.did);
  });
});

describe('writing a key', () => {
  it('leaves the old or the new one after kill -9, and the next write clears up', async () => {
    await encrypted();
    for (let round = 0; round < 3; round += 1) {
      const child = spawn(process.execPath, [await builtScript(WRITER), path, RIGHT], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let writes = 0;
      for await (const _ of createInterface({ input: child.stdout })) {
        writes += 1;
        if (writes === 5 + round) break;
      }
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      const opened = await openKeyFile(path, { passphrase: giving(RIGHT) });
      expect(opened?.identity.did).toBe(identity.did);
    }
    await writeFile(join(root, '.key.0123456789ab'), 'half a key');
    await sealAnew();
    expect(await readdir(root)).toEqual(['key']);
  });
});
