/**
 * A strong board on three real nodes: by commands and tools, through kill -9 of one, and of two; and one that a node holds
 * only once somebody there reads it.
 */
import { describe, expect, it } from 'vitest';
import type {
  BoardCasResult,
  BoardGetResult,
  BoardInfoResult,
} from '../../../src/builtin/results.ts';
import type { NodeProcess } from '../../../sim/process.ts';
import { attempt, builtin, eventually, json, ok, sees, ticketOf, useWorld } from '../support.ts';

const world = useWorld();
const TEST_MS = 480_000;

/** The entries of a board that is held on demand are at `reader` once that one reads it. */
async function readOnDemand(owner: NodeProcess, reader: NodeProcess): Promise<void> {
  const of = { board: 'archive' };
  expect(await ok(owner, 'board', 'create', 'archive', '--hold', 'on-demand')).toMatch(
    /which other nodes hold only while somebody there uses it/,
  );
  await builtin(owner, 'board_set', { ...of, key: 'page', value: 1 });
  await builtin(owner, 'board_grant', { ...of, to: reader.name, ability: 'read' });
  const info = (): Promise<BoardInfoResult | undefined> =>
    builtin<BoardInfoResult>(reader, 'board_info', of).catch(() => undefined);
  const known = await eventually('the reader knows the board', info, (one) => one !== undefined);
  expect(known).toMatchObject({ hold: 'on-demand', keys: 0, held: { isHere: false } });
  expect(await ok(reader, 'board', 'info', 'archive')).toMatch(/its entries are not here/);
  const { entry } = await builtin<BoardGetResult>(reader, 'board_get', { ...of, key: 'page' });
  expect(entry).toMatchObject({ value: 1 });
  expect(await info()).toMatchObject({ keys: 1, held: { isHere: true } });
}

describe('a strong board of three nodes', () => {
  it(
    'goes on through kill -9 of one, refuses with two gone, and has lost nothing when they are back',
    { timeout: TEST_MS },
    async () => {
      const ann = await world.start('ann');
      const bob = await world.start('bob', { args: ['--join', await ticketOf(ann)] });
      const cyd = await world.start('cyd', { args: ['--join', await ticketOf(ann)] });
      await sees(ann, [bob, cyd]);
      await sees(bob, [ann, cyd]);
      await sees(cyd, [ann, bob]);
      await readOnDemand(ann, cyd);
      expect(await ok(ann, 'board', 'create', 'jobs', '--strong', 'ann,bob,cyd')).toMatch(
        /a strong board that 3 nodes keep, of which 2 must be there/,
      );
      for (const node of [bob, cyd]) {
        await eventually(
          `${node.name} has the board`,
          () => builtin<{ boards: readonly string[] }>(node, 'board_list'),
          ({ boards }) => boards.includes('jobs'),
        );
      }
      const cas = async (value: number, version: number): Promise<BoardCasResult> => {
        const input = {
          board: 'jobs',
          key: 'n',
          value,
          version,
          request: `cas-${value}@${version}`,
        };
        // The same request again, where a busy machine answers too late: it is done once all the same.
        for (;;) {
          try {
            return await builtin(bob, 'board_cas', input);
          } catch (error) {
            if (!/NO_QUORUM|UNKNOWN/.test((error as { code: string }).code)) throw error;
          }
        }
      };
      expect(await cas(1, 0)).toMatchObject({ done: true, version: 1 });
      const taken = await attempt(bob, 'board', 'cas', 'jobs', 'n', '5');
      expect([taken.code, taken.stdout]).toEqual([1, expect.stringMatching(/it holds 1/)]);
      expect(
        await json(cyd, 'board', 'lease', 'jobs', 'lock', '--holder', 'cyd', '--ttl', '1h'),
      ).toMatchObject({
        granted: true,
        token: 1,
      });

      await cyd.stop('SIGKILL');
      for (let version = 1; version < 6; version += 1) {
        expect(await cas(version + 1, version)).toMatchObject({ done: true });
      }
      const other = await attempt(ann, 'board', 'lease', 'jobs', 'lock', '--holder', 'ann');
      expect([other.code, other.stdout]).toEqual([1, expect.stringMatching(/cyd has the lease/)]);
      await ann.stop('SIGKILL');
      expect(
        await builtin(bob, 'board_get', { board: 'jobs', key: 'n' }).catch(
          (error: unknown) => (error as { code: string }).code,
        ),
      ).toBe('STARLING_NO_QUORUM');

      // It was killed so soon after it met bob that its disk may not say where bob is; ann, who would, is gone.
      const again = await world.start('cyd', {
        args: ['--bootstrap', bob.up.addresses[0] ?? ''],
      });
      await sees(bob, [again]);
      const read = await eventually(
        'a majority is there again',
        () =>
          builtin<BoardGetResult>(again, 'board_get', { board: 'jobs', key: 'n' }).catch(
            () => undefined,
          ),
        (result) => result !== undefined,
      );
      expect(read).toMatchObject({ entry: { value: 6 }, version: 6 });
    },
  );
});
