/** The vendor, the nodes and the asking process of the benchmark of models, and how they are spoken to. */
import { fork, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { UNLIMITED } from '../../limits.ts';
import { startProcess } from '../../process.ts';
import type { NodeProcess } from '../../process.ts';
import type { AskAnswer, AskJob, AskResult, VendorCounts, Way } from './job.ts';
import { MODELS } from './job.ts';

const cli = fileURLToPath(new URL('./cli.js', import.meta.url));
const vendorProgram = fileURLToPath(new URL('./bench-vendor.js', import.meta.url));
const askerProgram = fileURLToPath(new URL('./bench-asker.js', import.meta.url));

/** Names under which a node has the vendor: three that look like different ones. */
const PROVIDERS = ['one', 'two', 'three'] as const;
/** Routes of the node. */
export const ROUTES = { failover: 'failover', three: 'three' } as const;

/** Has a process collect its garbage at a signal: what is in memory then is in use. */
const COLLECTING = `import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');
process.on('SIGUSR2', () => collect());`;

/** A vendor that runs. */
export interface Vendor {
  /** The base of its API, as if that were the vendor `name`. */
  baseURL(name: string): string;
  /** What it has counted since it was last asked. */
  counted(): Promise<VendorCounts>;
}

/** The process that puts questions by the SDK. */
export interface Asker {
  readonly pid: number;
  ask(job: AskJob): Promise<AskResult>;
}

type Cleanups = (() => unknown)[];

/** Starts the vendor's process. */
export async function startVendor(cleanups: Cleanups): Promise<Vendor> {
  const child = spawn(process.execPath, [vendorProgram], { stdio: ['pipe', 'pipe', 'inherit'] });
  cleanups.push(() => ended(child));
  const [url] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return {
    baseURL: (name) => `${url}/${name}/v1`,
    async counted() {
      const response = await fetch(`${url}/counted`);
      return (await response.json()) as VendorCounts;
    },
  };
}

/** Starts a process that asks by the vendor's SDK. */
export function startAsker(cleanups: Cleanups): Asker {
  const child = fork(askerProgram);
  cleanups.push(() => ended(child));
  return {
    pid: child.pid ?? 0,
    ask: (job) =>
      new Promise((resolve, reject) => {
        const gone = (): void => reject(new Error('the asking process has ended'));
        child.once('exit', gone);
        child.once('message', (answer: AskAnswer) => {
          child.off('exit', gone);
          if ('error' in answer) reject(new Error(answer.error));
          else resolve(answer);
        });
        child.send(job);
      }),
  };
}

/** Starts a node that has the vendor three times, and routes over it. */
export async function startNode(
  root: string,
  name: string,
  { vendor, ticket }: { readonly vendor: Vendor; readonly ticket?: string | undefined },
  cleanups: Cleanups,
): Promise<NodeProcess> {
  const models = [MODELS.paced, MODELS.quick, MODELS.alternating, MODELS.half];
  const providers = PROVIDERS.map((one) => [one, { endpoint: vendor.baseURL(one), models }]);
  const node = await startProcess({
    cli,
    root,
    name,
    config: {
      limits: UNLIMITED,
      models: {
        providers: Object.fromEntries(providers),
        routes: {
          [ROUTES.failover]: {
            models: [`one/${MODELS.alternating}`, `two/${MODELS.quick}`],
          },
          // The one that fails is the first that is asked, wherever it is not left alone.
          [ROUTES.three]: {
            models: [`one/${MODELS.half}`, `two/${MODELS.quick}`, `three/${MODELS.quick}`],
          },
        },
      },
    },
    env: {
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(COLLECTING)}`,
      ...(ticket === undefined ? {} : { STARLING_JOIN: ticket }),
    },
  });
  cleanups.push(() => node.stop());
  return node;
}

/** Lets `peer` use the models of `owner`. */
export async function grant(owner: NodeProcess, peer: NodeProcess): Promise<void> {
  const { code, stderr } = await owner.run(['grant', 'create', peer.up.peerId, '--model', '*/**']);
  if (code !== 0) throw new Error(stderr);
}

/** The door of a node. */
export async function wayOf(node: NodeProcess, title: string, model: string): Promise<Way> {
  const { url = '', tokenFile } = node.up.endpoints;
  const apiKey = (await readFile(tokenFile, 'utf8')).trim();
  return { title, baseURL: new URL('/v1', url).href, apiKey, model };
}

/** Ends a program and waits for its end. */
async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const over = once(child, 'exit');
  child.kill('SIGKILL');
  await over;
}
