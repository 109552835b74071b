/** The log takes entries, survives what may happen to it, and never loses one that was allowed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { builtScript } from '../fixtures/built-script.ts';
import { hashArguments, verifyLog } from '../../src/audit/index.ts';
import { isSealed } from '../../src/audit/checkpoint.ts';
import type { AuditEntry, AuditVerdict } from '../../src/audit/index.ts';
import { openSegment } from '../../src/audit/segments/segment-file.ts';
import type { OpenSegment } from '../../src/audit/segments/segment-file.ts';
import { createTestClock } from '../core/test-clock.ts';
import { isLong } from '../long/extent.ts';
import {
  NODE,
  decision,
  linesOf,
  putLines,
  segmentsOf,
  startAudit,
  temporaryFolder,
  writtenLog,
} from './arrange.ts';

const WRITER = fileURLToPath(new URL('./writer.ts', import.meta.url));
const DAY_MS = 86_400_000;

const verify = (folder: string, checkpointEntries = 1000): Promise<AuditVerdict> =>
  verifyLog(folder, { did: NODE.did, checkpointEntries });

async function entriesOf(folder: string): Promise<AuditEntry[]> {
  const all: AuditEntry[] = [];
  for (const name of await segmentsOf(folder)) {
    all.push(...(await linesOf(folder, name)).map((line) => JSON.parse(line) as AuditEntry));
  }
  return all;
}

describe('an entry', () => {
  it('is a line with all that was told, its place, and the hash of the line before', async () => {
    const clock = createTestClock();
    const { audit, folder } = await startAudit({ clock });
    const args = hashArguments({ path: '/srv', deep: [1, { b: 1, a: 2 }] });
    const seq = await audit.append(
      decision(1, { args, grant: 'g1', onBehalfOf: 'did:key:z6MkAgent', reasoning: 'asked to' }),
    );
    await audit.append({ ...decision(1), kind: 'call', outcome: 'ok', durationMs: 7, of: seq });
    const [one, two] = await linesOf(folder, (await segmentsOf(folder))[0] ?? '');
    expect(one).toBe(
      `{"seq":1,"at":1700000000000,"kind":"decision","who":"did:key:z6MkBob","onBehalfOf":"did:key:z6MkAgent","what":{"ability":"tool/call","resource":"tool:files/read_1"},"args":"${args}","grant":"g1","outcome":"allowed","reasoning":"asked to","prev":"${'0'.repeat(64)}"}`,
    );
    expect(JSON.parse(two ?? '')).toMatchObject({ seq: 2, of: 1, durationMs: 7 });
  });

  it('has the same hash for the same arguments, however they are written', () => {
    expect(hashArguments({ a: 1, b: 'ü' })).toBe(hashArguments({ b: 'ü', a: 1.0 }));
    expect(hashArguments({ a: 1 })).not.toBe(hashArguments({ a: 2 }));
    expect(() => hashArguments({ a: '\uD800' })).toThrow(/no canonical JSON/);
  });

  it('is bounded, and one line whatever is in it', async () => {
    const { audit, folder } = await startAudit();
    await audit.append(
      decision(1, { reason: 'a\nb\u2028'.repeat(9999), reasoning: '\u0000'.repeat(99_999) }),
    );
    await audit.append(decision(2));
    const [name = ''] = await segmentsOf(folder);
    const lines = await linesOf(folder, name);
    expect(lines).toHaveLength(2);
    expect(lines[0]?.length).toBeLessThan(20_000);
    await audit.stop();
    expect((await verify(folder)).ok).toBe(true);
  });

  it('keeps its order among the others, awaited or not', async () => {
    const { audit, folder } = await startAudit();
    const seqs: Promise<number>[] = [];
    for (let n = 1; n <= 50; n += 1) {
      if (n % 3 === 0) audit.note(decision(n));
      else seqs.push(audit.append(decision(n)));
    }
    await Promise.all(seqs);
    await audit.flush();
    const resources = (await entriesOf(folder)).map(({ what }) => what.resource);
    expect(resources).toEqual(Array.from({ length: 50 }, (_, n) => `tool:files/read_${n + 1}`));
    expect((await seqs[0]) ?? 0).toBe(1);
  });

  it('is readable by nobody else', async () => {
    const { folder } = await writtenLog(1);
    const [name = ''] = await segmentsOf(folder);
    expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600);
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    expect((await stat(join(folder, 'head.json'))).mode & 0o777).toBe(0o600);
  });
});

describe('checkpoints', () => {
  it('come after so many entries, after a while, and at the end', async () => {
    const clock = createTestClock();
    const { audit, told, folder } = await startAudit({
      clock,
      checkpointEntries: 10,
      checkpointMs: 5000,
    });
    for (let n = 1; n <= 10; n += 1) audit.note(decision(n));
    await audit.flush();
    expect(told.map(({ seq }) => seq)).toEqual([10]);
    audit.note(decision(11));
    await audit.flush();
    clock.advance(5000);
    // The timer's task runs in a microtask.
    await Promise.resolve();
    await audit.flush();
    expect(told.map(({ seq }) => seq)).toEqual([10, 12]);
    audit.note(decision(12));
    await audit.stop();
    expect(told.map(({ seq }) => seq)).toEqual([10, 12, 14]);
    expect(await verify(folder, 10)).toMatchObject({ ok: true, unsigned: 0 });
  });

  it('are signed by the system’s library: a busy log has many', async () => {
    const slow = vi.fn<(message: Uint8Array) => Uint8Array>();
    const identity = { ...NODE, sign: slow };
    const { audit, told } = await startAudit({ identity, checkpointEntries: 2 });
    for (let n = 1; n <= 4; n += 1) audit.note(decision(n));
    await audit.flush();
    expect(told.length).toBeGreaterThan(0);
    expect(told.every((checkpoint) => isSealed(checkpoint, 'checkpoint'))).toBe(true);
    expect(slow).not.toHaveBeenCalled();
  });

  it('are not made when there is nothing new', async () => {
    const clock = createTestClock();
    const { audit, told } = await startAudit({ clock, checkpointMs: 1000 });
    clock.advance(10_000);
    await audit.flush();
    await audit.stop();
    expect(told).toEqual([]);
  });
});

describe('a log that is started again', () => {
  it('goes on where it ended', async () => {
    const { folder } = await writtenLog(5);
    await writtenLog(5, { folder });
    const verdict = await verify(folder);
    expect(verdict).toMatchObject({ ok: true, entries: 12, segments: 1 });
  });

  it('cuts off an unfinished line, and says so', async () => {
    const { folder } = await writtenLog(5);
    const [name = ''] = await segmentsOf(folder);
    await appendFile(join(folder, name), '{"seq":7,"at":17');
    await writtenLog(1, { folder });
    const entries = await entriesOf(folder);
    expect(entries[6]).toMatchObject({
      kind: 'log',
      what: { ability: 'audit/cut', resource: `audit:${name}` },
      reason: expect.stringContaining('16 bytes of an unfinished write after entry 6'),
    });
    expect((await verify(folder)).findings).toEqual([]);
  });

  it('cuts off what a power cut left, but nothing that was signed', async () => {
    const { folder } = await writtenLog(5);
    const [name = ''] = await segmentsOf(folder);
    await appendFile(join(folder, name), `${'\0'.repeat(500)}\n${'\0'.repeat(12)}`);
    await writtenLog(1, { folder });
    expect((await verify(folder)).findings).toEqual([]);
    const lines = await linesOf(folder, name);
    lines.splice(3, 9, 'x');
    await putLines(folder, name, lines);
    const { health } = await writtenLog(1, { folder });
    expect(await linesOf(folder, name)).toEqual(lines);
    expect(health.warnings()[0]).toMatchObject({ code: 'audit-damaged' });
    const verdict = await verify(folder);
    expect(verdict.findings.map(({ rule }) => rule)).toEqual(['malformed', 'missing']);
  });

  it('does not hide that it was cut short: a gap stays for good', async () => {
    const { folder } = await writtenLog(9);
    const [name = ''] = await segmentsOf(folder);
    await putLines(folder, name, (await linesOf(folder, name)).slice(0, 4));
    const { health } = await writtenLog(3, { folder });
    expect(health.warnings()[0]?.text).toContain('ended before entry 9');
    const { findings } = await verify(folder);
    expect(findings).toEqual([
      {
        rule: 'missing',
        segment: '0000000000000010.jsonl',
        line: 1,
        text: 'entries 5 to 9 should stand before this line',
      },
    ]);
  });

  it('drops a segment in which nothing was written', async () => {
    const { folder } = await writtenLog(5);
    await writeFile(join(folder, '0000000000000007.jsonl'), '');
    await writtenLog(1, { folder });
    expect(await segmentsOf(folder)).toHaveLength(1);
    expect((await verify(folder)).ok).toBe(true);
  });

  it('says that its head was changed', async () => {
    const { folder } = await writtenLog(5);
    await writeFile(join(folder, 'head.json'), 'null');
    const { health } = await writtenLog(1, { folder });
    expect(health.warnings().map(({ code }) => code)).toEqual(['audit-damaged']);
    expect((await entriesOf(folder)).some(({ what }) => what.ability === 'audit/damaged')).toBe(
      true,
    );
  });
});

describe('segments', () => {
  it('are begun anew when full, and each ends with a checkpoint', async () => {
    const { folder } = await writtenLog(100, { segmentBytes: 5000 });
    const names = await segmentsOf(folder);
    expect(names.length).toBeGreaterThan(4);
    for (const name of names) {
      const lines = await linesOf(folder, name);
      const last = JSON.parse(lines.at(-1) ?? '') as AuditEntry;
      expect(last.kind).toBe('checkpoint');
      expect(Number(name.slice(0, 16))).toBe((JSON.parse(lines[0] ?? '') as AuditEntry).seq);
    }
    expect((await verify(folder)).findings).toEqual([]);
  });

  it('are removed whole when their time is over, and the rest still verifies', async () => {
    const clock = createTestClock();
    const { audit, folder } = await startAudit({ clock, segmentBytes: 3000, retentionMs: DAY_MS });
    for (let day = 0; day < 5; day += 1) {
      for (let n = 0; n < 30; n += 1) audit.note(decision(n));
      await audit.flush();
      clock.advance(DAY_MS / 2);
    }
    audit.note(decision(0));
    await audit.stop();
    const entries = await entriesOf(folder);
    expect(entries[0]?.seq).toBeGreaterThan(30);
    // The oldest segment may begin before the limit, and ends after it.
    expect(clock.now() - (entries.at(-1)?.at ?? 0)).toBeLessThan(DAY_MS);
    expect(entries.some(({ what }) => what.ability === 'audit/removed')).toBe(true);
    const verdict = await verify(folder);
    expect(verdict).toMatchObject({ ok: true, removedThrough: (entries[0]?.seq ?? 0) - 1 });
  });

  it('that somebody else removed are missed', async () => {
    const clock = createTestClock();
    const { folder } = await writtenLog(200, { clock, segmentBytes: 3000, retentionMs: DAY_MS });
    clock.advance(2 * DAY_MS);
    await writtenLog(60, { clock, folder, segmentBytes: 3000, retentionMs: DAY_MS });
    expect((await verify(folder)).ok).toBe(true);
    const head = JSON.parse(await readFile(join(folder, 'head.json'), 'utf8')) as object;
    await writeFile(join(folder, 'head.json'), JSON.stringify({ ...head, removed: undefined }));
    expect((await verify(folder)).findings[0]).toMatchObject({ rule: 'missing', line: 1 });
  });
});

/** A disk that fails when told to, after having written some of it. */
function failingDisk(): { open: OpenSegment; fails: boolean; syncFails: boolean } {
  const disk = {
    fails: false,
    syncFails: false,
    open: async (path: string) => {
      const file = await openSegment(path);
      return {
        ...file,
        writeNow(bytes: Buffer, position: number) {
          if (!disk.fails) return file.writeNow?.(bytes, position);
          file.writeNow?.(bytes.subarray(0, 30), position);
          throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
        },
        async write(bytes: Buffer, position: number) {
          if (!disk.fails) return file.write(bytes, position);
          await file.write(bytes.subarray(0, 30), position);
          throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
        },
        async sync() {
          if (disk.syncFails) throw new Error('EIO: i/o error');
          await file.sync();
        },
      } satisfies Awaited<ReturnType<OpenSegment>>;
    },
  };
  return disk;
}

describe('a full disk', () => {
  it('refuses what must be audited, keeps notes, and goes on when there is room', async () => {
    const clock = createTestClock();
    const disk = failingDisk();
    const { audit, folder, health } = await startAudit({ clock, openSegment: disk.open });
    await audit.append(decision(1));
    disk.fails = true;
    await expect(audit.append(decision(2))).rejects.toMatchObject({
      code: 'STARLING_AUDIT_UNAVAILABLE',
      message: expect.stringContaining('the disk is full'),
    });
    expect(audit.healthy()).toBe(false);
    expect(health.warnings().map(({ code }) => code)).toEqual(['audit-unwritable']);
    await expect(audit.append(decision(3))).rejects.toMatchObject({
      code: 'STARLING_AUDIT_UNAVAILABLE',
    });
    await expect(audit.flush()).rejects.toMatchObject({ code: 'STARLING_AUDIT_UNAVAILABLE' });
    audit.note(decision(4));
    disk.fails = false;
    const resumed = once(audit.events, 'entries');
    clock.advance(1000);
    await resumed;
    expect(audit.healthy()).toBe(true);
    expect(health.warnings()).toEqual([]);
    await audit.append(decision(5));
    await audit.stop();
    const said = (await entriesOf(folder)).map(({ what, reason }) => reason ?? what.resource);
    expect(said).toEqual([
      'tool:files/read_1',
      'tool:files/read_4',
      'the log could not be written for 1 s',
      'tool:files/read_5',
      'audit:log',
    ]);
    expect((await verify(folder)).ok).toBe(true);
  });

  it('counts what finds no room, and the log says how much is lost', async () => {
    const clock = createTestClock();
    const disk = failingDisk();
    const { audit, folder } = await startAudit({ clock, openSegment: disk.open });
    disk.fails = true;
    await expect(audit.append(decision(1))).rejects.toThrow();
    for (let n = 0; n < 20_000; n += 1) audit.note(decision(n));
    disk.fails = false;
    const resumed = once(audit.events, 'entries');
    clock.advance(1000);
    await resumed;
    await audit.flush();
    const entries = await entriesOf(folder);
    const lost = entries.find(({ what }) => what.ability === 'audit/lost');
    const kept = entries.filter(({ kind }) => kind === 'decision').length;
    expect(lost?.reason).toContain(`${20_000 - kept} entries found no room`);
  });

  it('tells of a loss in the log and among the warnings, when far too much comes at once', async () => {
    const { audit, folder, health } = await startAudit();
    for (let n = 0; n < 200_000; n += 1) audit.note(decision(n));
    await audit.flush();
    await audit.flush();
    const lacks = 200_000 - 16_384;
    expect(health.warnings()).toEqual([
      {
        code: 'audit-lost',
        text: expect.stringContaining(`the audit log lacks ${lacks} entries`) as string,
        hint: 'see when: starling audit query --what audit/lost',
      },
    ]);
    audit.note(decision(200_000));
    await audit.stop();
    const told = (await entriesOf(folder)).filter(({ what }) => what.ability === 'audit/lost');
    expect(told.map(({ reason }) => reason)).toEqual([
      expect.stringContaining(`${lacks} entries found no room`),
    ]);
    expect(health.warnings()).toHaveLength(1);
    expect((await verify(folder, 10_000)).ok).toBe(true);
  });

  it('refuses when it can no longer sync, and never has an entry twice', async () => {
    const clock = createTestClock();
    const disk = failingDisk();
    const { audit, folder } = await startAudit({ clock, openSegment: disk.open, sync: 'always' });
    await audit.append(decision(1));
    disk.syncFails = true;
    await expect(audit.append(decision(2))).rejects.toThrow(/i\/o error/);
    disk.syncFails = false;
    const resumed = once(audit.events, 'entries');
    clock.advance(1000);
    await resumed;
    await audit.append(decision(3));
    await audit.stop();
    const { findings, entries } = await verify(folder);
    expect(findings).toEqual([]);
    expect(entries).toBe(4);
  });

  it('loses no note that comes while syncing fails in the background', async () => {
    const clock = createTestClock();
    const disk = failingDisk();
    const { audit, folder } = await startAudit({
      clock,
      openSegment: disk.open,
      checkpointEntries: 7,
    });
    for (let n = 0; n < 400; n += 1) {
      disk.syncFails = n % 50 === 20;
      audit.note(decision(n));
      clock.advance(100);
      if (n % 3 === 0) {
        await new Promise((resolve) => {
          setImmediate(resolve);
        });
      }
    }
    disk.syncFails = false;
    const isDone = async (): Promise<boolean> => {
      clock.advance(1000);
      return audit.flush().then(
        () => true,
        () => false,
      );
    };
    while (!(await isDone())) await Promise.resolve();
    const noted = (await entriesOf(folder)).filter(({ kind }) => kind === 'decision');
    expect(noted.map(({ what }) => what.resource)).toEqual(
      Array.from({ length: 400 }, (_, n) => `tool:files/read_${n}`),
    );
    await audit.stop();
    expect((await verify(folder, 7)).findings).toEqual([]);
  });

  it('tells peers of no checkpoint before it is on disk: a crash would prove the node wrong', async () => {
    const clock = createTestClock();
    const disk = failingDisk();
    const bench = await startAudit({ clock, openSegment: disk.open, checkpointEntries: 4 });
    const { audit, folder, health, told } = bench;
    disk.syncFails = true;
    // Each entry is the kernel's, which is enough for a call, and the fourth brings the checkpoint.
    for (let n = 1; n <= 4; n += 1) await audit.append(decision(n));
    while (health.warnings().length === 0) {
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    expect(health.warnings()).toMatchObject([{ code: 'audit-unwritable' }]);
    // All that is under way ends with the log.
    await audit.stop();
    expect(told).toEqual([]);
    expect(audit.checkpoint()).toBeUndefined();
    await expect(readFile(join(folder, 'head.json'))).rejects.toThrow('ENOENT');
    const again = await startAudit({ clock, folder, checkpointEntries: 4 });
    for (let n = 5; n <= 8; n += 1) await again.audit.append(decision(n));
    await again.audit.flush();
    const last = again.told.at(-1);
    expect(last?.seq).toBeGreaterThan(4);
    expect(JSON.parse(await readFile(join(folder, 'head.json'), 'utf8'))).toEqual({
      checkpoint: last,
    });
  });

  it('tells peers of no checkpoint that its folder does not keep', async () => {
    const clock = createTestClock();
    const { audit, folder, health, told } = await startAudit({ clock, checkpointEntries: 4 });
    // A folder in the place of the file: it can't be replaced.
    await mkdir(join(folder, 'head.json', 'x'), { recursive: true });
    for (let n = 1; n <= 4; n += 1) await audit.append(decision(n));
    await audit.flush();
    expect(health.warnings()).toMatchObject([{ code: 'audit-unsaved' }]);
    expect(told).toEqual([]);
    expect(audit.checkpoint()).toBeUndefined();
    await rm(join(folder, 'head.json'), { recursive: true });
    for (let n = 5; n <= 8; n += 1) await audit.append(decision(n));
    await audit.flush();
    expect(health.warnings()).toEqual([]);
    expect(told).toHaveLength(1);
  });

  it('leaves no half line when the node stops meanwhile', async () => {
    const disk = failingDisk();
    const { audit, folder } = await startAudit({ openSegment: disk.open });
    await audit.append(decision(1));
    disk.fails = true;
    await expect(audit.append(decision(2))).rejects.toThrow();
    await audit.stop();
    const [name = ''] = await segmentsOf(folder);
    expect(await readFile(join(folder, name), 'utf8')).toMatch(/^[^\n]+\n$/);
    await expect(audit.append(decision(3))).rejects.toThrow(/not open/);
  });
});

/** Between the places in a line at which `npm test` cuts a write off; `npm run long` does so at each byte. */
const BYTES_APART = 19;

describe('kill -9', () => {
  it.each(['batch', 'always'])('loses nothing that was allowed (sync: %s)', async (sync) => {
    const folder = await temporaryFolder();
    const allowed = new Set<string>();
    // Each round goes on in the log that the one before left, and is killed at another point.
    for (const lines of [1, 30, 111]) {
      const child = spawn(process.execPath, [await builtScript(WRITER), folder, sync], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const ended = once(child, 'close');
      let heard = 0;
      for await (const line of createInterface({ input: child.stdout })) {
        if (line !== 'open') allowed.add(`tool:files/read_${line}`);
        heard += 1;
        if (heard === lines) child.kill('SIGKILL');
      }
      await ended;
    }
    const { audit } = await startAudit({ folder, checkpointEntries: 20, segmentBytes: 20_000 });
    await audit.stop();
    const written = new Set((await entriesOf(folder)).map(({ what }) => what.resource));
    expect([...allowed].filter((resource) => !written.has(resource))).toEqual([]);
    expect((await verify(folder, 20)).findings).toEqual([]);
  });

  it('at any byte of a write leaves a log that goes on and verifies', async () => {
    const { folder: whole } = await writtenLog(6, { checkpointEntries: 4 });
    const [name = ''] = await segmentsOf(whole);
    const bytes = await readFile(join(whole, name));
    const head = await readFile(join(whole, 'head.json'));
    const signed = (JSON.parse(head.toString()) as { checkpoint: { seq: number } }).checkpoint.seq;
    // From the end of what the head covers on, because before it is synced.
    const lines = bytes.toString().split('\n');
    const from = Buffer.byteLength(lines.slice(0, signed).join('\n')) + 1;
    for (let size = from; size <= bytes.length; size += isLong ? 1 : BYTES_APART) {
      const folder = await temporaryFolder();
      await writeFile(join(folder, name), bytes);
      await writeFile(join(folder, 'head.json'), head);
      await truncate(join(folder, name), size);
      await writtenLog(2, { folder, checkpointEntries: 4 });
      expect((await verify(folder, 4)).findings).toEqual([]);
    }
  });
});
