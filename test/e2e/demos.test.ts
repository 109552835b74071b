/**
 * The stories of `starling demo`, as a stranger sees them: real processes, to the end, and nothing is left of them. Both
 * are told at once: they wait more than they compute.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { CLI } from './support.ts';

const exec = promisify(execFile);

async function tells(story: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'starling-story-'));
  try {
    const { stdout } = await exec(process.execPath, [CLI, 'demo', story], {
      env: { ...process.env, TMPDIR: folder, NO_COLOR: '1' },
      timeout: 150_000,
    });
    // Nodes keep one folder for sockets whose paths would be too long.
    const left = await readdir(folder);
    expect(left.filter((name) => name.startsWith('starling-demo'))).toEqual([]);
    return stdout;
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

it.concurrent('self-heal: killed, noticed, diagnosed, approved, healed, written down; then by the runbook', async () => {
  const said = await tells('self-heal');
  const steps = [
    'kill -9',
    'diagnosis: killed',
    'restart: asked for',
    'approved',
    'notes@alice runs again',
    'buy milk',
    'runbook/1',
    'may not write',
    'kill -9',
    'has mended that once: it is the plan',
    'notes@alice runs again',
  ];
  let at = 0;
  for (const step of steps) {
    const found = said.indexOf(step, at);
    expect(found, `${step}\n${said}`).toBeGreaterThanOrEqual(0);
    at = found + step.length;
  }
  expect(said.split('\n').length).toBeLessThan(120);
}, 180_000);

it.concurrent('swarm: three vote, the lie does not count, and a machine that dies takes no work with it', async () => {
  const said = await tells('swarm');
  expect(said).toMatch(/vote on count: 0\.6\d+ ≥ 0\.6 → accepted, against cid@carol/u);
  expect(said).toMatch(/kill -9 \d+/u);
  expect(said).toMatch(/written by (?:ben|cid)/u);
  expect(said.split('\n').length).toBeLessThan(120);
}, 180_000);
