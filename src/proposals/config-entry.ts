/** What the configuration says of a proposed program, and where its files lie. Pure. */
import { join } from 'node:path';
import type { JsonObject } from '../core/json/json.ts';
import type { ProposedProgram } from './types.ts';

/** Enough of a digest that no second program has it. */
const DIGEST_SHOWN = 16;
/** Where the program may write, below its folder. */
export const DATA_FOLDER = 'data';

/** The folder of the files of a program, below that of all. */
export function folderOf(services: string, name: string, digest: string): string {
  return join(services, `${name}-${digest.slice(0, DIGEST_SHOWN)}`);
}

/** Where the program may write, where it may. */
export function dataFolderOf({ limits }: ProposedProgram, folder: string): string | undefined {
  return limits.keeps ? join(folder, DATA_FOLDER) : undefined;
}

/** The keys below which the entry stands. */
export function placeOf({ what }: Pick<ProposedProgram, 'what'>): readonly string[] {
  return what === 'server' ? ['mcpServers'] : ['agents', 'kinds'];
}

/** The entry: the program sees its own files, what the system is made of, and nothing else. */
export function entryOf(program: ProposedProgram, folder: string): JsonObject {
  const { args, command, limits, tools, what } = program;
  const { cpu, memory, network } = limits;
  const data = dataFolderOf(program, folder);
  return {
    command,
    ...(args.length === 0 ? {} : { args: [...args] }),
    cwd: folder,
    sandbox: {
      required: true,
      network,
      read: [folder],
      ...(data === undefined ? {} : { write: [data] }),
    },
    ...(what === 'kind' ? { tools: [...tools] } : {}),
    ...(memory === undefined ? {} : { memory }),
    ...(cpu === undefined ? {} : { cpu }),
  };
}
