/** The benchmark's end of an attacker's process. */
import { fork, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { builtFile } from '../../project-root.ts';
import type { AttackerAnswer, AttackerJob, AttackerReport } from '../../hostile/process.ts';

const JOB_TIMEOUT_MS = 90_000;

type Of<Op extends AttackerJob['op']> = Omit<Extract<AttackerJob, { op: Op }>, 'op'>;

/** A running attacker. */
export interface Attacker {
  join(job: Of<'join'>): Promise<AttackerReport>;
  attack(job: Of<'attack'>): Promise<AttackerReport>;
  burn(job: Of<'burn'>): Promise<AttackerReport>;
  /** Listens, and drops whoever connects. */
  listen(): Promise<AttackerReport>;
  stop(): void;
}

/** Starts one from `dist/`; `prefix` is put before its command, like `ip netns exec host1`. */
export function startAttacker(prefix: readonly string[] = []): Attacker {
  const child = begin(prefix);
  const ask = (job: AttackerJob): Promise<AttackerReport> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => settle({ error: 'no answer in time' }), JOB_TIMEOUT_MS);
      const gone = (): void => settle({ error: 'the attacker has ended' });
      const settle = (answer: AttackerAnswer): void => {
        clearTimeout(timer);
        child.off('message', settle);
        child.off('exit', gone);
        if ('error' in answer) reject(new Error(`${job.op}: ${answer.error}`));
        else resolve(answer.report);
      };
      child.once('message', settle);
      child.once('exit', gone);
      child.send(job);
    });
  return {
    join: (job) => ask({ op: 'join', ...job }),
    attack: (job) => ask({ op: 'attack', ...job }),
    burn: (job) => ask({ op: 'burn', ...job }),
    listen: () => ask({ op: 'listen' }),
    stop: () => void child.kill('SIGKILL'),
  };
}

function begin([command, ...args]: readonly string[]): ChildProcess {
  const file = builtFile('hostile.js');
  if (command === undefined) return fork(file);
  return spawn(command, [...args, process.execPath, file], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
}
