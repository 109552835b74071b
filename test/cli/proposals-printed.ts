/** Has the commands of proposals print what they print by `--json`. */
import { join } from 'node:path';
import type { JsonObject } from '../../src/core/index.ts';
import { agent, bench } from '../proposals/bench.ts';
import { saidProgram } from '../proposals/program.ts';
import { serving, startFakeNode } from './fake-node.ts';

/** What an agent proposes: the room's own answers, at a double, because not every machine has a sandbox for the trial. */
export async function withProposals(
  root: string,
  keep: (words: string, ...rest: string[]) => Promise<unknown>,
): Promise<readonly (() => unknown)[]> {
  const cleanups: (() => unknown)[] = [];
  const configFile = join(root, 'proposed', 'starling.json');
  const services = join(root, 'proposed', 'services');
  const { call } = bench(new Map(), { configFile, services });
  const propose = async (name: string): Promise<{ id: string; digest: string }> => {
    const made = await call<{ proposal: string; digest: string }>(
      'infrastructure_propose',
      saidProgram({ name }),
      agent('coder', { taint: 'external' }),
    );
    return { id: made.proposal, digest: made.digest };
  };
  const { id, digest } = await propose('resize');
  const other = await propose('other');
  const waiting = {
    proposal_list: await call<JsonObject>('proposal_list', {}),
    proposal_try: await call<JsonObject>('proposal_try', { id }),
    proposal_show: await call<JsonObject>('proposal_show', { id }),
  };
  const answers: readonly (readonly [JsonObject, readonly string[]])[] = [
    [{ id, approve: true, digest }, ['approve', '--digest', digest.slice(0, 16)]],
    [{ id: other.id, approve: false, reason: 'because' }, ['deny', '--reason', 'because']],
  ];
  for (const [answer, [word = '', ...options]] of answers) {
    const proposal_answer = await call<JsonObject>('proposal_answer', answer);
    const node = await startFakeNode({ answer: serving({ ...waiting, proposal_answer }) });
    cleanups.push(() => node.stop());
    const at = ['--state', node.stateDir];
    for (const looking of ['proposals show', 'proposals try']) await keep(looking, id, ...at);
    await keep('proposals', ...at);
    const config = word === 'approve' ? ['--config', configFile] : [];
    await keep(`proposals ${word}`, id, ...options, ...config, ...at);
  }
  return cleanups;
}
