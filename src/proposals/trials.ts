/**
 * Runs what an agent proposes on trial: in the sandbox of the servers, with its own files, without a network, bounded in time
 * and, where the system can, in memory and cores; it is asked for its tools, and ended. Refused where there is no sandbox.
 */
import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  StarlingError,
  ensurePrivateFolder,
  messageOf,
  printable,
  withDeadline,
} from '../core/index.ts';
import type { Clock, Logger } from '../core/index.ts';
import { planLimits } from '../agents/index.ts';
import type { LimitMeans } from '../agents/index.ts';
import type { Gateway, ServerTrial } from '../gateway/index.ts';
import { dataFolderOf } from './config-entry.ts';
import {
  SHOWN_LINES_MAX,
  SHOWN_TEXT_MAX,
  SHOWN_TOOLS_MAX,
  TRIAL_CPU,
  TRIAL_MEMORY,
} from './limits.ts';
import { placeFiles } from './place-files.ts';
import type { ProposedProgram, Trial } from './types.ts';

/** What trials work with. */
export interface TrialsComponents {
  /** Starts a program in the sandbox, and asks it for its tools. */
  readonly tryServer: Gateway['tryServer'];
  /** Why there is no sandbox here; undefined where there is one. */
  noSandbox(): Promise<{ readonly why: string; readonly hint: string } | undefined>;
  /** What this machine can bound a process by; asked for at each trial. */
  limits(): LimitMeans;
  /** Tells nodes of one machine apart. */
  readonly stateDir: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Longer keeps who waits, shorter fails what starts slowly. */
const TRIAL_MS = 30_000;
const CALL_MS = 10_000;

/** Gives what runs a program on trial. @throws STARLING_PROPOSAL_REFUSED where there is no sandbox */
export function createTrials(
  components: TrialsComponents,
): (program: ProposedProgram, signal: AbortSignal) => Promise<Trial> {
  return async (program, signal) => {
    const missing = await components.noSandbox();
    if (missing !== undefined) throw noTrial(missing);
    const folder = join(trialsFolder(components.stateDir), program.name);
    try {
      return await tried(components, { program, folder, signal });
    } finally {
      await rm(trialsFolder(components.stateDir), { recursive: true, force: true }).catch(
        (error: unknown) =>
          components.logger.warn({ error: messageOf(error) }, 'files of a trial were left'),
      );
    }
  };
}

/** One at a time in a folder that sandboxes show where it is named; what a killed node left is taken away first. */
function trialsFolder(stateDir: string): string {
  const hash = createHash('sha256').update(stateDir).digest('hex').slice(0, 16);
  return join(tmpdir(), `starling-trial-${process.getuid?.() ?? 0}-${hash}`);
}

async function tried(
  components: TrialsComponents,
  {
    program,
    folder,
    signal,
  }: { readonly program: ProposedProgram; readonly folder: string; readonly signal: AbortSignal },
): Promise<Trial> {
  const { clock } = components;
  const data = dataFolderOf(program, folder);
  await rm(dirname(folder), { recursive: true, force: true });
  // Among temporary files somebody else may make a folder of any name.
  await ensurePrivateFolder(dirname(folder));
  await placeFiles(folder, { files: program.files, data });
  const wrote: string[] = [];
  const at = clock.now();
  try {
    const work = (until: AbortSignal): ReturnType<Gateway['tryServer']> =>
      components.tryServer({
        name: program.name,
        server: serverOf(program, { folder, data }),
        within: boundsOf(components.limits()),
        toolsMax: SHOWN_TOOLS_MAX,
        wrote(line) {
          wrote.push(printable(line, SHOWN_TEXT_MAX));
          if (wrote.length > SHOWN_LINES_MAX) wrote.shift();
        },
        signal: until,
      });
    const tools = await withDeadline(clock, TRIAL_MS, work, signal);
    if (program.what === 'kind' && !tools.some(({ name }) => name === 'message')) {
      const error = "it has no tool 'message', which an agent needs";
      return { at, passed: false, tools: [], error, wrote };
    }
    const shown = tools.map(({ name, description }) => ({
      name: printable(name),
      description: printable(description, SHOWN_TEXT_MAX),
    }));
    return { at, passed: true, tools: shown, wrote };
  } catch (error) {
    signal.throwIfAborted();
    return { at, passed: false, tools: [], error: printable(messageOf(error), 500), wrote };
  }
}

/** Whatever it asks for, on trial it has no network and no variable of anybody's. */
function serverOf(
  { args, command }: ProposedProgram,
  { folder, data }: { readonly folder: string; readonly data: string | undefined },
): ServerTrial['server'] {
  return {
    type: 'stdio',
    command,
    args,
    env: {},
    cwd: folder,
    sandbox: {
      network: false,
      reach: [],
      read: [folder],
      ...(data === undefined ? {} : { write: [data] }),
    },
    timeoutMs: CALL_MS,
  };
}

/** As far as the system has them: the trial itself is short. */
function boundsOf(means: LimitMeans): readonly string[] {
  // A control group would have to be joined by the process; the limits of each process do for a trial.
  const { cgroups: _, ...byProcess } = means;
  return [{ memoryLimit: TRIAL_MEMORY }, { cpuLimit: TRIAL_CPU }].flatMap((wanted) => {
    try {
      return planLimits(wanted, {}, byProcess, 0).within;
    } catch (error) {
      if (error instanceof StarlingError) return [];
      throw error;
    }
  });
}

function noTrial({ hint, why }: { readonly why: string; readonly hint: string }): StarlingError {
  return new StarlingError(
    'STARLING_PROPOSAL_REFUSED',
    `nothing runs on trial here, because there is no sandbox: ${why}`,
    { hint, data: { reason: 'sandbox' } },
  );
}
