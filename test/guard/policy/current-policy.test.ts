/** The policy file on the disk: taken up while the node runs, and never to its harm. */
import { once } from 'node:events';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHealth, silentLogger, systemClock } from '../../../src/core/index.ts';
import { createCurrentPolicy } from '../../../src/guard/index.ts';
import type { CurrentPolicy, CurrentPolicyInit } from '../../../src/guard/index.ts';
import { createTestClock } from '../../core/test-clock.ts';

let folder = '';
let file = '';
let health = createHealth();
const books: CurrentPolicy[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'starling-policy-'));
  file = join(folder, 'policy.yaml');
  health = createHealth();
});
afterEach(async () => {
  for (const book of books.splice(0)) await book.stop();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

async function bookOf(
  text?: string,
  init: Partial<CurrentPolicyInit> = {},
): Promise<CurrentPolicy> {
  if (text !== undefined) await writeFile(file, text);
  const book = createCurrentPolicy(
    { clock: systemClock, logger: silentLogger, health },
    { file, lookMs: 20, ...init },
  );
  books.push(book);
  await book.start();
  return book;
}

const trustOf = (book: CurrentPolicy): number => book.current().file.zones.local.trust;
const TRUST = (trust: number): string => `zones: { local: { trust: ${trust} } }\n`;

describe('the policy in force', () => {
  it('is the shipped one where there is no file', async () => {
    expect(trustOf(await bookOf())).toBe(0.9);
    expect(await books[0]?.check()).toEqual({ ok: true, exists: false, changes: [] });
  });

  it('is that of the file, which is taken up again when it changes, comes, or is replaced', async () => {
    const book = await bookOf();
    const changed = async (write: () => Promise<void>): Promise<unknown> => {
      const event = once(book.events, 'change');
      await write();
      return (await event)[1];
    };
    expect(await changed(() => writeFile(file, TRUST(0.5)))).toEqual([
      { key: 'zones.local.trust', from: '0.9', to: '0.5' },
    ]);
    await changed(() => writeFile(file, TRUST(0.6)));
    await changed(async () => {
      await writeFile(join(folder, 'new'), TRUST(0.7));
      await rename(join(folder, 'new'), file);
    });
    expect(trustOf(book)).toBe(0.7);
  });

  it('is the last good one while the file is broken, and a warning says what is wrong', async () => {
    const book = await bookOf(TRUST(0.5));
    const before = book.current();
    await writeFile(file, 'zones: { local: { trust: high } }');
    expect(await book.reload()).toEqual({
      ok: false,
      problems: [expect.stringContaining('zones.local.trust: "high" can\'t be used')],
    });
    expect(book.current()).toBe(before);
    expect(health.warnings()).toMatchObject([
      {
        code: 'policy-unusable',
        text: expect.stringContaining('zones.local.trust') as string,
        hint: 'correct it, and see: starling policy check',
      },
    ]);
    await writeFile(file, TRUST(0.5));
    expect(await book.reload()).toEqual({ ok: true, exists: true, changes: [] });
    expect(health.warnings()).toEqual([]);
    expect(book.current()).toBe(before);
  });

  it('stays when the file goes away: nothing gets looser by that', async () => {
    const book = await bookOf('zones: { trusted: { read_only: true } }');
    await rm(file);
    expect((await book.reload()).ok).toBe(false);
    expect(book.current().file.zones.trusted.read_only).toBe(true);
    expect(health.warnings()).toHaveLength(1);
  });

  it('is not that of a file that a server could have written, until the operator asks for it', async () => {
    await writeFile(file, TRUST(0.5));
    const isExposed = (path: string): boolean => path === file;
    const book = createCurrentPolicy(
      { clock: systemClock, logger: silentLogger, health, isExposed },
      { file, lookMs: 60_000 },
    );
    books.push(book);
    await book.start();
    await book.changed();
    expect(health.warnings()).toEqual([]);
    await rm(file);
    await writeFile(file, TRUST(1));
    await book.changed();
    expect(trustOf(book)).toBe(0.5);
    expect(health.warnings()).toMatchObject([
      {
        code: 'policy-held',
        text: expect.stringContaining(file) as string,
        hint: expect.stringContaining(`kill -HUP ${process.pid}`) as string,
      },
    ]);
    await book.reload();
    expect([trustOf(book), health.warnings()]).toEqual([1, []]);
  });

  it('is looked at, and not changed, by a check', async () => {
    const book = await bookOf(TRUST(0.5));
    expect(await book.check(TRUST(0.4))).toEqual({
      ok: true,
      exists: true,
      changes: [{ key: 'zones.local.trust', from: '0.5', to: '0.4' }],
    });
    expect(await book.check('zones: [')).toMatchObject({ ok: false });
    expect(trustOf(book)).toBe(0.5);
    expect(health.warnings()).toEqual([]);
  });

  it('names in a check the peers of whom it speaks by a name that none has now', async () => {
    const text =
      "callers: { 'peer:laptop': { may_approve: true }, 'peer:desk': { trust: 0.2 }, operator: {} }";
    await writeFile(file, text);
    const book = createCurrentPolicy(
      { clock: systemClock, logger: silentLogger, health, isCalled: (alias) => alias === 'desk' },
      { file },
    );
    expect(await book.check()).toMatchObject({
      ok: true,
      warnings: ['callers.peer:laptop means nobody now: no peer is called laptop (starling peers)'],
    });
  });

  it('warns once it is taken up and speaks of nobody, for an hour or until that is mended', async () => {
    const clock = createTestClock();
    let called = ['desk'];
    const book = createCurrentPolicy(
      { clock, logger: silentLogger, health, isCalled: (alias) => called.includes(alias) },
      { file, lookMs: 60_000 },
    );
    books.push(book);
    const codes = (): string[] => health.warnings().map(({ code }) => code);
    const speakOf = (name: string): Promise<void> =>
      writeFile(file, `callers: { 'peer:${name}': { trust: 0.2 } }`);
    await speakOf('laptop');
    // Nobody has been heard of yet when a node starts.
    await book.start();
    expect(codes()).toEqual([]);
    await speakOf('lap-top');
    const said =
      'callers.peer:lap-top means nobody now: no peer is called lap-top (starling peers)';
    expect(await book.reload()).toMatchObject({ ok: true, warnings: [said] });
    expect(health.warnings()).toMatchObject([
      { code: 'policy-nobody', text: expect.stringContaining(said) as string },
    ]);
    clock.advance(3_600_000);
    expect(codes()).toEqual([]);
    // The same file, read again by the operator's word.
    expect(await book.reload()).toMatchObject({ ok: true, changes: [], warnings: [said] });
    expect(codes()).toEqual(['policy-nobody']);
    called = ['desk', 'lap-top'];
    expect(await book.reload()).toEqual({ ok: true, exists: true, changes: [] });
    expect(codes()).toEqual([]);
    await speakOf('laptop');
    await book.reload();
    await speakOf('desk');
    await book.reload();
    expect(codes()).toEqual([]);
  });

  it('is in force with an old word in it, which health, log and check tell until it is changed', async () => {
    const old = 'agents: { operator: { approval_required: [files/x] } }\n';
    const logged: string[] = [];
    const logger = { ...silentLogger, warn: (_: unknown, text: string) => void logged.push(text) };
    await writeFile(file, old);
    const book = createCurrentPolicy(
      { clock: systemClock, logger, health },
      { file, lookMs: 60_000 },
    );
    books.push(book);
    await book.start();
    expect(book.current().file.callers['operator']?.approval_required).toEqual(['files/x']);
    const warnings = [expect.stringContaining('agents: this key is called callers now') as string];
    expect(logged).toEqual(warnings);
    expect(await book.check()).toEqual({ ok: true, exists: true, changes: [], warnings });
    expect(await book.reload()).toEqual({ ok: true, exists: true, changes: [], warnings });
    expect(health.warnings()).toMatchObject([
      { code: 'policy-outdated', hint: 'correct it, and see: starling policy check' },
    ]);
    await writeFile(file, 'zones: [');
    expect((await book.reload()).ok).toBe(false);
    expect(health.warnings().map(({ code }) => code)).toEqual([
      'policy-outdated',
      'policy-unusable',
    ]);
    await writeFile(file, old.replace('agents', 'callers'));
    expect(await book.reload()).toEqual({ ok: true, exists: true, changes: [] });
    expect(health.warnings()).toEqual([]);
  });

  it('is taken up in the order of the files when told to many times at once', async () => {
    const book = await bookOf(TRUST(0.5));
    for (const trust of [0.1, 0.2, 0.3]) {
      await writeFile(file, TRUST(trust));
      void book.reload();
    }
    await book.reload();
    expect(trustOf(book)).toBe(0.3);
  });
});

describe('a node does not start', () => {
  it('with a broken policy file', async () => {
    await expect(bookOf('zones: [')).rejects.toMatchObject({ code: 'STARLING_CONFIG_INVALID' });
  });

  it('without the policy file that its configuration names', async () => {
    await expect(bookOf(undefined, { mustExist: true })).rejects.toMatchObject({
      code: 'STARLING_CONFIG_INVALID',
      hint: 'put it there, or correct `policy` in the config file',
    });
  });

  it('with a policy file that is no file, or far too long', async () => {
    await expect(bookOf(undefined, { file: folder })).rejects.toMatchObject({
      code: 'STARLING_CONFIG_INVALID',
    });
    await expect(bookOf('#'.repeat(1024 * 1024 + 1))).rejects.toThrow('over 1 MiB');
  });
});
