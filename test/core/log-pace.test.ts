/** Who can bring a line of the log about can't fill the disk with it. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createLogger } from '../../src/core/logger.ts';
import { createTestClock } from './test-clock.ts';

interface Line {
  readonly level: number;
  readonly msg: string;
  readonly leftOut?: number;
  readonly peer?: number | string;
}

it('writes so many lines of one sentence, and tells how many were left out', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'starling-log-'));
  const file = join(folder, 'log');
  const clock = createTestClock();
  const logger = createLogger({ spec: 'info', file, clock });
  for (let peer = 0; peer < 1000; peer += 1) {
    logger.child(`peer${peer}`).info({ peer }, 'a peer was refused');
    logger.debug({}, 'not written');
  }
  logger.warn({}, 'something else');
  clock.advance(2000);
  for (let peer = 1000; peer < 1010; peer += 1) logger.info({ peer }, 'a peer was refused');
  const text = await readFile(file, 'utf8');
  const lines = text
    .trim()
    .split('\n')
    .map((one) => JSON.parse(one) as Line);
  const refused = lines.filter(({ msg }) => msg === 'a peer was refused');
  expect(lines.filter(({ msg }) => msg === 'something else')).toHaveLength(1);
  expect(refused).toHaveLength(61);
  expect(refused.at(0)).not.toHaveProperty('leftOut');
  expect(refused.at(-1)).toMatchObject({ peer: 1000, leftOut: 940 });
  await rm(folder, { recursive: true });
});

it('writes so many lines about one peer, whatever they say, and those about others', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'starling-log-'));
  const file = join(folder, 'log');
  const clock = createTestClock();
  const logger = createLogger({ spec: 'info', file, clock });
  for (let count = 0; count < 30; count += 1) {
    logger.info({ peer: 'mallory' }, `deed ${count % 7}`);
    if (count % 10 === 0) logger.warn({ peer: 'bob' }, `deed ${count % 7}`);
  }
  logger.error({ peer: 'mallory' }, 'a fault of this node');
  clock.advance(3000);
  logger.info({ peer: 'mallory' }, 'deed 1');
  const lines = (await readFile(file, 'utf8'))
    .trim()
    .split('\n')
    .map((one) => JSON.parse(one) as Line);
  const of = (peer: string): readonly Line[] => lines.filter((one) => one.peer === peer);
  expect(of('bob')).toHaveLength(3);
  expect(of('mallory')).toHaveLength(22);
  expect(of('mallory').at(-1)).toMatchObject({ msg: 'deed 1', leftOut: 2 });
  await rm(folder, { recursive: true });
});

it('leaves out nothing below info, which somebody has asked for', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'starling-log-'));
  const file = join(folder, 'log');
  const logger = createLogger({ spec: 'debug', file, clock: createTestClock() });
  for (let count = 0; count < 500; count += 1) logger.debug({ count }, 'a peer was refused');
  expect((await readFile(file, 'utf8')).trim().split('\n')).toHaveLength(500);
  await rm(folder, { recursive: true });
});
