/** The benchmark's end of a loader process. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Job, JobAnswer, OpenJob, RunJob, Sample } from './job.ts';

const JOB_TIMEOUT_MS = 60_000;

/** A running loader. */
export interface Loader {
  open(job: Omit<OpenJob, 'op'>): Promise<void>;
  run(job: Omit<RunJob, 'op'>): Promise<Sample>;
  stop(): void;
}

/** Starts one from `dist/`. Its sessions end with it. */
export function startLoader(): Loader {
  const child = fork(fileURLToPath(new URL('./bench-loader.js', import.meta.url)));
  const ask = (job: Job): Promise<Sample | undefined> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => settle({ error: `no answer in ${JOB_TIMEOUT_MS / 1000} s` }),
        JOB_TIMEOUT_MS,
      );
      const gone = (): void => settle({ error: 'the loader has ended' });
      const settle = (answer: JobAnswer): void => {
        clearTimeout(timer);
        child.off('message', settle);
        child.off('exit', gone);
        if ('error' in answer) reject(new Error(`${job.op} ${job.session}: ${answer.error}`));
        else resolve(answer.sample);
      };
      child.once('message', settle);
      child.once('exit', gone);
      child.send(job);
    });
  return {
    async open(job) {
      await ask({ op: 'open', ...job });
    },
    async run(job) {
      const sample = await ask({ op: 'run', ...job });
      if (sample === undefined) throw new Error(`run ${job.session}: no sample`);
      return sample;
    },
    stop: () => void child.kill(),
  };
}
