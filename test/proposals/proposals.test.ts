/** What becomes of proposals: shown, tried, agreed to by their digest, refused, replaced, expired, and bounded in number. */
import { expect, it } from 'vitest';
import { StarlingError } from '../../src/core/index.ts';
import { OPERATOR } from '../../src/guard/index.ts';
import {
  PER_DAY_MAX,
  WAITING_MAX,
  WAITING_PER_AGENT_MAX,
  WAITS_MS,
} from '../../src/proposals/limits.ts';
import { proposalTools } from '../../src/proposals/index.ts';
import type { ProposalShowResult, ProposedProgram, Trial } from '../../src/proposals/types.ts';
import { PASSED, agent, bench, never, program } from './bench.ts';
import { saidProgram } from './program.ts';

const coder = agent('coder');
/** The program in another version. */
const version = (text: string, name = 'resize'): ProposedProgram =>
  program({ name, files: [{ path: 'src/main.mjs', text }] });

it('waits for a person, runs on trial, and is agreed to by its digest; each is on the disk and in the audit log', async () => {
  const { audited, proposals, rows, waiting } = bench();
  const { digest, id } = await proposals.propose(coder, program());
  expect(waiting()).toBe('1 proposal of agents waits for you');
  expect(rows.size).toBe(1);
  await expect(proposals.answer(id, { approve: true, digest })).rejects.toMatchObject({
    code: 'STARLING_PROPOSAL_REFUSED',
    data: { reason: 'untried' },
  });
  await expect(proposals.tryOut(id, never)).resolves.toMatchObject({ trial: PASSED });
  await expect(
    proposals.answer(id, { approve: true, digest: digest.replace(/^./, '-') }),
  ).rejects.toMatchObject({ data: { reason: 'changed' } });
  await expect(proposals.answer(id, { approve: true })).rejects.toMatchObject({
    data: { reason: 'changed' },
  });
  await expect(proposals.answer(id, { approve: true, digest })).resolves.toMatchObject({
    state: 'approved',
    program: program(),
  });
  expect(waiting()).toBeUndefined();
  expect(
    audited.map(({ outcome, who, what, args }) => [outcome, who, what.resource, args]),
  ).toEqual([
    ['asked', 'client:agent:coder', 'server:resize', digest],
    ['allowed', 'client:agent:coder', 'server:resize', digest],
  ]);
});

it('one that a person agreed to and nobody wrote is given again after a restart, until its entry is there', async () => {
  const first = bench();
  const { digest, id } = await first.proposals.propose(coder, program());
  await first.proposals.tryOut(id, never);
  await first.proposals.answer(id, { approve: true, digest });
  const second = bench(first.rows);
  await expect(second.proposals.answer(id, { approve: true, digest })).resolves.toMatchObject({
    program: program(),
  });
  // What its agent proposes meanwhile takes nobody's place.
  await expect(second.proposals.propose(coder, version('evil'))).rejects.toMatchObject({
    code: 'STARLING_USAGE',
  });
  await expect(second.proposals.propose(coder, program())).resolves.toMatchObject({
    id,
    state: 'approved',
  });
  second.taken.set('resize', 'server');
  await expect(second.proposals.answer(id, { approve: false })).rejects.toMatchObject({
    data: { reason: 'closed' },
  });
});

it('one whose program changed on the disk is none any more', async () => {
  const first = bench();
  await first.proposals.propose(coder, program());
  const [[key, bytes] = ['', new Uint8Array()]] = [...first.rows];
  const text = Buffer.from(bytes).toString().replace('small', 'evil!');
  const { proposals } = bench(new Map([[key, Buffer.from(text)]]));
  await expect(proposals.list()).resolves.toEqual([]);
});

it('another program of the same name takes its place, and the one that was shown can not be agreed to', async () => {
  const { audited, call, proposals } = bench();
  const shown = await proposals.propose(coder, version('good'));
  await proposals.tryOut(shown.id, never);
  const next = await proposals.propose(coder, version('evil'));
  expect(next.id).not.toBe(shown.id);
  const { lines } = await call<ProposalShowResult>('proposal_show', { id: next.id });
  expect(lines).toContain(
    `! it is not the one that waited by this name before, which had the digest ${shown.digest}`,
  );
  await expect(
    proposals.answer(shown.id, { approve: true, digest: shown.digest }),
  ).rejects.toMatchObject({ data: { reason: 'closed', state: 'superseded' } });
  // Neither by the digest of the first, nor without a trial of its own.
  await expect(
    proposals.answer(next.id, { approve: true, digest: shown.digest }),
  ).rejects.toMatchObject({ data: { reason: 'changed' } });
  await expect(
    proposals.answer(next.id, { approve: true, digest: next.digest }),
  ).rejects.toMatchObject({ data: { reason: 'untried' } });
  await expect(proposals.find(shown.id)).resolves.not.toHaveProperty('program');
  expect(audited.map(({ outcome }) => outcome)).toEqual(['asked', 'asked', 'cancelled']);
});

it('one that is replaced while it runs on trial has no trial', async () => {
  const made = bench();
  const first = await made.proposals.propose(coder, version('one'));
  let end: (trial: Trial) => void = () => undefined;
  made.trial = () => new Promise((resolve) => (end = resolve));
  const trying = made.proposals.tryOut(first.id, never);
  const refused = expect(trying).rejects.toMatchObject({ data: { reason: 'closed' } });
  await made.proposals.list();
  await expect(made.proposals.tryOut(first.id, never)).rejects.toMatchObject({
    code: 'STARLING_LIMIT_EXCEEDED',
  });
  const next = await made.proposals.propose(coder, version('two'));
  end(PASSED);
  await refused;
  await expect(made.proposals.find(next.id)).resolves.not.toHaveProperty('trial');
});

it('a stop ends the trial under way, and waits until it has put its files away', async () => {
  const made = bench();
  const { id } = await made.proposals.propose(coder, version('one'));
  const order: string[] = [];
  made.trial = (signal) =>
    new Promise((_, reject) => {
      signal.addEventListener('abort', () => {
        order.push('aborted');
        setImmediate(() => {
          order.push('put away');
          reject(signal.reason as Error);
        });
      });
    });
  const trying = expect(made.proposals.tryOut(id, never)).rejects.toMatchObject({
    code: 'STARLING_STOPPED',
  });
  await made.proposals.list();
  await made.proposals.stop();
  expect(order).toEqual(['aborted', 'put away']);
  await trying;
  // It runs anew after a start.
  await made.proposals.start();
  made.trial = async () => PASSED;
  await expect(made.proposals.tryOut(id, never)).resolves.toMatchObject({ trial: PASSED });
});

it('the same of the same agent is one proposal, and what was denied stays denied', async () => {
  const { proposals } = bench();
  const first = await proposals.propose(coder, program());
  await expect(proposals.propose(coder, program())).resolves.toEqual(first);
  await proposals.answer(first.id, { approve: false, reason: 'we have one' });
  await expect(proposals.propose(coder, program())).resolves.toMatchObject({
    id: first.id,
    state: 'denied',
    reason: 'we have one',
  });
  await expect(proposals.list()).resolves.toHaveLength(1);
});

it('what nobody answers expires, and can be proposed anew', async () => {
  const { audited, clock, proposals, waiting } = bench();
  const first = await proposals.propose(coder, program());
  clock.advance(WAITS_MS);
  await expect(
    proposals.answer(first.id, { approve: true, digest: first.digest }),
  ).rejects.toMatchObject({ data: { reason: 'closed', state: 'expired' } });
  expect(waiting()).toBeUndefined();
  expect(audited.at(-1)).toMatchObject({ outcome: 'timeout' });
  const again = await proposals.propose(coder, program());
  expect(again).toMatchObject({ state: 'pending' });
  expect(again.id).not.toBe(first.id);
});

it('what was proposed while the clock was a year ahead expires as soon as any other, and counts for no day', async () => {
  const { clock, proposals } = bench();
  const yearMs = 365 * 86_400_000;
  clock.sleep(yearMs);
  for (let at = 0; at < PER_DAY_MAX; at += 1) await proposals.propose(coder, version(`v${at}`));
  await expect(proposals.propose(coder, version('more'))).rejects.toMatchObject({
    code: 'STARLING_LIMIT_EXCEEDED',
  });
  clock.sleep(-yearMs);
  const { id } = await proposals.propose(coder, version('now'));
  expect(await proposals.find(id)).toMatchObject({ state: 'pending' });
  await proposals.propose(agent('other'), version('theirs', 'other'));
  clock.sleep(yearMs);
  await proposals.propose(agent('third'), version('ahead', 'third'));
  clock.sleep(-yearMs);
  clock.advance(WAITS_MS / 2);
  await proposals.list();
  clock.advance(WAITS_MS);
  const states = (await proposals.list()).map(({ state }) => state);
  expect(states).not.toContain('pending');
});

it('a name that something here has is refused when it is proposed, and when it is agreed to', async () => {
  const { proposals, taken } = bench();
  taken.set('files', 'server');
  await expect(proposals.propose(coder, program({ name: 'files' }))).rejects.toMatchObject({
    code: 'STARLING_USAGE',
  });
  const { digest, id } = await proposals.propose(coder, program());
  await expect(proposals.propose(agent('mallory'), version('evil'))).rejects.toMatchObject({
    code: 'STARLING_USAGE',
  });
  await proposals.tryOut(id, never);
  taken.set('resize', 'kind');
  await expect(proposals.answer(id, { approve: true, digest })).rejects.toMatchObject({
    code: 'STARLING_USAGE',
  });
});

it('ten thousand of them fill neither the disk nor the list of whoever reads them', async () => {
  const { proposals, rows } = bench();
  let refused = 0;
  const one = program();
  for (let count = 0; count < 10_000; count += 1) {
    const name = `s${count % 50}-${count % 7}`;
    const made = { ...one, name, args: [String(count)] };
    try {
      await proposals.propose(agent(`a${count % 50}`), made);
    } catch (error) {
      if (!(error instanceof StarlingError) || error.code !== 'STARLING_LIMIT_EXCEEDED')
        throw error;
      refused += 1;
    }
  }
  const known = await proposals.list();
  const waiting = known.filter(({ state }) => state === 'pending');
  expect(waiting.length).toBeLessThanOrEqual(WAITING_MAX);
  for (let at = 0; at < 50; at += 1) {
    const own = waiting.filter(({ agent: by }) => by === `client:agent:a${at}`);
    expect(own.length).toBeLessThanOrEqual(WAITING_PER_AGENT_MAX);
  }
  expect(known.length).toBeLessThanOrEqual(50 * PER_DAY_MAX);
  expect(refused).toBeGreaterThan(8000);
  const bytes = [...rows.values()].reduce((sum, { length }) => sum + length, 0);
  expect(bytes).toBeLessThan(2 * 1024 * 1024);
});

it('says what its agent had read, and shows a program line by line, in our words', async () => {
  const { call } = bench();
  const tainted = agent('coder', { taint: 'external', worksFor: [OPERATOR] });
  const { proposal: id } = await call<{ proposal: string }>(
    'infrastructure_propose',
    saidProgram({ limits: { network: true } }),
    tainted,
  );
  const { lines, proposal } = await call<ProposalShowResult>('proposal_show', { id });
  const folder = `/srv/services/resize-${proposal.digest.slice(0, 16)}`;
  expect(lines.slice(0, 9)).toEqual([
    "an MCP server 'resize', proposed by client:agent:coder, which worked for operator",
    `digest ${proposal.digest}`,
    '! its agent had read what comes from outside of the mesh: that may speak through it',
    'runs: "node" "src/main.mjs"',
    '! it would reach the network',
    'it would write nothing',
    '',
    '/etc/starling.json: mcpServers.resize',
    '+ {',
  ]);
  expect(lines).toContain(`${folder}/src/main.mjs`);
  expect(lines).toContain("+ import { createInterface } from 'node:readline';");
  await expect(call('infrastructure_propose', saidProgram())).rejects.toMatchObject({
    code: 'STARLING_CALL_REFUSED',
  });
});

it('an agent without a model proposes nothing', async () => {
  const { proposals } = bench();
  const [propose] = proposalTools({ proposals, configFile: '/x.json', thinks: () => false });
  await expect(
    propose?.call(saidProgram() as never, { principal: coder, signal: never }),
  ).rejects.toMatchObject({ code: 'STARLING_CALL_REFUSED' });
  await expect(proposals.list()).resolves.toEqual([]);
});
