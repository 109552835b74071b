/**
 * The process that loads a gateway: opens sessions and calls tools as the benchmark tells it over the
 * channel that `fork` gives, one job at a time. It ends when that channel closes.
 */
import { percentile } from '../report.ts';
import { cpuUs } from './cpu.ts';
import type { Job, JobAnswer, RunJob, Sample } from './job.ts';
import { openSession } from './session.ts';
import type { BenchSession, Caller } from './session.ts';

const sessions = new Map<string, BenchSession>();

async function work(job: Job): Promise<Sample | undefined> {
  if (job.op === 'open') {
    sessions.set(job.session, await openSession(job.target, job.tool));
    return undefined;
  }
  const session = sessions.get(job.session);
  if (session === undefined) throw new Error(`no session ${job.session}`);
  const callers = await session.callers(job.callers);
  try {
    await load(session, callers, job, job.warmUpMs);
    const pids = session.pid === undefined ? job.pids : [...job.pids, session.pid];
    const before = cpuUs(pids);
    const begin = performance.now();
    const latenciesMs = await load(session, callers, job, job.durationMs);
    const elapsedMs = performance.now() - begin;
    const after = cpuUs(pids);
    const calls = latenciesMs.length;
    return {
      perSecond: (calls / elapsedMs) * 1000,
      p50Us: percentile(latenciesMs.map(toUs), 0.5),
      p99Us: percentile(latenciesMs.map(toUs), 0.99),
      cpuUsPerCall:
        before === undefined || after === undefined ? undefined : (after - before) / calls,
    };
  } finally {
    for (const caller of callers) caller.close();
  }
}

/** Calls until `durationMs` are over; gives what each call took, ms. */
async function load(
  session: BenchSession,
  callers: readonly Caller[],
  job: RunJob,
  durationMs: number,
): Promise<number[]> {
  const latenciesMs: number[] = [];
  const params = JSON.stringify({ name: job.tool, arguments: job.args });
  const tail = `,"method":"tools/call","params":${params}}`;
  const end = performance.now() + durationMs;
  const repeat = async (caller: Caller): Promise<void> => {
    for (let from = performance.now(); from < end;) {
      const id = session.nextId();
      const answer = await caller.call(id, `{"jsonrpc":"2.0","id":${id}${tail}`);
      if (
        answer.sizeBytes < job.expect.sizeBytes ||
        !answer.text.includes(job.expect.text) ||
        !answer.text.includes(`"id":${id}`)
      ) {
        throw new Error(`a wrong answer to call ${id}: ${answer.text.slice(0, 500)}`);
      }
      const now = performance.now();
      latenciesMs.push(now - from);
      from = now;
    }
  };
  await Promise.all(callers.map(repeat));
  return latenciesMs;
}

function toUs(valueMs: number): number {
  return valueMs * 1000;
}

function answer(message: JobAnswer): void {
  process.send?.(message);
}

process.on('message', (job: Job) => {
  work(job).then(
    (sample) => answer({ sample }),
    (error: unknown) => answer({ error: error instanceof Error ? error.message : String(error) }),
  );
});
process.once('disconnect', () => process.exit());
