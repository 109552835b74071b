/** Looking into the log: questions, following, exports, and what peers have seen. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  createCheckpointStore,
  createDisabledAudit,
  exportLog,
  verifyLog,
} from '../../src/audit/index.ts';
import type {
  Audit,
  AuditEntry,
  AuditFilter,
  AuditPage,
  AuditQuery,
  Checkpoint,
} from '../../src/audit/index.ts';
import { sealLine } from '../../src/audit/checkpoint.ts';
import { hashLine } from '../../src/audit/format.ts';
import { createIdentity } from '../../src/identity/index.ts';
import { createTestClock } from '../core/test-clock.ts';
import { signerOf } from '../grants/arrange.ts';
import { memoryTable } from '../grants/memory-table.ts';
import {
  NODE,
  decision,
  linesOf,
  putLines,
  segmentsOf,
  startAudit,
  writtenLog,
} from './arrange.ts';
import { upTo } from '../long/extent.ts';

const never = new AbortController().signal;

async function found(audit: Audit, query: Partial<AuditQuery> = {}): Promise<string[]> {
  const { entries } = await audit.query({ limit: 100, ...query });
  return entries.map(({ seq, what }) => `${seq} ${what.resource}`);
}

describe('a question', () => {
  it('is answered newest first, over all segments, page by page', async () => {
    const { audit } = await startAudit({ segmentBytes: 1500 });
    for (let n = 1; n <= 40; n += 1) audit.note(decision(n));
    await audit.flush();
    const seqs: number[] = [];
    let before: number | undefined;
    do {
      const page = await audit.query({ limit: 7, ...(before === undefined ? {} : { before }) });
      seqs.push(...page.entries.map(({ seq }) => seq));
      before = page.next;
    } while (before !== undefined);
    const count = Math.max(...seqs);
    expect(count).toBeGreaterThan(40);
    expect(seqs).toEqual(Array.from({ length: count }, (_, index) => count - index));
  });

  it('may ask for who, what, how it ended and when', async () => {
    const clock = createTestClock(1_000_000);
    const { audit } = await startAudit({ clock });
    audit.note(decision(1, { who: 'did:key:z6MkAlice' }));
    clock.advance(1000);
    audit.note(decision(2, { onBehalfOf: 'did:key:z6MkAlice', outcome: 'denied' }));
    clock.advance(1000);
    audit.note(decision(3, { kind: 'call', outcome: 'ok' }));
    await audit.flush();
    const one = '1 tool:files/read_1';
    const two = '2 tool:files/read_2';
    const three = '3 tool:files/read_3';
    const cases: [AuditFilter, string[]][] = [
      [{}, [three, two, one]],
      [{ who: 'MkAlice' }, [two, one]],
      [{ by: 'did:key:z6MkAlice' }, [two, one]],
      [{ by: 'did:key:z6MkAl' }, []],
      [{ what: 'call tool:files/read_3' }, [three]],
      [{ except: 'tool:files/read_2' }, [three, one]],
      [{ outcome: 'denied' }, [two]],
      [{ kind: 'call' }, [three]],
      [{ since: 1_001_000 }, [three, two]],
      [{ until: 1_001_000 }, [one]],
      [{ since: 1_000_000, until: 1_002_000, outcome: 'allowed' }, [one]],
    ];
    for (const [filter, answer] of cases) expect(await found(audit, filter)).toEqual(answer);
  });

  it('is answered for lines longer than a piece of the file, too', async () => {
    const { audit } = await startAudit();
    const reasoning = 'ü'.repeat(2000);
    for (let n = 1; n <= 300; n += 1) audit.note(decision(n, { reasoning }));
    await audit.flush();
    const { entries } = await audit.query({ limit: 1000 });
    expect(entries.map(({ seq }) => seq)).toEqual(
      Array.from({ length: 300 }, (_, index) => 300 - index),
    );
    expect(entries.every((entry) => entry.reasoning === reasoning)).toBe(true);
  });

  it('looks at some thousand entries, and says how far back that was and where to go on', async () => {
    const clock = createTestClock(1_000_000);
    const { audit } = await startAudit({ clock, segmentBytes: 1_000_000 });
    const many = 12_000;
    await audit.append(decision(1, { kind: 'policy' }));
    for (let n = 2; n <= many; n += 1) {
      clock.advance(1);
      audit.note(decision(n));
      if (n % 2000 === 0) await audit.flush();
    }
    const times: number[] = [];
    const entries: AuditEntry[] = [];
    let asked = 0;
    for (let before: number | undefined = Infinity; before !== undefined; asked += 1) {
      const page: AuditPage = await audit.query({ limit: 10, kind: 'policy', before });
      entries.push(...page.entries);
      if (page.lookedBackTo !== undefined) times.push(page.lookedBackTo);
      before = page.next;
    }
    expect(entries.map(({ what }) => what.resource)).toEqual(['tool:files/read_1']);
    expect(asked).toBe(3);
    expect(times).toEqual(times.toSorted((a, b) => b - a));
    expect(times[0]).toBeLessThan(1_000_000 + many - 4000);
  });

  it('may be about what came since, which is all that is looked at then', async () => {
    const { audit } = await startAudit();
    for (let n = 1; n <= 3; n += 1) await audit.append(decision(n));
    const { newest = 0 } = await audit.query({ limit: 1, what: 'nothing' });
    expect(newest).toBe(3);
    expect(await audit.query({ limit: 10, after: newest })).toEqual({ entries: [], newest: 3 });
    for (let n = 4; n <= 6; n += 1) await audit.append(decision(n));
    const since = await audit.query({ limit: 10, after: newest });
    expect(since.entries.map(({ seq }) => seq)).toEqual([6, 5, 4]);
    expect(since).toMatchObject({ newest: 6 });
    expect(since.next).toBeUndefined();
    expect(await audit.query({ limit: 2, after: newest })).toMatchObject({ next: 5 });
  });

  it('can be given up', async () => {
    const { audit } = await startAudit();
    await audit.append(decision(1));
    await expect(audit.query({ limit: 1, signal: AbortSignal.abort() })).rejects.toThrow(/abort/);
  });
});

describe('following', () => {
  it('gives what comes after the cursor, and waits for it', async () => {
    const { audit } = await startAudit();
    await audit.append(decision(1));
    const ask = { limit: 10, timeoutMs: 60_000, signal: never };
    const start = await audit.tail(ask);
    expect(start).toEqual({ entries: [], cursor: 1 });
    const coming = audit.tail({ ...ask, after: start.cursor });
    audit.note(decision(2));
    const { entries, cursor } = await coming;
    expect(entries.map(({ seq }) => seq)).toEqual([2]);
    expect(cursor).toBe(2);
  });

  it('passes over what was not asked for, and misses nothing', async () => {
    const { audit } = await startAudit();
    await audit.append(decision(1));
    const ask = { limit: 2, timeoutMs: 60_000, signal: never, outcome: 'denied' as const };
    const coming = audit.tail({ ...ask, after: 1 });
    await audit.append(decision(2));
    for (let n = 3; n <= 5; n += 1) audit.note(decision(n, { outcome: 'denied' }));
    await audit.flush();
    const first = await coming;
    const second = await audit.tail({ ...ask, after: first.cursor });
    expect([...first.entries, ...second.entries].map(({ seq }) => seq)).toEqual([3, 4, 5]);
  });

  it('reads the files when the cursor is far behind', async () => {
    const { folder } = await writtenLog(30);
    const { audit } = await startAudit({ folder });
    await audit.append(decision(31));
    const { entries } = await audit.tail({ limit: 99, timeoutMs: 0, signal: never, after: 20 });
    expect(entries.map(({ seq }) => seq)).toEqual([21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32]);
  });

  it('ends with its time, its caller, or the log', async () => {
    const clock = createTestClock();
    const { audit } = await startAudit({ clock });
    const abort = new AbortController();
    const ask = { limit: 1, timeoutMs: 5000, after: 0 };
    const late = audit.tail({ ...ask, signal: never });
    const gone = audit.tail({ ...ask, timeoutMs: 99_000, signal: abort.signal });
    const ended = audit.tail({ ...ask, timeoutMs: 99_000, signal: never });
    clock.advance(5000);
    expect(await late).toEqual({ entries: [], cursor: 0 });
    abort.abort();
    expect(await gone).toEqual({ entries: [], cursor: 0 });
    await audit.stop();
    expect(await ended).toEqual({ entries: [], cursor: 0 });
  });
});

describe('an export', () => {
  it('is the log, byte for byte, and verifies elsewhere', async () => {
    const { folder } = await writtenLog(20, { segmentBytes: 2000 });
    let text = '';
    const shares: number[] = [];
    for await (const lines of exportLog(folder, {}, (share) => shares.push(share))) text += lines;
    expect(shares[0]).toBe(0);
    expect(shares).toEqual(shares.toSorted((one, other) => one - other));
    expect(shares.at(-1)).toBeLessThan(1);
    const elsewhere = await mkdtemp(join(tmpdir(), 'starling-audit-'));
    await putLines(elsewhere, '0000000000000001.jsonl', text.split('\n').slice(0, -1));
    const verdict = await verifyLog(elsewhere, { did: NODE.did });
    expect(verdict.findings).toEqual([]);
    expect(verdict.segments).toBe(1);
    await rm(elsewhere, { recursive: true });
  });

  it('can be of some entries only', async () => {
    const { folder } = await writtenLog(20);
    let text = '';
    for await (const lines of exportLog(folder, { what: 'read_1' })) text += lines;
    expect(text.split('\n')).toHaveLength(12);
  });
});

describe('what peers have seen', () => {
  /** A log whose first checkpoint was told; then somebody with the key made it anew. */
  async function remade(): Promise<{ audit: Audit; seen: Checkpoint[]; folder: string }> {
    const first = await writtenLog(5);
    const other = await writtenLog(9, { folder: `${first.folder}/other` });
    return { audit: other.audit, seen: first.told, folder: other.folder };
  }

  it('fits a log that nobody changed, however it went on', async () => {
    const { folder, told } = await writtenLog(5);
    const { audit } = await startAudit({ folder });
    await audit.append(decision(6));
    expect(await audit.compareWith(told)).toEqual([]);
    expect(await audit.verify(told)).toMatchObject({ ok: true, tooOld: 0 });
  });

  it('shows that a node has made its whole log anew, with its own key', async () => {
    const { folder, seen } = await remade();
    expect((await verifyLog(folder, { did: NODE.did })).ok).toBe(true);
    const { findings } = await verifyLog(folder, { did: NODE.did, checkpointsSeen: seen });
    expect(findings).toMatchObject([{ rule: 'rewritten', line: 5 }]);
    const { audit } = await startAudit({ folder });
    expect(await audit.compareWith(seen)).toMatchObject([{ rule: 'rewritten', line: 5 }]);
  });

  it('shows that a log was cut short together with its head', async () => {
    const { folder, told } = await writtenLog(5);
    const [name = ''] = await segmentsOf(folder);
    await putLines(folder, name, (await linesOf(folder, name)).slice(0, 3));
    await rm(join(folder, 'head.json'));
    const checkpointsSeen = told;
    const { findings } = await verifyLog(folder, { did: NODE.did, checkpointsSeen });
    expect(findings).toMatchObject([{ rule: 'truncated', line: 3 }]);
    const { audit } = await startAudit({ folder });
    expect(await audit.compareWith(told)).toMatchObject([{ rule: 'truncated' }]);
  });

  it('counts nothing that strangers say', async () => {
    const { folder } = await writtenLog(5);
    const line = { seq: 3, hash: 'a'.repeat(64), at: 1 };
    const [one] = [sealLine(createIdentity(), 'checkpoint', line)];
    const forged = { ...sealLine(NODE, 'removal', line) };
    const { audit } = await startAudit({ folder });
    const seen = one === undefined ? [] : [one, { ...one, did: NODE.did }, forged];
    expect(await audit.compareWith(seen)).toEqual([]);
    expect((await audit.verify(seen)).ok).toBe(true);
  });
});

describe('the book of checkpoints', () => {
  it('keeps the latest of each node, over restarts', async () => {
    const table = memoryTable();
    const clock = createTestClock();
    const book = createCheckpointStore({ table, clock });
    for (let seq = 1; seq <= 12; seq += 1) {
      const checkpoint = sealLine(NODE, 'checkpoint', { seq, hash: 'a'.repeat(64), at: seq });
      expect(await book.add(checkpoint)).toEqual({ state: 'new' });
      expect(await book.add(checkpoint)).toEqual({ state: 'known' });
    }
    const again = createCheckpointStore({ table, clock });
    await again.load();
    expect(again.of(NODE.did).map(({ seq }) => seq)).toEqual([12, 11, 10, 9, 1]);
    expect(again.of(createIdentity().did)).toEqual([]);
  });

  it('shows a node that signs two histories', async () => {
    const book = createCheckpointStore({ table: memoryTable() });
    const one = sealLine(NODE, 'checkpoint', { seq: 4, hash: 'a'.repeat(64), at: 1 });
    const two = sealLine(NODE, 'checkpoint', { seq: 4, hash: 'b'.repeat(64), at: 2 });
    await book.add(one);
    const rewrite = { did: NODE.did, before: one, after: two };
    expect(await book.add(two)).toMatchObject({ state: 'conflict', before: one, rewrite });
    expect(book.rewrites()).toMatchObject([rewrite]);
    // It is told once, and the next one adds nothing to it.
    const three = sealLine(NODE, 'checkpoint', { seq: 4, hash: 'c'.repeat(64), at: 3 });
    expect(await book.add(two)).toEqual({ state: 'known' });
    expect(await book.add(three)).toEqual({ state: 'known' });
    expect(await book.confess(one)).toBeUndefined();
  });

  it('keeps what it saw long ago, however much a node signs to get rid of it', async () => {
    const clock = createTestClock();
    const table = memoryTable();
    const book = createCheckpointStore({ table, clock });
    const signer = signerOf(5);
    const seal = (seq: number): Checkpoint =>
      sealLine(signer, 'checkpoint', { seq, hash: hashLine(String(seq)), at: seq });
    for (let day = 0; day < 60; day += 1) {
      await book.add(seal(day + 1));
      clock.advance(86_400_000);
    }
    const before = book.of(signer.did).map(({ seq }) => seq);
    for (let seq = 1000; seq < 1000 + upTo(1000, 10_000); seq += 1) await book.add(seal(seq));
    const after = book.of(signer.did).map(({ seq }) => seq);
    expect(before.length).toBeGreaterThan(6);
    // The newest four made room; what lies further back stays.
    expect(after).toEqual(expect.arrayContaining(before.slice(4)));
    expect(after.length).toBeLessThanOrEqual(22);
    expect(Math.min(...after)).toBe(1);
  });

  it('does not care what time a node says that it is', async () => {
    const book = createCheckpointStore({ table: memoryTable(), clock: createTestClock() });
    for (const [seq, at] of [
      [1, 0],
      [2, 4e15],
      [3, 1],
    ] as const) {
      const checkpoint = sealLine(NODE, 'checkpoint', { seq, hash: hashLine(String(seq)), at });
      expect(await book.add(checkpoint)).toEqual({ state: 'new' });
    }
    expect(book.rewrites()).toEqual([]);
  });

  it('forgets after a month that a log was rewritten, and what was seen before it', async () => {
    const clock = createTestClock();
    const table = memoryTable();
    const book = createCheckpointStore({ table, clock });
    const seal = (seq: number, letter: string): Checkpoint =>
      sealLine(NODE, 'checkpoint', { seq, hash: letter.repeat(64), at: seq });
    await book.add(seal(4, 'a'));
    await book.add(seal(4, 'b'));
    clock.advance(86_400_000);
    await book.add(seal(9, 'c'));
    const again = createCheckpointStore({ table, clock });
    await again.load();
    expect(again.rewrites()).toHaveLength(1);
    clock.advance(30 * 86_400_000);
    expect(again.rewrites()).toEqual([]);
    expect(again.of(NODE.did)).toMatchObject([{ seq: 9 }]);
    expect(await again.add(seal(4, 'b'))).toEqual({ state: 'new' });
  });

  it('takes a damaged row for none', async () => {
    const table = memoryTable();
    await table.put(NODE.did, Buffer.from('{"seen":[{"checkpoint":'));
    await table.put(createIdentity().did, Buffer.from('null'));
    const book = createCheckpointStore({ table });
    await book.load();
    expect(book.nodes()).toEqual([]);
  });

  it.each([
    [null],
    ['text'],
    [{}],
    [{ ...sealLine(NODE, 'checkpoint', { seq: 1, hash: 'a'.repeat(64), at: 1 }), seq: 2 }],
    [sealLine(NODE, 'removal', { seq: 1, hash: 'a'.repeat(64), at: 1 })],
    [{ seq: 1, hash: 'a'.repeat(64), at: 1, did: 'did:key:z6Mk', sig: 'A'.repeat(86) }],
  ])('refuses what is no checkpoint: %j', async (value) => {
    const book = createCheckpointStore({ table: memoryTable() });
    await expect(book.add(value)).rejects.toMatchObject({ code: 'STARLING_PROTOCOL_VIOLATION' });
  });
});

describe('a log that is switched off', () => {
  it('lets everything pass, and says that it is off', async () => {
    const audit = createDisabledAudit();
    await audit.start();
    expect(audit.healthy()).toBe(true);
    await audit.append(decision(1));
    audit.note(decision(2));
    await expect(audit.query({ limit: 1 })).rejects.toThrow(/no audit log/);
    await audit.stop();
  });
});

describe('tens of thousands of entries', () => {
  it('are taken without waiting for the disk, found, and verified', async () => {
    const { audit, folder } = await startAudit({ segmentBytes: 4 * 1024 * 1024 });
    const rounds = upTo(5, 20);
    for (let round = 0; round < rounds; round += 1) {
      for (let n = 0; n < 5000; n += 1) audit.note(decision(n));
      await audit.flush();
    }
    expect(await found(audit, { limit: 1, what: 'read_4999' })).toHaveLength(1);
    const verdict = await audit.verify();
    expect(verdict.ok).toBe(true);
    expect(verdict.entries).toBeGreaterThan(rounds * 5000);
    expect(await segmentsOf(folder)).toHaveLength(verdict.segments);
  });
});
