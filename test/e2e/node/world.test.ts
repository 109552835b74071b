/** What the other tests of this folder rely on: that nothing which they started stays. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { StartFailedError } from '../../../sim/process.ts';
import { createWorld, eventually } from '../support.ts';

it('a node that still starts when its test is over ends with the test', async () => {
  const { world, end } = createWorld();
  const root = await world.root();
  const cli = join(root, 'never-up.mjs');
  const pidFile = join(root, 'pid');
  await writeFile(
    cli,
    `import { writeFileSync } from 'node:fs';
     setInterval(() => undefined, 1000);
     writeFileSync(${JSON.stringify(pidFile)}, String(process.pid));`,
  );
  const starting = world.start('alice', { cli });
  const failed = expect(starting).rejects.toThrow(StartFailedError);
  const pid = await eventually(
    'it runs',
    () => pidIn(pidFile),
    (found) => found > 0,
  );
  await end();
  await failed;
  expect(() => process.kill(pid, 0)).toThrow('ESRCH');
});

it('a node that is asked for when its world has ended is not started', async () => {
  const { world, end } = createWorld();
  const starting = world.start('alice', { cli: '/nowhere' });
  const failed = expect(starting).rejects.toThrow(/abort/);
  await world.root();
  await end();
  await failed;
});

async function pidIn(file: string): Promise<number> {
  return Number(await readFile(file, 'utf8').catch(() => '0'));
}
