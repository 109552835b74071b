// An agent that runs jobs (docs/agents.md, "protocol": "lines"). A message names a job and nothing else: what is run for it
// says jobs.json, which belongs to whoever owns this machine. Each job has a fresh copy of the project, and a minute.
import { spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const TIME_MS = 60_000;
const LINES = 8;
const here = (name) => new URL(name, import.meta.url);
const jobs = JSON.parse(await readFile(here('jobs.json'), 'utf8'));

for await (const line of createInterface(process.stdin)) {
  const { id, message } = JSON.parse(line);
  const answer = await run(message?.job).catch((error) => ({ error: error.message }));
  process.stdout.write(`${JSON.stringify({ id, ...answer })}\n`);
}

/** An `answer` where the job has passed, else an `error` with the end of what it wrote. */
async function run(job) {
  if (!Object.hasOwn(jobs, job)) {
    return { error: `there is no job ${job}, only ${Object.keys(jobs).join(', ')}` };
  }
  const folder = await mkdtemp(join(tmpdir(), 'job-'));
  try {
    await cp(here('project/'), folder, { recursive: true });
    const startedAt = performance.now();
    const { code, output } = await ended(jobs[job], folder);
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    if (code === 0) return { answer: `${job} passed in ${seconds} s` };
    return { error: `${job} failed with code ${code} after ${seconds} s\n${output}` };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Runs the command to its end; `code` is null where a signal has ended it, as when its time was up. */
function ended([command, ...args], cwd) {
  const env = { PATH: process.env.PATH, HOME: cwd };
  const child = spawn(command, args, { cwd, env, timeout: TIME_MS, killSignal: 'SIGKILL' });
  let output = '';
  const keep = (text) => {
    output = `${output}${text}`.split('\n').slice(-LINES).join('\n');
  };
  child.stdout.setEncoding('utf8').on('data', keep);
  child.stderr.setEncoding('utf8').on('data', keep);
  return new Promise((done, failed) => {
    child.once('error', failed);
    child.once('close', (code) => done({ code, output }));
  });
}
