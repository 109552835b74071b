/** `starling audit`: asks the running node, and reads the files where none runs. */
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { createAudit, createCheckpointStore } from '../../../src/audit/index.ts';
import { sealLine } from '../../../src/audit/checkpoint.ts';
import {
  ENTRY_KINDS,
  ENTRY_OUTCOMES,
  createHealth,
  silentLogger,
  systemClock,
} from '../../../src/core/index.ts';
import type { JsonObject } from '../../../src/core/index.ts';
import { printLog } from '../../../src/cli/commands/audit/export.ts';
import { loadIdentity, shortId } from '../../../src/identity/index.ts';
import { createStore } from '../../../src/store/index.ts';
import { serving } from '../fake-node.ts';
import { fakeNode, run, start, temporaryFolder } from '../support.ts';

const ENTRY = {
  seq: 3,
  at: Date.parse('2026-05-01T08:00:00Z'),
  kind: 'call',
  who: 'did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK',
  onBehalfOf: 'client:ci',
  what: { ability: 'tool/call', resource: 'tool:files/read\u001B[2J' },
  outcome: 'ok',
  durationMs: 12,
  reasoning: 'to see\nwhat is there\u202E',
  prev: '0'.repeat(64),
} satisfies JsonObject;

/** A state folder with a key and a log of three entries; no node runs. */
async function stopped(
  init: { readonly segmentBytes?: number } = {},
): Promise<{ state: string; did: string; segment: string }> {
  const state = await temporaryFolder();
  const identity = await loadIdentity(join(state, 'key'));
  const folder = join(state, 'audit');
  const audit = createAudit(
    { identity, clock: systemClock, logger: silentLogger, health: createHealth() },
    { folder, ...init },
  );
  await audit.start();
  for (const resource of ['tool:a/1', 'tool:b/2', 'tool:b/3']) {
    const what = { ability: 'tool/call', resource };
    audit.note({ kind: 'decision', who: 'operator', what, outcome: 'allowed' });
  }
  await audit.stop();
  const [name = ''] = (await readdir(folder)).filter((file) => file.endsWith('.jsonl'));
  return { state, did: identity.did, segment: join(folder, name) };
}

describe('starling audit query', () => {
  it('shows entries safely for a terminal, and asks for what was wanted', async () => {
    const fake = await fakeNode({ answer: serving({ audit_query: { entries: [ENTRY] } }) });
    const words = 'audit query --who x --outcome ok --since 2026-05-01 --limit 5 --state';
    const ran = await run(...words.split(' '), fake.stateDir);
    expect(ran.code).toBe(0);
    expect(ran.stdout).toBe(
      `2026-05-01T08:00:00.000Z call ok in 12 ms ${shortId(ENTRY.who)} for client:ci call files/read\ufffd[2J (said: to see⏎what is there\ufffd)\n`,
    );
    const asked = fake.heard.find(({ method }) => method === 'tools/call')?.params?.['arguments'];
    const since = Date.parse('2026-05-01');
    expect(asked).toEqual({ who: 'x', outcome: 'ok', since, limit: 5 });
  });

  it('calls peers by their names', async () => {
    const answer = { entries: [ENTRY], names: { [ENTRY.who]: 'laptop' } };
    const fake = await fakeNode({ answer: serving({ audit_query: answer }) });
    const { stdout } = await run('audit', 'query', '--state', fake.stateDir);
    expect(stdout).toContain(` laptop (${shortId(ENTRY.who)}) for client:ci call`);
  });

  it('says when there are none', async () => {
    const fake = await fakeNode({ answer: serving({ audit_query: { entries: [] } }) });
    expect((await run('audit', 'query', '--state', fake.stateDir)).stdout).toBe(
      'no such entries\n',
    );
  });

  it('knows every kind and outcome that there is', async () => {
    const { stdout } = await run('audit', 'query', '--help');
    for (const word of [...ENTRY_KINDS, ...ENTRY_OUTCOMES]) expect(stdout).toContain(`"${word}"`);
  });

  it.each([
    ['--since', 'yesterday'],
    ['--limit', '0'],
    ['--outcome', 'perhaps'],
  ])('refuses %s %s', async (...args) => {
    expect(await run('audit', 'query', ...args)).toMatchObject({ code: 2, stdout: '' });
  });
});

describe('starling audit tail', () => {
  it('prints the last entries and each that comes', async () => {
    let asked = 0;
    const fake = await fakeNode({
      answer: ({ method, params, id }, connection) => {
        if (method !== 'tools/call') return undefined;
        const name = params?.['name'];
        if (name === 'starling__audit_query') {
          return { content: [], structuredContent: { entries: [ENTRY] } };
        }
        asked += 1;
        if (asked > 2) return undefined;
        const entries = asked === 1 ? [] : [{ ...ENTRY, who: 'operator' }];
        connection.send({
          jsonrpc: '2.0',
          id,
          result: { content: [], structuredContent: { entries, cursor: asked } },
        });
        return undefined;
      },
    });
    const { child, says, ended } = start(['audit', 'tail', '--json', '--state', fake.stateDir]);
    await says('"who":"operator"');
    child.kill('SIGINT');
    const { code, stdout } = await ended();
    expect(code).toBe(130);
    const who = stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as JsonObject)['who']);
    expect(who).toEqual([ENTRY.who, 'operator']);
  });
});

describe('starling audit verify', () => {
  it('asks the running node', async () => {
    const verdict = { ok: true, entries: 7, segments: 1, unsigned: 7, removedThrough: 0 };
    const result = { ...verdict, tooOld: 0, findings: [] };
    const fake = await fakeNode({ answer: serving({ audit_verify: result }) });
    const ran = await run('audit', 'verify', '--state', fake.stateDir);
    expect(ran).toMatchObject({
      code: 0,
      stdout: 'the record holds: 7 entries in 1 file: none is signed yet\n',
    });
  });

  it('reads the files where none runs, and says where they were changed', async () => {
    const { state, did, segment } = await stopped();
    const whole = await run('audit', 'verify', '--state', state);
    expect(whole).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('signed up to entry 3'),
    });
    const text = await readFile(segment, 'utf8');
    await writeFile(segment, text.replace('tool:b/2', 'tool:c/2'));
    const changed = await run('audit', 'verify', '--state', state);
    expect(changed.code).toBe(1);
    expect(changed.stdout).toContain('0000000000000001.jsonl, line 2: edited');
    const folder = join(state, 'audit');
    const elsewhere = await run('audit', 'verify', '--folder', folder, '--did', did, '--json');
    expect(elsewhere.code).toBe(1);
    expect(JSON.parse(elsewhere.stdout)).toMatchObject({ ok: false, findings: [{ line: 2 }] });
  });

  it('compares a copy with what the node of this machine has seen of it', async () => {
    const { state, did, segment } = await stopped();
    const other = await temporaryFolder();
    const identity = await loadIdentity(join(state, 'key'));
    const signed = sealLine(identity, 'checkpoint', { seq: 2, hash: 'a'.repeat(64), at: 1 });
    const store = createStore({ logger: silentLogger }, { dir: join(other, 'db') });
    await store.start();
    await createCheckpointStore({ table: store.table('checkpoints') }).add(signed);
    await store.stop();
    const copy = ['--folder', dirname(segment), '--did', did];
    const ran = await run('audit', 'verify', ...copy, '--state', other);
    expect(ran.code).toBe(1);
    expect(ran.stdout).toContain('line 2: rewritten: this node signed another entry 2');
    expect(ran.stdout).toContain('compared with 1 checkpoint that the node here has seen');
    const fake = await fakeNode({
      answer: serving({ audit_seen: { checkpoints: [{ ...signed }] } }),
    });
    const running = await run('audit', 'verify', ...copy, '--state', fake.stateDir);
    expect(running.stdout).toContain('line 2: rewritten');
  });

  it('names the peers that have seen another entry, safely for a terminal', async () => {
    const signed = { seq: 2, hash: 'a'.repeat(64), at: 1, did: 'did:key:z', sig: '' };
    const witness = { peerId: 'p', answered: true, seen: 3, upTo: 9, differs: [] };
    const result = {
      ok: false,
      entries: 7,
      segments: 1,
      unsigned: 7,
      removedThrough: 0,
      tooOld: 0,
      findings: [{ rule: 'rewritten', segment: 's', line: 2, text: 'so' }],
      witnesses: [
        { ...witness, peer: 'bo\u001B[2Jb', differs: [{ ...signed, seq: 5 }, signed] },
        { ...witness, peer: 'carol' },
        { ...witness, peer: 'dave', seen: 0, upTo: 0 },
        { ...witness, peer: 'erin', answered: false },
      ],
    };
    const fake = await fakeNode({ answer: serving({ audit_verify: result }) });
    const { stdout } = await run('audit', 'verify', '--state', fake.stateDir);
    expect(stdout.split('\n').slice(2, -1)).toEqual([
      'bo\ufffd[2Jb has seen another entry 2, signed at 1970-01-01T00:00:00.001Z (and 1 later)',
      'carol has seen the same, up to entry 9',
      'dave has seen nothing of it yet',
      'erin did not say what it has seen',
    ]);
  });

  it('makes no key where there is none', async () => {
    const state = await temporaryFolder();
    const ran = await run('audit', 'verify', '--state', state);
    expect(ran).toMatchObject({ code: 2, stderr: expect.stringContaining('--did') });
    expect(await readdir(state)).toEqual([]);
  });
});

describe('starling audit export', () => {
  it('prints the files as they are, or some of their lines', async () => {
    const { state, segment } = await stopped();
    const all = await run('audit', 'export', '--state', state);
    expect(all.stdout).toBe(await readFile(segment, 'utf8'));
    const some = await run('audit', 'export', '--state', state, '--what', 'tool:b/');
    expect(some.stdout.trim().split('\n')).toHaveLength(2);
  });

  it('says to who sees no lines how much is written, and how far it has read', async () => {
    const { state } = await stopped({ segmentBytes: 1 });
    const shares: number[] = [];
    const ends: string[] = [];
    const progress = {
      show(line: string, share = Number.NaN) {
        expect(line).toBe('exporting the record: 0 MB');
        shares.push(share);
      },
      done: () => void ends.push('done'),
    };
    const out = new PassThrough().resume();
    await printLog({ folder: join(state, 'audit'), filter: {}, out, progress });
    expect(shares).toEqual(shares.toSorted((one, other) => one - other));
    // Each file has its share.
    expect([...new Set(shares)]).toEqual([0, 1 / 3, 2 / 3]);
    expect(ends).toEqual(['done']);
  });
});
