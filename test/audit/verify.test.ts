/** Whatever is done to a log's files before its last checkpoint is found, and where. */
import { readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { verifyLog } from '../../src/audit/index.ts';
import type { AuditEntry, AuditFinding, AuditVerdict } from '../../src/audit/index.ts';
import { sealLine } from '../../src/audit/checkpoint.ts';
import { hashLine } from '../../src/audit/format.ts';
import { createIdentity } from '../../src/identity/index.ts';
import { NODE, linesOf, putLines, segmentsOf, temporaryFolder, writtenLog } from './arrange.ts';
import type { Bench } from './arrange.ts';
import { upTo } from '../long/extent.ts';

const EVERY = 10;
const options = { did: NODE.did, checkpointEntries: EVERY };

const verify = (folder: string): Promise<AuditVerdict> => verifyLog(folder, options);
const rules = (verdict: AuditVerdict): AuditFinding['rule'][] =>
  verdict.findings.map(({ rule }) => rule);
const log = (count = 42): Promise<Bench> => writtenLog(count, { checkpointEntries: EVERY });

/** Several segments of a few entries. */
const longLog = (): Promise<Bench> =>
  writtenLog(90, { checkpointEntries: EVERY, segmentBytes: 6000 });

async function only(folder: string): Promise<{ name: string; lines: string[] }> {
  const [name = ''] = await segmentsOf(folder);
  return { name, lines: await linesOf(folder, name) };
}

/** Makes the chain of `lines` anew from `from` on, as somebody without the key would. */
function forge(lines: readonly string[], from: number): string[] {
  const made: string[] = [];
  for (const [index, line] of lines.entries()) {
    const prev = hashLine(made.at(-1) ?? '');
    made.push(
      index < from || index === 0
        ? line
        : JSON.stringify({ ...(JSON.parse(line) as AuditEntry), seq: index + 1, prev }),
    );
  }
  return made;
}

describe('a log that nobody touched', () => {
  it('verifies, with all that it holds', async () => {
    const { folder } = await log();
    const verdict = await verify(folder);
    // 42 entries, and a checkpoint after each tenth and at the end.
    expect(verdict).toMatchObject({ ok: true, entries: 47, segments: 1, unsigned: 0 });
    expect(verdict.checkpoint?.seq).toBe(46);
  });

  it('verifies over many segments', async () => {
    const { folder } = await longLog();
    const verdict = await verify(folder);
    expect(verdict.findings).toEqual([]);
    expect(verdict.segments).toBeGreaterThan(4);
  });

  it('is none of another node', async () => {
    const { folder } = await log(5);
    const verdict = await verifyLog(folder, { did: createIdentity().did });
    expect(rules(verdict)).toContain('signature');
  });

  it('must be there', async () => {
    const folder = await temporaryFolder();
    expect(await verify(folder)).toMatchObject({ ok: true, entries: 0 });
    await expect(verify(join(folder, 'none'))).rejects.toMatchObject({
      code: 'STARLING_STATE_UNUSABLE',
      message: expect.stringContaining('there is no audit log'),
    });
  });
});

describe('a change', () => {
  it('of one word is found on its line', async () => {
    const { folder } = await log();
    const { name, lines } = await only(folder);
    lines[16] = (lines[16] ?? '').replace('allowed', 'denied');
    await putLines(folder, name, lines);
    expect((await verify(folder)).findings).toEqual([
      {
        rule: 'edited',
        segment: name,
        line: 17,
        text: 'it is not as it was written: the line after it names another',
      },
    ]);
  });

  it('of a link, a number, or to what is no entry is found on its line', async () => {
    for (const edit of [
      (line: string) => line.replace(/"prev":"./, '"prev":"z'),
      (line: string) => line.replace(/"prev":"[0-9a-f]{64}"/, `"prev":"${'a'.repeat(64)}"`),
      (line: string) => line.replace(/"seq":\d+/, '"seq":9999'),
      () => 'nonsense',
      () => '',
      (line: string) => `${line} `,
    ]) {
      const { folder } = await log();
      const { name, lines } = await only(folder);
      lines[16] = edit(lines[16] ?? '');
      await putLines(folder, name, lines);
      const { findings } = await verify(folder);
      expect(findings.map(({ line }) => line)).toEqual([17]);
    }
  });

  it('with the chain made anew is found by the next checkpoint', async () => {
    const { folder } = await log();
    const { name, lines } = await only(folder);
    lines[16] = (lines[16] ?? '').replace('allowed', 'denied');
    await putLines(folder, name, forge(lines, 17));
    const [finding] = (await verify(folder)).findings;
    // Lines 11, 22, 33 hold checkpoints.
    expect(finding).toMatchObject({ rule: 'rewritten', line: 22 });
    expect(finding?.text).toContain('entries 11 to 21');
  });

  it('with checkpoints taken out and the chain made anew is found by their absence', async () => {
    const { folder } = await log();
    const { name, lines } = await only(folder);
    const bare = lines.filter((line) => !line.includes('"kind":"checkpoint"'));
    await putLines(folder, name, forge(bare, 5));
    const verdict = await verify(folder);
    expect(rules(verdict)).toEqual(['unsigned', 'truncated']);
    expect(verdict.findings[0]?.line).toBe(11);
  });

  it('signed by a stranger is found', async () => {
    const { folder } = await log();
    const { name, lines } = await only(folder);
    const forged = forge(lines, 5).map((line) => {
      const entry = JSON.parse(line) as AuditEntry;
      if (entry.checkpoint === undefined) return line;
      const checkpoint = sealLine(createIdentity(), 'checkpoint', {
        seq: entry.seq - 1,
        hash: entry.prev,
        at: entry.at,
      });
      return JSON.stringify({ ...entry, checkpoint });
    });
    await putLines(folder, name, forged);
    expect(rules(await verify(folder))).toContain('signature');
  });
});

describe('entries that are missing', () => {
  it('in the middle are named', async () => {
    const { folder } = await log();
    const { name, lines } = await only(folder);
    lines.splice(12, 3);
    await putLines(folder, name, lines);
    expect((await verify(folder)).findings).toEqual([
      {
        rule: 'missing',
        segment: name,
        line: 13,
        text: 'entries 13 to 15 should stand before this line',
      },
    ]);
  });

  it('at the end are named, as long as they were signed', async () => {
    const { folder } = await log();
    const { name, lines } = await only(folder);
    await putLines(folder, name, lines.slice(0, 30));
    const verdict = await verify(folder);
    expect(rules(verdict)).toEqual(['truncated']);
    expect(verdict.findings[0]).toMatchObject({ segment: name, line: 30 });
    expect(verdict.findings[0]?.text).toContain('entries 31 to 46');
  });

  it('are found where a whole segment is gone: the first, one between, the last', async () => {
    for (const [at, rule] of [
      [0, 'missing'],
      [2, 'missing'],
      [-1, 'truncated'],
    ] as const) {
      const { folder } = await longLog();
      await rm(join(folder, (await segmentsOf(folder)).at(at) ?? ''));
      expect(rules(await verify(folder))).toEqual([rule]);
    }
  });

  it('are found where all segments are gone', async () => {
    const { folder } = await log();
    await rm(join(folder, (await only(folder)).name));
    expect(rules(await verify(folder))).toEqual(['truncated']);
  });

  it('are found where a segment is cut in the middle of a line', async () => {
    const { folder } = await longLog();
    const [name = ''] = await segmentsOf(folder);
    await truncate(join(folder, name), 1000);
    expect(rules(await verify(folder))).toContain('malformed');
  });

  it('are found where a segment was given the place of another', async () => {
    const { folder } = await longLog();
    const [, second = '', third = ''] = await segmentsOf(folder);
    const path = (name: string): string => join(folder, name);
    await rename(path(second), path('kept'));
    await rename(path(third), path(second));
    await rename(path('kept'), path(third));
    expect(rules(await verify(folder))).toContain('reordered');
  });
});

describe('the head', () => {
  it('that is damaged, or by a stranger, is found', async () => {
    const { folder } = await log();
    const path = join(folder, 'head.json');
    const head = JSON.parse(await readFile(path, 'utf8')) as { checkpoint: { seq: number } };
    await writeFile(path, '{');
    expect(rules(await verify(folder))).toEqual(['malformed']);
    head.checkpoint.seq = 40;
    await writeFile(path, JSON.stringify(head));
    expect(rules(await verify(folder))).toEqual(['signature']);
  });

  it('that is gone is missed', async () => {
    const { folder } = await log();
    await rm(join(folder, 'head.json'));
    expect(rules(await verify(folder))).toEqual(['missing']);
  });
});

type Damage =
  | { readonly kind: 'edit'; readonly at: number; readonly byte: number }
  | { readonly kind: 'drop'; readonly at: number; readonly count: number }
  | { readonly kind: 'swap'; readonly at: number; readonly with: number }
  | { readonly kind: 'repeat'; readonly at: number; readonly to: number }
  | { readonly kind: 'cut'; readonly at: number };

const place = fc.nat({ max: 10_000 });
const damages: fc.Arbitrary<Damage> = fc.oneof(
  fc.record({ kind: fc.constant('edit' as const), at: place, byte: place }),
  fc.record({
    kind: fc.constant('drop' as const),
    at: place,
    count: fc.integer({ min: 1, max: 9 }),
  }),
  fc.record({ kind: fc.constant('swap' as const), at: place, with: place }),
  fc.record({ kind: fc.constant('repeat' as const), at: place, to: place }),
  fc.record({ kind: fc.constant('cut' as const), at: place }),
);

/** Does it; gives groups of lines (from 1): at one of each it must be found. */
function inflict(lines: string[], damage: Damage): number[][] {
  // The last line is the last checkpoint itself: what is before it is covered.
  const covered = lines.length - 1;
  const at = damage.at % covered;
  switch (damage.kind) {
    case 'edit': {
      const line = Buffer.from(lines[at] ?? '');
      const byte = damage.byte % line.length;
      // Another printable character, so that it stays one line.
      line[byte] = line[byte] === 0x41 ? 0x42 : 0x41;
      lines[at] = line.toString('latin1');
      return [[at + 1]];
    }
    case 'drop':
      lines.splice(at, Math.min(damage.count, covered - at));
      return [[at + 1]];
    case 'swap': {
      const other = damage.with % covered;
      if (other === at) return [];
      const [one = '', two = ''] = [lines[at], lines[other]];
      lines[at] = two;
      lines[other] = one;
      return [[at + 1], [other + 1]];
    }
    case 'repeat': {
      const to = damage.to % covered;
      lines.splice(to, 0, lines[at] ?? '');
      return [[to + 1, to + 2]];
    }
    case 'cut':
      lines.length = at;
      return [[at]];
  }
  return [];
}

describe('any damage before the last checkpoint', () => {
  it('is found, at its place', async () => {
    const { folder } = await log(60);
    const { name, lines: whole } = await only(folder);
    await fc.assert(
      fc.asyncProperty(damages, async (damage) => {
        const lines = [...whole];
        const places = inflict(lines, damage);
        await putLines(folder, name, lines);
        const verdict = await verify(folder);
        if (places.length === 0) expect(verdict.ok).toBe(true);
        else {
          expect(verdict.ok).toBe(false);
          const found = verdict.findings.map(({ line }) => line);
          for (const group of places) {
            expect(found.some((line) => group.includes(line))).toBe(true);
          }
        }
      }),
      { numRuns: upTo(40, 600) },
    );
  });

  it('is found when there is more than one', async () => {
    const { folder } = await log(60);
    const { name, lines: whole } = await only(folder);
    await fc.assert(
      fc.asyncProperty(fc.array(damages, { minLength: 2, maxLength: 5 }), async (several) => {
        const lines = [...whole];
        for (const damage of several) if (lines.length > 1) inflict(lines, damage);
        fc.pre(lines.join('\n') !== whole.join('\n'));
        await putLines(folder, name, lines);
        expect((await verify(folder)).ok).toBe(false);
      }),
      { numRuns: upTo(30, 400) },
    );
  });
});
