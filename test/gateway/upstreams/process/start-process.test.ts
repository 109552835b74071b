/** What a process of a server gets from this node, and what it does not. */
import { existsSync, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, it, onTestFinished } from 'vitest';
import { silentLogger } from '../../../../src/core/index.ts';
import {
  runBriefly,
  startProcess,
} from '../../../../src/gateway/upstreams/process/start-process.ts';
import { createStore } from '../../../../src/store/index.ts';

/** Prints what it has open. */
const LOOK = `
  const { readdirSync, readlinkSync } = require('node:fs');
  const open = readdirSync('/proc/self/fd').map((name) => {
    try { return readlinkSync('/proc/self/fd/' + name); } catch { return ''; }
  });
  const given = process.argv[1] === 'input' ? require('node:fs').readFileSync(3, 'utf8') : '';
  console.log(JSON.stringify({ open, given }));
`;

it.runIf(existsSync('/proc/self/fd'))(
  'a server gets none of the files of the database, with an input of its own or without',
  async () => {
    const root = mkdtempSync(join(tmpdir(), 'starling-start-'));
    onTestFinished(() => rm(root, { recursive: true, force: true, maxRetries: 5 }));
    const store = createStore({ logger: silentLogger }, { dir: join(root, 'db') });
    await store.start();
    onTestFinished(() => store.stop());
    const start = { command: process.execPath, env: process.env };
    for (const input of [undefined, Buffer.from('said')]) {
      const given = input === undefined ? {} : { input };
      const args = ['-e', LOOK, input === undefined ? 'none' : 'input'];
      const child = startProcess({ ...start, args, ...given });
      const seen = JSON.parse(await text(child.stdout)) as { open: string[]; given: string };
      expect(seen.open.filter((path) => path.startsWith(root))).toEqual([]);
      expect(seen.given).toBe(input === undefined ? '' : 'said');
    }
    const tried = await runBriefly('/bin/sh', ['-c', 'ls -l /proc/self/fd >&2']);
    expect(tried.stderr).toContain('2 -> ');
    expect(tried.stderr).not.toContain(root);
  },
);
