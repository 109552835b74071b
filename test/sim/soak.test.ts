/** The soak, in seconds: what `npm run soak -- --quick` does, by the built files. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import type { SoakReport } from '../../sim/soak/soak.ts';
import { QUICK } from '../../sim/soak/soak.ts';

const SOAK = resolve(import.meta.dirname, '../../dist/soak.js');

it('leaves a node as it was: memory, answers, times, processes', async () => {
  const child = spawn(process.execPath, [SOAK, '--quick', '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  const report = JSON.parse(Buffer.concat(chunks).toString('utf8')) as SoakReport;
  // Times and memory of a machine that does other things as well are for people to judge.
  const firm = report.checks.filter(({ title }) => /answers|orphans|heap/.test(title));
  expect(firm.filter(({ pass }) => !pass)).toEqual([]);
  expect(firm).toHaveLength(3);
  expect(report.phases.map(({ count }) => count)).toContain(QUICK.sessions);
  expect(code).toBe(report.checks.every(({ pass }) => pass) ? 0 : 1);
});
