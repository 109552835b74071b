/**
 * The form of what an agent may propose. It is closed: what is no part of it can't be said, and each part is bounded, plain
 * to a person who reads it, and leads nowhere but into its own folder. No variable is put in, so that no secret of the node
 * can be asked for. Pure.
 */
import { z } from 'zod';
import { BUILTIN_SERVER, FORBIDDEN, StarlingError, printable } from '../core/index.ts';
import { CPU_FORM, MEMORY_FORM } from '../config/index.ts';
import { isScope, scopesCover } from '../guard/index.ts';
import {
  ALL_BYTES_MAX,
  ARGS_MAX,
  ARG_MAX,
  DEPTH_MAX,
  FILES_MAX,
  FILE_BYTES_MAX,
  LINE_MAX,
  TOOLS_MAX,
} from './limits.ts';
import { DATA_FOLDER } from './config-entry.ts';
import type { ProposedFile, ProposedProgram } from './types.ts';

const NAME = /^[a-z][a-z0-9-]{0,31}$/;
/** A program of the system: no path, and no word of a shell. */
const COMMAND = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/;
const PART = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/;
/** Variables of the node's environment would be put in. */
const VARIABLE = '${';
/** Names that a node has for itself. */
const RESERVED: readonly string[] = [BUILTIN_SERVER, 'functions'];

/** What an agent says. */
export const PROGRAM_INPUT = z.object({
  what: z
    .enum(['server', 'kind'])
    .describe('An MCP server of the node, or a kind of agents that it may run.'),
  name: z.string().min(1).max(32).describe('a-z, 0-9 and -: a name that nothing here has yet.'),
  command: z
    .string()
    .min(1)
    .max(64)
    .describe('A program of the system by its name, like node or python3; never a shell.'),
  args: z
    .array(z.string().max(ARG_MAX))
    .max(ARGS_MAX)
    .optional()
    .describe('Its arguments; files by their paths below its folder, where it runs.'),
  files: z
    .array(
      z.strictObject({ path: z.string().min(1).max(260), text: z.string().max(FILE_BYTES_MAX) }),
    )
    .max(FILES_MAX)
    .optional()
    .describe(`Text files of it, ${ALL_BYTES_MAX / 1024} KiB in all; a folder data is its own.`),
  limits: z
    .strictObject({
      network: z.boolean().optional().describe('True: it needs the network.'),
      keeps: z.boolean().optional().describe('True: it needs to write in its folder data.'),
      memory: z.string().regex(MEMORY_FORM).optional().describe('Of a kind: like 512Mi.'),
      cpu: z.string().regex(CPU_FORM).optional().describe('Of a kind: cores, like 1 or 500m.'),
    })
    .optional(),
  tools: z
    .array(z.string().min(1).max(256))
    .max(TOOLS_MAX)
    .optional()
    .describe('Of a kind: what its agents may use, of what you may: tool:files/*.'),
});

/** The program that was said; `scopes` are the rights of who says it. @throws STARLING_USAGE, with all that is wrong */
export function readProgram(
  said: z.output<typeof PROGRAM_INPUT>,
  scopes: readonly string[],
): ProposedProgram {
  const { args = [], command, files = [], limits = {}, name, tools = [], what } = said;
  const { keeps = false, network = false, ...bounds } = limits;
  const program: ProposedProgram = {
    what,
    name,
    command,
    args,
    files: files.toSorted((one, other) => (one.path < other.path ? -1 : 1)),
    limits: { network, keeps, ...bounds },
    tools,
  };
  const problems = [
    ...nameProblems(program),
    ...args.flatMap((arg, at) => textProblems(`args.${at}`, arg)),
    ...fileProblems(files),
    ...kindProblems(program, scopes),
  ];
  if (problems.length === 0) return program;
  throw new StarlingError('STARLING_USAGE', `nothing was proposed: ${problems.join('; ')}`, {
    hint: 'correct it, and propose it again',
  });
}

function nameProblems({ command, name }: ProposedProgram): readonly string[] {
  return [
    ...(NAME.test(name) ? [] : ['name: 1 to 32 of a-z, 0-9 and -, beginning with a letter']),
    ...(RESERVED.includes(name) ? [`name: '${name}' is the node's own`] : []),
    ...(COMMAND.test(command) ? [] : ['command: a program of the system by its name, no path']),
  ];
}

function fileProblems(files: readonly ProposedFile[]): readonly string[] {
  const paths = files.map(({ path }) => path.toLowerCase());
  const bytes = files.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
  return [
    ...files.flatMap(({ path, text }) => [...pathProblems(path), ...contentProblems(path, text)]),
    // Some systems take paths that differ in their case for the same.
    ...(new Set(paths).size === paths.length ? [] : ['files: two have the same path']),
    ...(paths.some((path) => paths.some((other) => other.startsWith(`${path}/`)))
      ? ['files: one has the path of a folder']
      : []),
    ...(bytes > ALL_BYTES_MAX ? [`files: over ${ALL_BYTES_MAX} bytes in all`] : []),
  ];
}

function pathProblems(path: string): readonly string[] {
  const parts = path.split('/');
  const shown = `files: '${printable(path, 80)}'`;
  if (parts.length > DEPTH_MAX || !parts.every((part) => PART.test(part))) {
    return [`${shown} is no path below its folder, like src/main.mjs`];
  }
  return parts[0]?.toLowerCase() === DATA_FOLDER
    ? [`${shown} is in the folder ${DATA_FOLDER}, which the program fills itself`]
    : [];
}

/** What a person is shown is what there is: nothing invisible, and no line that runs out of sight. */
function contentProblems(path: string, text: string): readonly string[] {
  const lines = text.split('\n');
  return [
    ...(Buffer.byteLength(text) > FILE_BYTES_MAX
      ? [`files: '${printable(path, 80)}' has over ${FILE_BYTES_MAX} bytes`]
      : []),
    ...(lines.some((line) => FORBIDDEN.test(line.replaceAll('\t', ' ')))
      ? [`files: '${printable(path, 80)}' has control or invisible characters`]
      : []),
    ...(lines.some((line) => line.length > LINE_MAX)
      ? [`files: '${printable(path, 80)}' has a line of over ${LINE_MAX} characters`]
      : []),
  ];
}

function textProblems(where: string, text: string): readonly string[] {
  return [
    ...(FORBIDDEN.test(text) ? [`${where}: it has control or invisible characters`] : []),
    ...(text.includes(VARIABLE) ? [`${where}: no variable is put in`] : []),
  ];
}

/** Whoever proposes a kind gives nothing that it has not itself. */
function kindProblems(
  { limits, tools, what }: ProposedProgram,
  scopes: readonly string[],
): readonly string[] {
  const bounds = [limits.memory, limits.cpu].filter((limit) => limit !== undefined);
  if (what === 'server') {
    return [
      ...(tools.length > 0 ? ['tools: a server has none'] : []),
      ...(bounds.length > 0 ? ['limits: memory and cpu can be enforced for a kind alone'] : []),
    ];
  }
  return tools
    .filter((tool) => !isScope(tool) || !scopesCover(scopes, tool))
    .map((tool) => `tools: '${printable(tool, 80)}' is no right of yours`);
}
