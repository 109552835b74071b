/** The policy file, written while calls run and while it is broken: two processes. */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { NodeProcess } from '../../sim/process.ts';
import { someOf } from '../long/extent.ts';
import { attach } from './callers.ts';
import type { Caller } from './callers.ts';
import { sandboxMissing } from './sandbox-missing.ts';
import { SERVERS, attempt, eventually, ok, startPair, status, useWorld } from './support.ts';

const world = useWorld('file');
const missing = await sandboxMissing();
if (missing !== undefined) process.stderr.write(`skipped: ${missing}\n`);
/** The file is looked at once a second. */
const READ_ONLY = 'zones: { trusted: { read_only: true } }\n';
const NOTE = { name: 'owner__talks__note' };

let owner: NodeProcess;
let caller: Caller;

const writePolicy = async (text: string): Promise<void> =>
  writeFile(join(await world.root(), 'owner', 'policy.yaml'), text);

/** `yes`, or why not. */
const note = (): Promise<string> =>
  caller.ask('tools/call', NOTE).then(
    () => 'yes',
    (error: Error) => error.message,
  );
const isListed = async (): Promise<boolean> =>
  JSON.stringify(await caller.ask('tools/list')).includes(NOTE.name);
const warnings = async (): Promise<string> => JSON.stringify((await status(owner)).warnings);

beforeAll(async () => {
  const { guest, ...pair } = await startPair(world, {
    mcpServers: { talks: SERVERS.fixture('talks.mjs') },
  });
  ({ owner } = pair);
  caller = await attach(guest, { era: 'legacy', way: 'http' });
  world.defer(() => caller.close());
});

describe('a policy file', () => {
  it('that is swapped in the middle of a call ends what it refuses, and calls go on with it gone', async () => {
    expect(await note()).toBe('yes');
    let begun = (): void => undefined;
    const beginning = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const stream = caller
      .ask('tools/call', { name: 'owner__talks__stream' }, { onprogress: () => begun() })
      .then(
        () => 'yes',
        (error: Error) => error.message,
      );
    await beginning;
    await writePolicy(READ_ONLY);
    expect(await stream).toMatch(/marked read-only/);
    expect(await note()).toMatch(/marked read-only/);
    await eventually('it is listed no more', isListed, (listed) => !listed);

    await writePolicy('zones: { trusted: { read_only: false } }\n');
    await eventually('it is allowed again', note, (answer) => answer === 'yes');
    await eventually('it is listed again', isListed, (listed) => listed);
  });

  it('that is broken leaves the last good one in force, and status says so until it is mended', async () => {
    await writePolicy(READ_ONLY);
    await eventually('it is refused', note, (answer) => answer !== 'yes');
    const ways = [
      ['zones: { trusted: { read_only: maybe } }\n', 'zones.trusted.read_only'],
      ['zones: [', 'not YAML'],
      ['zonen: {}\n', 'zonen: unknown key'],
    ] as const;
    for (const [broken, what] of someOf(ways, (_, way) => way === 1)) {
      await writePolicy(broken);
      const told = await eventually('status says what is wrong', warnings, (text) =>
        text.includes(what),
      );
      expect(told).toContain('policy-unusable');
      expect(told).toContain('the last good one holds');
      expect(await note()).toMatch(/marked read-only/);
      const checked = await attempt(owner, 'policy', 'check');
      expect([checked.code, `${checked.stdout}${checked.stderr}`]).toEqual([
        1,
        expect.stringContaining(what),
      ]);
    }
    await writePolicy('');
    await eventually('it is allowed again', note, (answer) => answer === 'yes');
    expect(await warnings()).not.toContain('policy-unusable');
    expect(await ok(owner, 'audit', 'query', '--kind', 'policy')).toContain('policy');
  });

  it.skipIf(missing !== undefined)(
    'that takes the place of the one which servers were shut out of waits for the operator’s word',
    async () => {
      const folder = join(await world.root(), 'owner');
      await writeFile(join(folder, 'new.yaml'), READ_ONLY);
      await rename(join(folder, 'new.yaml'), join(folder, 'policy.yaml'));
      await eventually('status tells of it', warnings, (text) => text.includes('policy-held'));
      expect(await note()).toBe('yes');
      process.kill(owner.up.pid, 'SIGHUP');
      await eventually('it is refused', note, (answer) => answer !== 'yes');
      expect(await warnings()).not.toContain('policy-held');

      const config = join(folder, 'starling.json');
      const text = await readFile(config, 'utf8');
      await writeFile(join(folder, 'new.json'), text.replaceAll('"talks"', '"spoken"'));
      await rename(join(folder, 'new.json'), config);
      await eventually('status tells of that, too', warnings, (told) =>
        told.includes('config-held'),
      );
      process.kill(owner.up.pid, 'SIGHUP');
      const servers = async (): Promise<string> => JSON.stringify((await status(owner)).upstreams);
      await eventually('it is taken up', servers, (told) => told.includes('spoken'));
    },
  );
});
