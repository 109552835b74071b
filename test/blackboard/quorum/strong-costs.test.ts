/** What a change of a strong key costs, as docs/boards.md says: questions to other replicas, and rows on disks. */
import { afterEach, expect, it } from 'vitest';
import { QUORUM_PROTOCOL } from '../../../src/blackboard/quorum/format.ts';
import { calm } from '../hub.ts';
import { StrongMesh } from './strong-support.ts';

const NAMES = ['ann', 'bob', 'cyd', 'dan', 'eve'];
const CHANGES = 10;

let jobs: StrongMesh;
afterEach(() => jobs.stop());

it.each([
  [3, { questions: 1, rows: 2 }],
  [5, { questions: 2, rows: 3 }],
])(
  'a change on %i replicas is asked of as many as make a majority, and the others have the last of many later',
  async (count, each) => {
    const replicas = NAMES.slice(0, count);
    jobs = await StrongMesh.make(NAMES, replicas);
    const { hub, clock } = jobs.mesh;
    let questions = 0;
    hub.seesChunk = ({ protocol }) => {
      if (protocol === QUORUM_PROTOCOL) questions += 1;
    };
    const rows = (): number =>
      replicas.reduce((sum, name) => sum + jobs.member(name).strong.journal.length, 0);
    const cas = (version: number) => jobs.ask('ann', 'k', { t: 'cas', value: version, version });
    // From the ninth of its own on a replica proposes its changes itself.
    for (let version = 0; version < CHANGES; version += 1) await cas(version);
    await jobs.settle(2, 500);
    const before = { questions, rows: rows() };
    for (let at = 0; at < CHANGES; at += 1) {
      expect(await cas(CHANGES + at)).toMatchObject({ ok: true });
    }
    const after = { questions, rows: rows() };
    expect(after).toEqual({
      questions: before.questions + CHANGES * each.questions,
      rows: before.rows + CHANGES * each.rows,
    });
    for (let times = 0; times < 4; times += 1) {
      clock.advance(100);
      await calm();
    }
    const bystanders = count - each.rows;
    expect({ questions, rows: rows() }).toEqual({
      questions: after.questions + bystanders,
      rows: after.rows + bystanders,
    });
  },
);
