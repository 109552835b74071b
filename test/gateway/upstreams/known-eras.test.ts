/** For how long a server is taken for one of the old era. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Secret, StarlingError } from '../../../src/core/index.ts';
import { createKnownEras } from '../../../src/gateway/upstreams/known-eras.ts';
import type { KnownEras } from '../../../src/gateway/upstreams/known-eras.ts';
import { manualClock } from '../../grants/arrange.ts';
import { defer, until, useCleanup } from '../support/gateways.ts';
import { callerOf, upstreamBench } from '../support/upstream-bench.ts';
import type { Whoami } from '../support/upstream-bench.ts';

useCleanup();

const MINUTE_MS = 60_000;
const silent = new StarlingError('STARLING_UPSTREAM_UNAVAILABLE', 'no answer within 5 s', {
  cause: new StarlingError('STARLING_TIMEOUT', 'no answer within 5 s'),
});
const no = new StarlingError('STARLING_UPSTREAM_UNAVAILABLE', 'no such method', {
  data: { rpc: -32_601 },
});

/** A process that has been listed in the old era. */
function known(): { readonly eras: KnownEras; readonly clock: ReturnType<typeof manualClock> } {
  const clock = manualClock();
  const eras = createKnownEras('stdio', clock);
  eras.listed('legacy');
  return { eras, clock };
}

describe('a process that gave no answer in the new era', () => {
  it('is asked again after a minute, and after twice as long each time that it gives none', async () => {
    const { eras, clock } = known();
    for (const minutes of [1, 2, 4, 8]) {
      expect(eras.lacks('modern')).toBe(false);
      eras.modernFailed(silent);
      await clock.advance(minutes * MINUTE_MS - 1);
      expect(eras.lacks('modern'), `${minutes} min`).toBe(true);
      await clock.advance(1);
    }
    expect(eras.lacks('modern')).toBe(false);
  });

  it('is not asked for ever: five times in vain are enough, until somebody starts it anew', async () => {
    const { eras, clock } = known();
    for (let time = 0; time < 5; time += 1) {
      eras.modernFailed(silent);
      await clock.advance(60 * MINUTE_MS);
    }
    await clock.advance(1_000_000 * MINUTE_MS);
    expect(eras.lacks('modern')).toBe(true);
    eras.startsAnew();
    expect(eras.lacks('modern')).toBe(false);
  });

  it('counts once for several calls that found that out together', async () => {
    const { eras, clock } = known();
    for (let call = 0; call < 9; call += 1) eras.modernFailed(silent);
    await clock.advance(MINUTE_MS);
    expect(eras.lacks('modern')).toBe(false);
  });

  it('is as good as any once it is listed in the new era', async () => {
    const { eras } = known();
    eras.modernFailed(silent);
    eras.listed('modern');
    expect(eras.lacks('modern')).toBe(false);
    eras.modernFailed(silent);
    expect(eras.lacks('modern')).toBe(false);
  });
});

it('a process that says no is not asked again, until somebody starts it anew', async () => {
  const { eras, clock } = known();
  eras.modernFailed(no);
  await clock.advance(1000 * MINUTE_MS);
  expect(eras.lacks('modern')).toBe(true);
  eras.startsAnew();
  expect(eras.lacks('modern')).toBe(false);
});

it('a URL that gives no answer says nothing of its eras', () => {
  const eras = createKnownEras('http', manualClock());
  eras.modernFailed(silent);
  expect(eras.lacks('modern')).toBe(false);
  eras.modernFailed(no);
  expect(eras.lacks('modern')).toBe(true);
});

it('a server of both eras that gave no answer in the new one once takes modern calls of new sessions in that again', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'starling-'));
  defer(() => rm(folder, { recursive: true }));
  const deaf = join(folder, 'deaf');
  await writeFile(deaf, '');
  const env = { ERAS: new Secret('both'), DEAF_FILE: new Secret(deaf) };
  const bench = await upstreamBench({ server: { env } });
  const caller = callerOf(bench);
  const who = async (one = caller): Promise<Whoami> => (await one.modernTool('whoami')) as Whoami;
  const first = who();
  await until(() => !existsSync(deaf));
  await bench.clock.leap(7000);
  const { era, pid } = await first;
  expect(era).toBe('legacy');
  // For a while nobody waits for it again.
  expect(await who(callerOf(bench))).toMatchObject({ era });
  await bench.clock.leap(60_000);
  expect(await who(callerOf(bench))).toMatchObject({ era: 'modern' });
  // A session stays where it is: its process may remember something.
  expect(await who()).toMatchObject({ era, pid });
  bench.upstream.restart();
  expect(await who()).toMatchObject({ era: 'modern' });
});
